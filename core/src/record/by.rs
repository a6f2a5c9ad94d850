//! Who wrote a record, as far as its ledger says it: the member `by`, `docs/FORMAT.md` section 3.3.
//!
//! The set of members is closed, and each has a short form: what stands in `by` is there for ever, and a
//! member that readers pass over would be a place to hide things in. What a later version may add without
//! another form is a word in `how`, which changes nothing of how a record is judged.

use std::borrow::Cow;

use crate::json::{Limits, Members, check_canonical, parse_string, push_string};
use crate::limits::{BY_HOW_BYTES_MAX, BY_NAME_BYTES_MAX, LEDGER_NAME_BYTES_MAX};
use crate::system::Principals;

/// Who wrote a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By<'a> {
    /// In a ledger with [`Principals::Name`].
    Name(Cow<'a, str>),
    /// In a ledger with [`Principals::Full`].
    Full {
        /// How the server knew who it was: `token`, or a word of a later version.
        how: Cow<'a, str>,
        /// The name that the server knows them by.
        name: Cow<'a, str>,
        /// The tenant that they wrote for.
        tenant: Cow<'a, str>,
    },
}

impl<'a> By<'a> {
    /// Whether `text` can be a `name`: 1 to [`BY_NAME_BYTES_MAX`] bytes, no control character.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        (1..=BY_NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
    }

    /// Whether `text` can be a `how`: `[a-z][a-z0-9_]{0,63}`.
    #[must_use]
    pub fn is_how(text: &str) -> bool {
        text.len() <= BY_HOW_BYTES_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }

    /// Whether `text` can be a `tenant`: what can stand before the first dot of a ledger's name.
    #[must_use]
    pub fn is_tenant(text: &str) -> bool {
        text.len() <= LEDGER_NAME_BYTES_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
    }

    /// What record 0 of the ledger says where records say this much.
    #[must_use]
    pub const fn principals(&self) -> Principals {
        match self {
            Self::Name(_) => Principals::Name,
            Self::Full { .. } => Principals::Full,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Full { name, .. } => name,
        }
    }

    /// Reads the canonical form; `None` for anything else.
    pub(super) fn parse(canonical: &'a [u8]) -> Option<Self> {
        let members = check_canonical(canonical, Limits::EVENT).ok()?;
        let by = match members.len() {
            1 => Self::Name(text(&members, "name")?),
            3 => Self::Full {
                how: text(&members, "how")?,
                name: text(&members, "name")?,
                tenant: text(&members, "tenant")?,
            },
            _ => return None,
        };
        by.is_of_its_form().then_some(by)
    }

    /// Whether each member has its form, so that what is written can be read.
    pub(super) fn is_of_its_form(&self) -> bool {
        match self {
            Self::Name(name) => Self::is_name(name),
            Self::Full { how, name, tenant } => {
                Self::is_how(how) && Self::is_name(name) && Self::is_tenant(tenant)
            }
        }
    }

    /// Appends the canonical form.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        match self {
            Self::Name(name) => {
                out.extend_from_slice(b"{\"name\":");
                push_string(out, name);
            }
            Self::Full { how, name, tenant } => {
                out.extend_from_slice(b"{\"how\":");
                push_string(out, how);
                out.extend_from_slice(b",\"name\":");
                push_string(out, name);
                out.extend_from_slice(b",\"tenant\":");
                push_string(out, tenant);
            }
        }
        out.push(b'}');
    }
}

fn text<'a>(members: &Members<'a>, name: &str) -> Option<Cow<'a, str>> {
    members.get(name).and_then(parse_string)
}
