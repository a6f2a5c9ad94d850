//! What the engine itself has to say in a ledger, `docs/FORMAT.md` section 3.1.

use core::fmt;
use core::str::FromStr;
use std::borrow::Cow;

use crate::hash::Sha256Hash;
use crate::json::{
    JsonError, Limits, Members, Numbers, Value, check_canonical, parse_string, push_string,
    push_u64,
};
use crate::key::KeyId;
use crate::limits::{SYSTEM_KIND_BYTES_MAX, UNSIGNED_RUN_MAX};
use crate::name::{Origin, Seq};

/// Why bytes are not the system object that their `kind` promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SystemError {
    /// Not canonical JSON within the limits.
    #[error("not canonical JSON: {0}")]
    Json(#[from] JsonError),
    /// Members are missing or there are others.
    #[error("the members of the system object are not those of its kind")]
    Members,
    /// The member named is not of the form that `docs/FORMAT.md` gives it.
    #[error("the system object's member {0} is not of its form")]
    Member(&'static str),
    /// A creation without the member named.
    #[error(
        "the creation has no member {0}: it was written before the first release, whose formats are not \
         read any more"
    )]
    BeforeRelease(&'static str),
}

/// Whether `text` can be the `kind` of a system object: `[a-z][a-z0-9_]{0,63}`.
#[must_use]
pub fn is_kind(text: &str) -> bool {
    text.len() <= SYSTEM_KIND_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// The kind of a canonical object, if it has one.
pub(crate) fn kind_of<'a>(object: &Members<'a>) -> Option<Cow<'a, str>> {
    object.get("kind").and_then(parse_string).filter(|kind| is_kind(kind))
}

/// Which records of a ledger carry a signature, `docs/FORMAT.md` section 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignPer {
    /// Every record.
    Record,
    /// The last record of every commit.
    Commit,
}

impl SignPer {
    /// The text that stands in record 0.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Commit => "commit",
        }
    }
}

impl fmt::Display for SignPer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is neither `record` nor `commit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signing is per 'record' or per 'commit'")]
pub struct SignPerError;

impl FromStr for SignPer {
    type Err = SignPerError;
    fn from_str(text: &str) -> Result<Self, SignPerError> {
        match text {
            "record" => Ok(Self::Record),
            "commit" => Ok(Self::Commit),
            _ => Err(SignPerError),
        }
    }
}

/// How much the records of a ledger say of who wrote them, `docs/FORMAT.md` section 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Principals {
    /// Nothing.
    #[default]
    Off,
    /// The name.
    Name,
    /// The name, how the server knew it, and the tenant.
    Full,
}

impl Principals {
    /// The text that stands in record 0.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Name => "name",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Principals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is neither `off`, `name` nor `full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("of who wrote a record, a ledger says 'off', 'name' or 'full'")]
pub struct PrincipalsError;

impl FromStr for Principals {
    type Err = PrincipalsError;
    fn from_str(text: &str) -> Result<Self, PrincipalsError> {
        match text {
            "off" => Ok(Self::Off),
            "name" => Ok(Self::Name),
            "full" => Ok(Self::Full),
            _ => Err(PrincipalsError),
        }
    }
}

/// `ledger_created`, always and only record 0: how to check everything that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// The ledger's name for the world.
    pub origin: Origin,
    /// Which records carry a signature.
    pub sign_per: SignPer,
    /// The keys that sign at first, at least one.
    pub keys: Vec<KeyId>,
    /// The longest run of records without a signature of their own, at most
    /// [`UNSIGNED_RUN_MAX`].
    pub max_unsigned: u64,
    /// What becomes of numbers that a double does not carry, where a client does not say.
    pub numbers: Numbers,
    /// What records say of who wrote them.
    pub principals: Principals,
}

impl Creation {
    /// The kind of a ledger's creation.
    pub const KIND: &str = "ledger_created";

    /// Its members, in canonical order.
    const MEMBERS: [&str; 7] =
        ["keys", "kind", "max_unsigned", "numbers", "origin", "principals", "sign_per"];

    /// The canonical form.
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut out = b"{\"keys\":[".to_vec();
        for (i, key) in self.keys.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            push_string(&mut out, key.as_str());
        }
        out.extend_from_slice(b"],\"kind\":\"ledger_created\",\"max_unsigned\":");
        push_u64(&mut out, self.max_unsigned);
        out.extend_from_slice(b",\"numbers\":");
        push_string(&mut out, self.numbers.as_str());
        out.extend_from_slice(b",\"origin\":");
        push_string(&mut out, &self.origin);
        out.extend_from_slice(b",\"principals\":");
        push_string(&mut out, self.principals.as_str());
        out.extend_from_slice(b",\"sign_per\":");
        push_string(&mut out, self.sign_per.as_str());
        out.push(b'}');
        out
    }

    /// Reads the canonical form.
    ///
    /// # Errors
    /// [`SystemError`] for anything else, other kinds included.
    pub fn parse(canonical: &[u8]) -> Result<Self, SystemError> {
        match System::parse(canonical)? {
            System::LedgerCreated(creation) => Ok(creation),
            _ => Err(SystemError::Member("kind")),
        }
    }

    fn read(object: &Value) -> Result<Self, SystemError> {
        for later in ["numbers", "principals"] {
            let mut before = Self::MEMBERS.to_vec();
            before.retain(|name| *name != later);
            if exactly(object, &before).is_ok() {
                return Err(SystemError::BeforeRelease(later));
            }
        }
        exactly(object, &Self::MEMBERS)?;
        let keys = object.get("keys").and_then(Value::as_array).unwrap_or_default();
        let keys: Option<Vec<_>> = keys.iter().map(|key| KeyId::new(key.as_str()?).ok()).collect();
        let max_unsigned = object.get("max_unsigned").and_then(Value::as_u64);
        Ok(Self {
            keys: keys.filter(|keys| !keys.is_empty()).ok_or(SystemError::Member("keys"))?,
            max_unsigned: max_unsigned
                .filter(|run| *run <= UNSIGNED_RUN_MAX)
                .ok_or(SystemError::Member("max_unsigned"))?,
            numbers: parsed(object, "numbers")?,
            principals: parsed(object, "principals")?,
            origin: parsed(object, "origin")?,
            sign_per: parsed(object, "sign_per")?,
        })
    }
}

/// `segment_archived`: a segment and its manifest are safe in a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentArchived {
    /// First record of the segment.
    pub first_seq: Seq,
    /// Last record of the segment.
    pub last_seq: Seq,
    /// SHA-256 of the manifest's text.
    pub manifest_sha256: Sha256Hash,
    /// SHA-256 of the segment's file.
    pub segment_sha256: Sha256Hash,
    /// Which vault, as its operator calls it.
    pub vault: String,
}

impl SegmentArchived {
    /// The kind of this object.
    pub const KIND: &str = "segment_archived";

    /// The canonical form.
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut out = b"{\"first_seq\":".to_vec();
        push_u64(&mut out, self.first_seq.get());
        out.extend_from_slice(b",\"kind\":\"segment_archived\",\"last_seq\":");
        push_u64(&mut out, self.last_seq.get());
        out.extend_from_slice(b",\"manifest_sha256\":");
        push_string(&mut out, &self.manifest_sha256.to_hex());
        out.extend_from_slice(b",\"segment_sha256\":");
        push_string(&mut out, &self.segment_sha256.to_hex());
        out.extend_from_slice(b",\"vault\":");
        push_string(&mut out, &self.vault);
        out.push(b'}');
        out
    }

    fn read(object: &Value) -> Result<Self, SystemError> {
        let names = ["first_seq", "kind", "last_seq", "manifest_sha256", "segment_sha256", "vault"];
        exactly(object, &names)?;
        let first_seq = seq(object, "first_seq")?;
        let last_seq = seq(object, "last_seq")?;
        if last_seq < first_seq {
            return Err(SystemError::Member("last_seq"));
        }
        Ok(Self {
            first_seq,
            last_seq,
            manifest_sha256: parsed(object, "manifest_sha256")?,
            segment_sha256: parsed(object, "segment_sha256")?,
            vault: parsed(object, "vault")?,
        })
    }
}

/// Any system object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum System {
    /// The ledger's creation.
    LedgerCreated(Creation),
    /// A segment is safe in a vault.
    SegmentArchived(SegmentArchived),
    /// Something that a later version says. A valid record, whatever else it holds; but whoever does
    /// not know the kind cannot judge the records behind it, unless it is `informative`.
    Unknown {
        /// The kind.
        kind: String,
        /// Whether it says of itself that a reader may pass it over: the member `informative` is `true`.
        informative: bool,
    },
}

impl System {
    /// The kinds that this program understands.
    pub const KINDS: [&'static str; 2] = [Creation::KIND, SegmentArchived::KIND];

    /// Whether it is of a kind that a later version knows, and says that a reader may pass it over.
    #[must_use]
    pub const fn is_informative(&self) -> bool {
        matches!(self, Self::Unknown { informative: true, .. })
    }

    /// Reads the canonical form.
    ///
    /// # Errors
    /// [`SystemError`] where it is no system object, or one of a known kind in another shape.
    pub fn parse(canonical: &[u8]) -> Result<Self, SystemError> {
        let members = check_canonical(canonical, Limits::EVENT)?;
        let kind = kind_of(&members);
        let tree = || Value::parse_canonical(canonical, Limits::EVENT);
        match &*kind.ok_or(SystemError::Member("kind"))? {
            Creation::KIND => Creation::read(&tree()?).map(Self::LedgerCreated),
            SegmentArchived::KIND => SegmentArchived::read(&tree()?).map(Self::SegmentArchived),
            // Whatever else it has is not looked at, and no tree is made of it.
            kind => Ok(Self::Unknown {
                kind: kind.to_owned(),
                informative: members.get("informative") == Some(b"true"),
            }),
        }
    }

    /// The canonical form; `None` for an unknown kind, whose other members were not kept.
    #[must_use]
    pub fn to_canonical(&self) -> Option<Vec<u8>> {
        match self {
            Self::LedgerCreated(creation) => Some(creation.to_canonical()),
            Self::SegmentArchived(archived) => Some(archived.to_canonical()),
            Self::Unknown { .. } => None,
        }
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::LedgerCreated(_) => Creation::KIND,
            Self::SegmentArchived(_) => SegmentArchived::KIND,
            Self::Unknown { kind, .. } => kind,
        }
    }
}

/// Names of members in canonical order, exactly these.
fn exactly(object: &Value, names: &[&str]) -> Result<(), SystemError> {
    let members = object.as_object().unwrap_or_default();
    if members.iter().map(|(name, _)| name.as_str()).eq(names.iter().copied()) {
        Ok(())
    } else {
        Err(SystemError::Members)
    }
}

fn parsed<T: FromStr>(object: &Value, name: &'static str) -> Result<T, SystemError> {
    let text = object.get(name).and_then(Value::as_str);
    text.and_then(|text| text.parse().ok()).ok_or(SystemError::Member(name))
}

fn seq(object: &Value, name: &'static str) -> Result<Seq, SystemError> {
    let number = object.get(name).and_then(Value::as_u64);
    number.and_then(|number| Seq::new(number).ok()).ok_or(SystemError::Member(name))
}
