//! What is carried from line to line, segment to segment, and run to run of a verifier.

use indelible_core::code::Class;
use indelible_core::hash::{Digest, NodeHash, Sha256Hash};
use indelible_core::json::{Limits, Value, canonicalize};
use indelible_core::merkle::CompactRange;
use indelible_core::name::Origin;
use indelible_core::system::{Creation, Principals, SignPer};
use indelible_core::time::Timestamp;
use serde::Serialize;

use crate::limits::KINDS_MAX;
use crate::lines::Before;

/// What of record 0 everything behind it is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Which records carry a signature.
    pub sign_per: SignPer,
    /// The longest run of records without one.
    pub max_unsigned: u64,
    /// What records say of who wrote them.
    pub principals: Principals,
}

impl From<&Creation> for Rules {
    fn from(creation: &Creation) -> Self {
        Self {
            sign_per: creation.sign_per,
            max_unsigned: creation.max_unsigned,
            principals: creation.principals,
        }
    }
}

/// Records without a signature that have not come to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenRun {
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// Whether all of its lines are beyond doubt those that were signed.
    pub(crate) firm: bool,
}

/// What has been counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    pub(crate) signatures: u64,
    pub(crate) segments: u64,
    /// Lines with a finding.
    pub(crate) damaged: u64,
    /// Findings of each class.
    pub(crate) tampering: u64,
    pub(crate) damage: u64,
    pub(crate) behind: u64,
    pub(crate) unchecked: u64,
}

impl Tally {
    pub(crate) fn find(&mut self, class: Class, times: u64) {
        let count = match class {
            Class::Tampering => &mut self.tampering,
            Class::Damage => &mut self.damage,
            Class::Behind => &mut self.behind,
        };
        *count = count.saturating_add(times);
    }

    pub(crate) fn findings(&self) -> u64 {
        self.tampering.saturating_add(self.damage).saturating_add(self.behind)
    }
}

/// How far a ledger was checked and everything that is needed to go on from there: it can be written
/// down, read back and gone on from, and then the same is said as if there had been no break.
///
/// It holds no signature: whoever can change it can make a verifier believe in another beginning, so it
/// is kept where the verifier's keys are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayState {
    pub(crate) origin: Option<Origin>,
    /// The number that the next record must have.
    pub(crate) due: u64,
    pub(crate) before: Before,
    /// What the last record leads to, where that is not what its line states.
    pub(crate) recomputed: Option<Digest>,
    pub(crate) signature_bad: bool,
    pub(crate) time: Option<Timestamp>,
    /// Whether the line that gave the time is beyond doubt the one that was signed.
    pub(crate) time_firm: bool,
    pub(crate) rules: Option<Rules>,
    /// The same of the line that gave the rules.
    pub(crate) rules_firm: bool,
    pub(crate) open: Option<OpenRun>,
    /// The tree of all records, unless it is lost.
    pub(crate) tree: Option<CompactRange>,
    /// Whether the tree has no leaf from a line that is not sound.
    pub(crate) tree_firm: bool,
    /// Whether every line that counts so far is sound.
    pub(crate) sound: bool,
    /// The hash of the text of the manifest before, unless it is lost or was not trusted.
    pub(crate) manifest: Option<Sha256Hash>,
    /// Kinds of system records that are not known and were named.
    pub(crate) kinds: Vec<String>,
    /// Records that the largest head vouches for that was compared.
    pub(crate) known_to: Option<u64>,
    pub(crate) tally: Tally,
}

/// A text is not a state as [`ReplayState::to_json`] writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not the state of a verification: {0}")]
pub struct StateError(String);

const VERSION: u64 = 1;

/// The members in canonical order, as they are written.
#[derive(Serialize)]
struct Written<'a> {
    before: Option<String>,
    before_lost: bool,
    behind: u64,
    damage: u64,
    damaged: u64,
    due: u64,
    kinds: &'a [String],
    known_to: Option<u64>,
    manifest: Option<String>,
    max_unsigned: Option<u64>,
    open: Option<WrittenRun>,
    origin: Option<&'a str>,
    principals: Option<&'static str>,
    recomputed: Option<String>,
    records: u64,
    rules_firm: bool,
    segments: u64,
    sign_per: Option<&'static str>,
    signature_bad: bool,
    signatures: u64,
    sound: bool,
    tampering: u64,
    time: Option<String>,
    time_firm: bool,
    tree: Option<Vec<String>>,
    tree_firm: bool,
    unchecked: u64,
    v: u64,
}

#[derive(Serialize)]
struct WrittenRun {
    count: u64,
    firm: bool,
    first: u64,
}

impl ReplayState {
    /// The state before record 0.
    #[must_use]
    pub fn new(origin: Option<Origin>) -> Self {
        Self {
            origin,
            due: 0,
            before: Before::Nothing,
            recomputed: None,
            signature_bad: false,
            time: None,
            time_firm: true,
            rules: None,
            rules_firm: true,
            open: None,
            tree: Some(CompactRange::new(0)),
            tree_firm: true,
            sound: true,
            manifest: None,
            kinds: Vec::new(),
            known_to: None,
            tally: Tally::default(),
        }
    }

    /// The number of the record that comes next.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.due
    }

    /// The ledger's origin, where it is known.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The state as canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let tally = self.tally;
        let written = Written {
            before: match self.before {
                Before::Stated(digest) => Some(digest.to_hex()),
                Before::Nothing | Before::Lost => None,
            },
            before_lost: self.before == Before::Lost,
            behind: tally.behind,
            damage: tally.damage,
            damaged: tally.damaged,
            due: self.due,
            kinds: &self.kinds,
            known_to: self.known_to,
            manifest: self.manifest.map(|hash| hash.to_hex()),
            max_unsigned: self.rules.map(|rules| rules.max_unsigned),
            open: self.open.map(|OpenRun { first, count, firm }| WrittenRun { count, firm, first }),
            origin: self.origin.as_deref(),
            principals: self.rules.map(|rules| rules.principals.as_str()),
            recomputed: self.recomputed.map(|digest| digest.to_hex()),
            records: tally.records,
            rules_firm: self.rules_firm,
            segments: tally.segments,
            sign_per: self.rules.map(|rules| rules.sign_per.as_str()),
            signature_bad: self.signature_bad,
            signatures: tally.signatures,
            sound: self.sound,
            tampering: tally.tampering,
            time: self.time.map(|time| time.to_string()),
            time_firm: self.time_firm,
            tree: self
                .tree
                .as_ref()
                .map(|t| t.subtrees().iter().map(NodeHash::to_base64).collect()),
            tree_firm: self.tree_firm,
            unchecked: tally.unchecked,
            v: VERSION,
        };
        // Neither fails: there is no map with other keys than texts, and no number beyond 2^53.
        let json = serde_json::to_vec(&written).unwrap_or_default();
        canonicalize(&json, Limits::DOCUMENT).unwrap_or(json)
    }

    /// Reads what [`to_json`](Self::to_json) wrote, and nothing else.
    ///
    /// # Errors
    /// [`StateError`] where anything is missing, contradicts itself or is written otherwise.
    pub fn parse(json: &[u8]) -> Result<Self, StateError> {
        let value = Value::parse_canonical(json, Limits::DOCUMENT)
            .map_err(|error| StateError(error.to_string()))?;
        let state = read(&value)?;
        if state.to_json() == json {
            Ok(state)
        } else {
            Err(StateError("it has other members, or another spelling".to_owned()))
        }
    }
}

fn read(value: &Value) -> Result<ReplayState, StateError> {
    if number(value, "v")? != VERSION {
        return Err(StateError(format!("its version is not {VERSION}")));
    }
    let due = number(value, "due")?;
    let stated = text(value, "before", |text| Digest::from_hex(text).ok())?;
    let before = match (stated, flag(value, "before_lost")?) {
        (Some(digest), false) => Before::Stated(digest),
        (None, true) => Before::Lost,
        (None, false) if due == 0 => Before::Nothing,
        _ => return Err(wrong("before")),
    };
    let sign_per: Option<SignPer> = text(value, "sign_per", |text| text.parse().ok())?;
    let principals: Option<Principals> = text(value, "principals", |text| text.parse().ok())?;
    let rules = match (sign_per, maybe_number(value, "max_unsigned")?, principals) {
        (Some(sign_per), Some(max_unsigned), Some(principals)) => {
            Some(Rules { sign_per, max_unsigned, principals })
        }
        (None, None, None) => None,
        (_, _, None) => return Err(wrong("principals")),
        _ => return Err(wrong("max_unsigned")),
    };
    Ok(ReplayState {
        origin: text(value, "origin", |text| Origin::new(text).ok())?,
        due,
        before,
        recomputed: text(value, "recomputed", |text| Digest::from_hex(text).ok())?,
        signature_bad: flag(value, "signature_bad")?,
        time: text(value, "time", |text| Timestamp::parse(text.as_bytes()).ok())?,
        time_firm: flag(value, "time_firm")?,
        rules,
        rules_firm: flag(value, "rules_firm")?,
        open: open_run(value)?,
        tree: tree(value, due)?,
        tree_firm: flag(value, "tree_firm")?,
        sound: flag(value, "sound")?,
        manifest: text(value, "manifest", |text| Sha256Hash::from_hex(text).ok())?,
        kinds: texts(value, "kinds")?
            .filter(|kinds| kinds.len() <= KINDS_MAX)
            .ok_or(wrong("kinds"))?,
        known_to: maybe_number(value, "known_to")?,
        tally: Tally {
            records: number(value, "records")?,
            signatures: number(value, "signatures")?,
            segments: number(value, "segments")?,
            damaged: number(value, "damaged")?,
            tampering: number(value, "tampering")?,
            damage: number(value, "damage")?,
            behind: number(value, "behind")?,
            unchecked: number(value, "unchecked")?,
        },
    })
}

fn open_run(value: &Value) -> Result<Option<OpenRun>, StateError> {
    let run = member(value, "open")?;
    if run.is_null() {
        return Ok(None);
    }
    let (first, count, firm) = (number(run, "first")?, number(run, "count")?, flag(run, "firm")?);
    let holds = count > 0 && first.checked_add(count).is_some();
    holds.then_some(Some(OpenRun { first, count, firm })).ok_or(wrong("open"))
}

fn tree(value: &Value, size: u64) -> Result<Option<CompactRange>, StateError> {
    let Some(hashes) = texts(value, "tree")? else { return Ok(None) };
    let hashes: Option<Vec<_>> = hashes.iter().map(|h| NodeHash::from_base64(h).ok()).collect();
    let range = hashes.and_then(|hashes| CompactRange::from_parts(0, size, hashes).ok());
    range.map(Some).ok_or(wrong("tree"))
}

fn wrong(name: &str) -> StateError {
    StateError(format!("its member {name} is not of its form"))
}

fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value, StateError> {
    value.get(name).ok_or_else(|| wrong(name))
}

fn number(value: &Value, name: &str) -> Result<u64, StateError> {
    member(value, name)?.as_u64().ok_or_else(|| wrong(name))
}

fn maybe_number(value: &Value, name: &str) -> Result<Option<u64>, StateError> {
    let found = member(value, name)?;
    if found.is_null() { Ok(None) } else { number(value, name).map(Some) }
}

fn flag(value: &Value, name: &str) -> Result<bool, StateError> {
    member(value, name)?.as_bool().ok_or_else(|| wrong(name))
}

/// A text that `read` takes, or `null`.
fn text<T>(
    value: &Value,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, StateError> {
    let found = member(value, name)?;
    if found.is_null() {
        return Ok(None);
    }
    found.as_str().and_then(read).map(Some).ok_or_else(|| wrong(name))
}

/// An array of texts, or `null`.
fn texts(value: &Value, name: &str) -> Result<Option<Vec<String>>, StateError> {
    let found = member(value, name)?;
    if found.is_null() {
        return Ok(None);
    }
    let texts =
        found.as_array().unwrap_or_default().iter().map(|text| text.as_str().map(str::to_owned));
    match texts.collect::<Option<Vec<_>>>() {
        Some(texts) if found.as_array().is_some() => Ok(Some(texts)),
        _ => Err(wrong(name)),
    }
}
