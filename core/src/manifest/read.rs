//! Reading a manifest's text back.

use super::{Content, Manifest, ManifestError, TITLE, TITLE_OF_ANY_VERSION};
use crate::certificates::certificates;
use crate::hash::{Digest, NodeHash, Sha256Hash};
use crate::json::{Limits, Value, check_canonical};
use crate::key::KeyId;
use crate::limits::{DOCUMENT_DEPTH_MAX, MANIFEST_BYTES_MAX};
use crate::name::{Origin, Seq};
use crate::segment::Run;

/// A manifest of today is two levels deep, which comparing with what would be written sees to. What a
/// certificate holds is for a later version to say.
const LIMITS: Limits = Limits { bytes_max: MANIFEST_BYTES_MAX, depth_max: DOCUMENT_DEPTH_MAX };

/// Reads the two lines. Writing the result again and comparing proves that the text has no other
/// members and no other spelling; the members that are derived are compared before, for the sake of a
/// better reason.
pub(super) fn text(text: &str) -> Result<Manifest, ManifestError> {
    if let Some(version) = other_version(text) {
        return Err(ManifestError::Version(version));
    }
    let json = text
        .strip_prefix(TITLE)
        .and_then(|rest| rest.strip_prefix('\n')?.strip_suffix('\n'))
        .filter(|json| !json.contains('\n'))
        .ok_or(ManifestError::Lines)?;
    // Certificates may make a tree larger than is built.
    if certificates(&check_canonical(json.as_bytes(), LIMITS)?).is_some() {
        return Err(ManifestError::Certificates);
    }
    let members = Members(Value::parse_canonical(json.as_bytes(), LIMITS)?);
    let (first, last) = (members.seq("first_seq")?, members.seq("last_seq")?);
    let manifest = Manifest {
        origin: members.read("origin", |value| Origin::new(value.as_str()?).ok())?,
        run: Run::new(first, last).ok_or(ManifestError::Run { first, last })?,
        first_prev: members.optional("first_prev", |text| Digest::from_hex(text).ok())?,
        last_digest: members.read("last_digest", |value| Digest::from_hex(value.as_str()?).ok())?,
        keys: members.list("keys", |text| KeyId::new(text).ok())?.into_iter().collect(),
        packed: members.content("packed")?,
        plain: members.content("plain")?,
        previous: members.optional("previous", |text| Sha256Hash::from_hex(text).ok())?,
        subtrees: members.list("subtrees", |text| NodeHash::from_base64(text).ok())?,
        checkpoint: members.string("checkpoint")?.to_owned(),
    };
    for (name, agrees) in [
        ("v", members.number("v")? == 1),
        ("count", members.number("count")? == manifest.count()),
        ("ledger", members.string("ledger")? == manifest.origin.ledger()),
        ("object", members.string("object")? == manifest.object_name()),
        // In order, each once: or the set would not be written as it was read.
        ("keys", members.list("keys", |text| KeyId::new(text).ok())?.iter().eq(&manifest.keys)),
    ] {
        if !agrees {
            return Err(ManifestError::Contradiction(name));
        }
    }
    if manifest.text() == text { Ok(manifest) } else { Err(ManifestError::UnknownMember) }
}

/// The number in the title, where it is another one than this program reads.
fn other_version(text: &str) -> Option<u64> {
    let (title, _) = text.split_once('\n')?;
    let number = title.strip_prefix(TITLE_OF_ANY_VERSION)?;
    let is_number = !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && (number == "0" || !number.starts_with('0'));
    (is_number && title != TITLE).then(|| number.parse().unwrap_or(u64::MAX))
}

struct Members(Value);

impl Members {
    fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, ManifestError> {
        self.0.get(name).and_then(read).ok_or(ManifestError::Member(name))
    }

    fn string(&self, name: &'static str) -> Result<&str, ManifestError> {
        self.0.get(name).and_then(Value::as_str).ok_or(ManifestError::Member(name))
    }

    fn number(&self, name: &'static str) -> Result<u64, ManifestError> {
        self.read(name, Value::as_u64)
    }

    fn seq(&self, name: &'static str) -> Result<Seq, ManifestError> {
        self.read(name, |value| Seq::new(value.as_u64()?).ok())
    }

    /// A string or `null`.
    fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ManifestError> {
        self.read(
            name,
            |value| {
                if value.is_null() { Some(None) } else { read(value.as_str()?).map(Some) }
            },
        )
    }

    fn list<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ManifestError> {
        self.read(name, |value| value.as_array()?.iter().map(|item| read(item.as_str()?)).collect())
    }

    fn content(&self, name: &'static str) -> Result<Content, ManifestError> {
        self.read(name, |value| {
            let sha256 = Sha256Hash::from_hex(value.get("sha256")?.as_str()?).ok()?;
            Some(Content { sha256, size: value.get("size")?.as_u64()? })
        })
    }
}
