//! Records: what is hashed, signed and stored for each event, `docs/FORMAT.md` section 3.
//!
//! A record is written once and never parsed on the way in: [`PreparedEvent`] holds the beginning of
//! the record and the SHA-256 state over it, made on the thread that received the event, so that
//! sealing (which must happen in order, on one thread per ledger) only adds and hashes the short rest.
//! [`RecordView`] is the way back: everything that can be wrong with a record by itself is found there.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::chain;
use crate::hash::Digest;
use crate::json::{
    CanonicalObject, JsonError, Limits, check_canonical, parse_string, parse_u64, push_string,
    push_u64,
};
use crate::limits::{EVENT_BYTES_MAX, EVENT_DEPTH_MAX};
use crate::name::{EventId, LedgerName, Seq};
use crate::time::Timestamp;

const EVENT_HEAD: &[u8] = b"{\"event\":";

/// Why bytes are not a record, or not the body of one. The bytes are at fault; trying again does not
/// help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not canonical JSON within the limits.
    #[error("not canonical JSON: {0}")]
    Json(#[from] JsonError),
    /// Members are missing or there are others.
    #[error("a record has exactly the members event or system, id, ledger, seq, time and v")]
    Members,
    /// The member named is not of the form that `docs/FORMAT.md` gives it.
    #[error("the record's member {0} is not of its form")]
    Member(&'static str),
}

/// Where a record stands: all of it but its body.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The ledger.
    pub ledger: &'a LedgerName,
    /// What makes the event the same when it is sent again.
    pub id: &'a EventId,
    /// The place in the ledger.
    pub seq: Seq,
    /// When the ledger took it.
    pub time: Timestamp,
}

impl Place<'_> {
    fn push_id_ledger_seq(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"id\":");
        push_string(out, self.id);
        out.extend_from_slice(b",\"ledger\":\"");
        out.extend_from_slice(self.ledger.as_bytes());
        out.extend_from_slice(b"\",\"seq\":");
        push_u64(out, self.seq.get());
    }

    fn push_time_version(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"time\":\"");
        out.extend_from_slice(&self.time.to_text());
        out.extend_from_slice(b"\",\"v\":1}");
    }
}

/// An event that is ready to be sealed into a record: canonical, within its limits, and hashed.
#[derive(Clone)]
pub struct PreparedEvent {
    /// `{"event":<event>`
    head: Vec<u8>,
    /// SHA-256 over `head`.
    hash: Sha256,
}

impl PreparedEvent {
    /// Takes an event in canonical form, of which a copy is made.
    ///
    /// # Errors
    /// [`RecordError`] where it is not an object in canonical form within [`Limits::EVENT`].
    pub fn new(event: &[u8]) -> Result<Self, RecordError> {
        if check_canonical(event, Limits::EVENT)?.is_object() {
            Ok(Self::trusted(event))
        } else {
            Err(RecordError::Member("event"))
        }
    }

    /// Takes the whole of `object` as the event. Its being canonical is not checked again.
    ///
    /// # Errors
    /// [`RecordError`] where it is larger or deeper than an event may be.
    pub fn from_object(object: &CanonicalObject) -> Result<Self, RecordError> {
        check_event_limits(object.bytes(), object.depth())?;
        Ok(Self::trusted(object.bytes()))
    }

    /// Takes the member `name` of `envelope` as the event. Its being canonical is not checked again.
    ///
    /// # Errors
    /// [`RecordError`] where there is no such member, or it is not an object, or larger or deeper than
    /// an event may be.
    pub fn from_member(envelope: &CanonicalObject, name: &str) -> Result<Self, RecordError> {
        let event = envelope.get(name).filter(|event| event.first() == Some(&b'{'));
        let event = event.ok_or(RecordError::Member("event"))?;
        check_event_limits(event, envelope.depth() - 1)?;
        Ok(Self::trusted(event))
    }

    fn trusted(event: &[u8]) -> Self {
        let mut head = Vec::with_capacity(EVENT_HEAD.len() + event.len());
        head.extend_from_slice(EVENT_HEAD);
        head.extend_from_slice(event);
        let hash = Sha256::new_with_prefix(&head);
        Self { head, hash }
    }

    /// The event's canonical bytes.
    #[must_use]
    pub fn event(&self) -> &[u8] {
        self.head.get(EVENT_HEAD.len()..).unwrap_or_default()
    }

    /// The length of the event's canonical form in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an event has at least its two braces")]
    pub fn len(&self) -> usize {
        self.event().len()
    }

    /// Appends the whole record to `out` and returns its digest.
    pub fn seal(&self, place: &Place<'_>, prev: Option<&Digest>, out: &mut Vec<u8>) -> Digest {
        out.extend_from_slice(&self.head);
        let rest = out.len();
        out.push(b',');
        place.push_id_ledger_seq(out);
        place.push_time_version(out);
        let mut hash = self.hash.clone();
        hash.update(out.get(rest..).unwrap_or_default());
        chain::finish(hash, prev)
    }
}

impl core::fmt::Debug for PreparedEvent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PreparedEvent({})", String::from_utf8_lossy(self.event()))
    }
}

/// Checks the limits of canonical bytes that are nested no deeper than `depth_at_most`.
fn check_event_limits(event: &[u8], depth_at_most: u32) -> Result<(), JsonError> {
    if event.len() > EVENT_BYTES_MAX || depth_at_most > EVENT_DEPTH_MAX {
        // Rare: `depth_at_most` may belong to something beside the event, so the event is looked at.
        check_canonical(event, Limits::EVENT)?;
    }
    Ok(())
}

/// Appends a whole record around a system object to `out` and returns its digest.
///
/// # Errors
/// [`RecordError`] where `system` is not an object in canonical form with a text `kind`.
pub fn seal_system(
    system: &[u8],
    place: &Place<'_>,
    prev: Option<&Digest>,
    out: &mut Vec<u8>,
) -> Result<Digest, RecordError> {
    check_system(system)?;
    let start = out.len();
    out.push(b'{');
    place.push_id_ledger_seq(out);
    out.extend_from_slice(b",\"system\":");
    out.extend_from_slice(system);
    place.push_time_version(out);
    Ok(chain::record_digest(out.get(start..).unwrap_or_default(), prev))
}

/// A system object is as large and as deep as an event at most, and says what kind it is.
fn check_system(system: &[u8]) -> Result<(), RecordError> {
    let kind = check_canonical(system, Limits::EVENT)?.get("kind");
    match kind.and_then(<[u8]>::first) {
        Some(b'"') => Ok(()),
        _ => Err(RecordError::Member("system")),
    }
}

/// What a record is about, as canonical bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// What a client sent.
    Event(&'a [u8]),
    /// What the engine itself has to say; [`System::parse`](crate::system::System::parse) reads it.
    System(&'a [u8]),
}

/// A record that was read and found well-formed by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// The whole record.
    pub bytes: &'a [u8],
    /// What it is about.
    pub body: Body<'a>,
    /// The event id, unescaped.
    pub id: Cow<'a, str>,
    /// The ledger's name.
    pub ledger: &'a str,
    /// The place in the ledger.
    pub seq: Seq,
    /// When the ledger took it.
    pub time: Timestamp,
}

impl<'a> RecordView<'a> {
    /// Reads a record: canonical form, exactly the members of `docs/FORMAT.md` section 3, each of its
    /// form and within its limits. Says nothing about digest, signature or neighbours.
    ///
    /// # Errors
    /// [`RecordError`] for anything else.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let members = check_canonical(bytes, Limits::RECORD)?;
        // Canonical form fixes the order of members, so each is where it is expected or absent.
        let mut rest = members.iter();
        let mut member = |name: &str| match rest.next() {
            Some((found, value)) if found == name.as_bytes() => Ok(value),
            _ => Err(RecordError::Members),
        };
        let of_event = bytes.starts_with(EVENT_HEAD);
        let event = if of_event { member("event")? } else { b"" };
        let (id, ledger, seq) = (member("id")?, member("ledger")?, member("seq")?);
        let system = if of_event { b"" } else { member("system")? };
        let (time, version) = (member("time")?, member("v")?);
        if rest.next().is_some() {
            return Err(RecordError::Members);
        }
        let body = if of_event {
            check_event(event, members.depth())?;
            Body::Event(event)
        } else {
            check_system(system)?;
            Body::System(system)
        };
        if version != b"1" {
            return Err(RecordError::Member("v"));
        }
        Ok(Self {
            bytes,
            body,
            id: read_id(id).ok_or(RecordError::Member("id"))?,
            ledger: read_ledger(ledger).ok_or(RecordError::Member("ledger"))?,
            seq: read_seq(seq).ok_or(RecordError::Member("seq"))?,
            time: read_time(time).ok_or(RecordError::Member("time"))?,
        })
    }
}

fn check_event(event: &[u8], record_depth: u32) -> Result<(), RecordError> {
    if event.first() != Some(&b'{') {
        return Err(RecordError::Member("event"));
    }
    check_event_limits(event, record_depth - 1).map_err(|error| {
        RecordError::Json(JsonError { offset: error.offset + EVENT_HEAD.len(), ..error })
    })
}

fn read_id(value: &[u8]) -> Option<Cow<'_, str>> {
    parse_string(value).filter(|id| EventId::is_valid(id))
}

fn read_ledger(value: &[u8]) -> Option<&str> {
    // No character of a ledger name is ever escaped.
    let name = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    core::str::from_utf8(name).ok().filter(|name| LedgerName::is_valid(name))
}

fn read_seq(value: &[u8]) -> Option<Seq> {
    Seq::new(parse_u64(value)?).ok()
}

fn read_time(value: &[u8]) -> Option<Timestamp> {
    Timestamp::parse(value.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()
}
