//! Records: what is hashed, signed and stored for each event, `docs/FORMAT.md` section 3.
//!
//! A record is written once and never parsed on the way in: [`PreparedEvent`] holds the beginning of
//! the record and the SHA-256 state over it, made on the thread that received the event, so that
//! sealing (which must happen in order, on one thread per ledger) only adds and hashes the short rest.
//! [`RecordView`] is the way back: everything that can be wrong with a record by itself is found there.
//! [`judge`] finds what is wrong with it in its place.

mod by;
mod judge;
mod prepared;

pub use by::By;
pub use judge::{Judged, RecordFault, judge, judge_by};
pub use prepared::PreparedEvent;

use core::iter::Peekable;
use std::borrow::Cow;

use crate::chain;
use crate::hash::Digest;
use crate::json::{
    JsonError, Limits, check_canonical, names_numbers_as_text, parse_string, parse_u64,
    push_string, push_u64,
};
use crate::limits::{EVENT_BYTES_MAX, EVENT_DEPTH_MAX};
use crate::name::{EventId, LedgerName, Seq};
use crate::system::{Principals, kind_of};
use crate::time::Timestamp;

const EVENT_HEAD: &[u8] = b"{\"event\":";
const BY_HEAD: &[u8] = b"{\"by\":";

/// Why bytes are not a record, or not the body of one. The bytes are at fault; trying again does not
/// help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not canonical JSON within the limits.
    #[error("not canonical JSON: {0}")]
    Json(#[from] JsonError),
    /// Members are missing or there are others.
    #[error(
        "a record has exactly the members event or system, id, ledger, seq, time and v, and beside an \
         event perhaps by and numbers_as_text"
    )]
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
    fn push_id_ledger(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"id\":");
        push_string(out, self.id);
        out.extend_from_slice(b",\"ledger\":\"");
        out.extend_from_slice(self.ledger.as_bytes());
        out.push(b'"');
    }

    fn push_seq(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"seq\":");
        push_u64(out, self.seq.get());
    }

    fn push_time_version(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"time\":\"");
        out.extend_from_slice(&self.time.to_text());
        out.extend_from_slice(b"\",\"v\":1}");
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
/// [`RecordError`] where `system` is not an object in canonical form with a `kind`.
pub fn seal_system(
    system: &[u8],
    place: &Place<'_>,
    prev: Option<&Digest>,
    out: &mut Vec<u8>,
) -> Result<Digest, RecordError> {
    check_system(system)?;
    let start = out.len();
    out.push(b'{');
    place.push_id_ledger(out);
    place.push_seq(out);
    out.extend_from_slice(b",\"system\":");
    out.extend_from_slice(system);
    place.push_time_version(out);
    Ok(chain::record_digest(out.get(start..).unwrap_or_default(), prev))
}

/// A system object is as large and as deep as an event at most, and says what kind it is.
fn check_system(system: &[u8]) -> Result<(), RecordError> {
    match kind_of(&check_canonical(system, Limits::EVENT)?) {
        Some(_) => Ok(()),
        None => Err(RecordError::Member("system")),
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
    /// Who wrote it, where its ledger says that; never there with a system object.
    pub by: Option<By<'a>>,
    /// A canonical array of JSON Pointers to those strings of the event that its sender wrote as numbers
    /// which a double does not carry; never there with a system object.
    pub numbers_as_text: Option<&'a [u8]>,
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
        let mut rest = InOrder(members.iter().peekable());
        let by = rest.optional("by");
        let event =
            if by.is_some() { Some(rest.required("event")?) } else { rest.optional("event") };
        let (id, ledger) = (rest.required("id")?, rest.required("ledger")?);
        let numbers_as_text = event.and_then(|_| rest.optional("numbers_as_text"));
        let seq = rest.required("seq")?;
        let system = if event.is_some() { b"" } else { rest.required("system")? };
        let (time, version) = (rest.required("time")?, rest.required("v")?);
        if rest.0.next().is_some() {
            return Err(RecordError::Members);
        }
        let body = if let Some(event) = event {
            // Between the two stands a comma in the place of the brace.
            let before = by.map_or(0, |by| BY_HEAD.len() + by.len()) + EVENT_HEAD.len();
            check_event(event, members.depth(), before)?;
            if numbers_as_text.is_some_and(|list| !names_numbers_as_text(list, event)) {
                return Err(RecordError::Member("numbers_as_text"));
            }
            Body::Event(event)
        } else {
            check_system(system)?;
            Body::System(system)
        };
        if version != b"1" {
            return Err(RecordError::Member("v"));
        }
        let by = by.map(|by| By::parse(by).ok_or(RecordError::Member("by"))).transpose()?;
        Ok(Self {
            bytes,
            body,
            by,
            numbers_as_text,
            id: read_id(id).ok_or(RecordError::Member("id"))?,
            ledger: read_ledger(ledger).ok_or(RecordError::Member("ledger"))?,
            seq: read_seq(seq).ok_or(RecordError::Member("seq"))?,
            time: read_time(time).ok_or(RecordError::Member("time"))?,
        })
    }
}

impl RecordView<'_> {
    /// How much it says of who wrote it; `None` for a system record, which nobody wrote.
    #[must_use]
    pub fn principals(&self) -> Option<Principals> {
        match self.body {
            Body::Event(_) => Some(self.by.as_ref().map_or(Principals::Off, By::principals)),
            Body::System(_) => None,
        }
    }
}

/// Members one after the other. Canonical form fixes their order, so each is where it is expected or
/// absent.
struct InOrder<I: Iterator>(Peekable<I>);

impl<'a, I: Iterator<Item = (&'a [u8], &'a [u8])>> InOrder<I> {
    fn optional(&mut self, name: &str) -> Option<&'a [u8]> {
        self.0.next_if(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    fn required(&mut self, name: &str) -> Result<&'a [u8], RecordError> {
        self.optional(name).ok_or(RecordError::Members)
    }
}

/// Checks an event that `before` bytes of its record stand before.
fn check_event(event: &[u8], record_depth: u32, before: usize) -> Result<(), RecordError> {
    if event.first() != Some(&b'{') {
        return Err(RecordError::Member("event"));
    }
    check_event_limits(event, record_depth - 1)
        .map_err(|error| RecordError::Json(JsonError { offset: error.offset + before, ..error }))
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
