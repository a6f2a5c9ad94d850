//! Events on their way into a record.

use sha2::{Digest as _, Sha256};

use super::{BY_HEAD, Body, By, EVENT_HEAD, Place, RecordError, RecordView, check_event_limits};
use crate::chain;
use crate::hash::Digest;
use crate::json::{
    CanonicalObject, JsonError, JsonErrorCode, Limits, Numbers, check_canonical,
    write_numbers_as_text,
};

/// What `by` usually takes, in bytes; for reserving.
const BY_BYTES: usize = 96;

/// An event that is ready to be sealed into a record: canonical, within its limits, and hashed.
#[derive(Clone)]
pub struct PreparedEvent {
    /// `{"event":<event>`, or `{"by":<by>,"event":<event>`
    head: Vec<u8>,
    /// Where the event begins in `head`.
    event_at: usize,
    /// SHA-256 over `head`.
    hash: Sha256,
    /// The list of the numbers that were kept as text, canonical; empty when there is none.
    numbers_as_text: Vec<u8>,
}

impl PreparedEvent {
    /// Reads the text of an event, canonical or not.
    ///
    /// # Errors
    /// [`RecordError`] where it is not an object within [`Limits::EVENT`], or has numbers that are not
    /// taken.
    pub fn prepare(text: &[u8], numbers: Numbers) -> Result<Self, RecordError> {
        Self::from_object(&CanonicalObject::parse_with(text, Limits::EVENT, numbers)?)
    }

    /// Takes an event in canonical form, of which a copy is made.
    ///
    /// # Errors
    /// [`RecordError`] where it is not an object in canonical form within [`Limits::EVENT`].
    pub fn new(event: &[u8]) -> Result<Self, RecordError> {
        if check_canonical(event, Limits::EVENT)?.is_object() {
            Ok(Self::trusted(event, Vec::new()))
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
        let numbers = object.numbers_as_text().iter().map(String::as_str);
        Ok(Self::trusted(object.bytes(), write_numbers_as_text(numbers)?))
    }

    /// Takes the member `name` of `envelope` as the event. Its being canonical is not checked again.
    ///
    /// # Errors
    /// [`RecordError`] where there is no such member, or it is not an object, or larger or deeper than
    /// an event may be; or where a number outside of it was kept as text, for nothing would say so.
    pub fn from_member(envelope: &CanonicalObject, name: &str) -> Result<Self, RecordError> {
        let event = envelope.get(name).filter(|event| event.first() == Some(&b'{'));
        let event = event.ok_or(RecordError::Member("event"))?;
        check_event_limits(event, envelope.depth() - 1)?;
        let numbers = numbers_within(envelope, name)?;
        Ok(Self::trusted(event, write_numbers_as_text(numbers.into_iter())?))
    }

    fn trusted(event: &[u8], numbers_as_text: Vec<u8>) -> Self {
        let mut head = Vec::with_capacity(EVENT_HEAD.len() + event.len());
        head.extend_from_slice(EVENT_HEAD);
        head.extend_from_slice(event);
        let hash = Sha256::new_with_prefix(&head);
        Self { head, event_at: EVENT_HEAD.len(), hash, numbers_as_text }
    }

    /// The same event, of which the record will say who wrote it. Hashes it anew, because that stands
    /// before it.
    ///
    /// # Errors
    /// [`RecordError::Member`] where `by` is not of its form.
    pub fn written_by(self, by: &By<'_>) -> Result<Self, RecordError> {
        if !by.is_of_its_form() {
            return Err(RecordError::Member("by"));
        }
        let mut head = Vec::with_capacity(self.head.len() + BY_BYTES);
        head.extend_from_slice(BY_HEAD);
        by.push(&mut head);
        head.push(b',');
        head.extend_from_slice(EVENT_HEAD.get(1..).unwrap_or_default());
        let event_at = head.len();
        head.extend_from_slice(self.event());
        let hash = Sha256::new_with_prefix(&head);
        Ok(Self { head, event_at, hash, numbers_as_text: self.numbers_as_text })
    }

    /// The event's canonical bytes.
    #[must_use]
    pub fn event(&self) -> &[u8] {
        self.head.get(self.event_at..).unwrap_or_default()
    }

    /// Canonical array of JSON Pointers to those strings of the event that its sender wrote as numbers.
    #[must_use]
    pub fn numbers_as_text(&self) -> Option<&[u8]> {
        Some(&*self.numbers_as_text).filter(|list| !list.is_empty())
    }

    /// What its sender brings into a record, in bytes: the event's canonical form and the list of numbers
    /// that were kept as text.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an event has at least its two braces")]
    pub fn len(&self) -> usize {
        self.event().len() + self.numbers_as_text.len()
    }

    /// Whether `record` says the same, whoever wrote it: the same event, with the same numbers kept as
    /// text.
    #[must_use]
    pub fn is_of(&self, record: &RecordView<'_>) -> bool {
        record.body == Body::Event(self.event()) && record.numbers_as_text == self.numbers_as_text()
    }

    /// Appends the whole record to `out` and returns its digest.
    pub fn seal(&self, place: &Place<'_>, prev: Option<&Digest>, out: &mut Vec<u8>) -> Digest {
        out.extend_from_slice(&self.head);
        let rest = out.len();
        out.push(b',');
        place.push_id_ledger(out);
        if let Some(list) = self.numbers_as_text() {
            out.extend_from_slice(b",\"numbers_as_text\":");
            out.extend_from_slice(list);
        }
        place.push_seq(out);
        place.push_time_version(out);
        let mut hash = self.hash.clone();
        hash.update(out.get(rest..).unwrap_or_default());
        chain::finish(hash, prev)
    }
}

/// Whether they say the same, whoever says it.
impl PartialEq for PreparedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.event() == other.event() && self.numbers_as_text == other.numbers_as_text
    }
}

impl Eq for PreparedEvent {}

impl core::fmt::Debug for PreparedEvent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PreparedEvent({})", String::from_utf8_lossy(self.event()))
    }
}

/// The pointers of the numbers that were kept as text, counted from the member `name`.
fn numbers_within<'a>(
    envelope: &'a CanonicalObject,
    name: &str,
) -> Result<Vec<&'a str>, JsonError> {
    let pointers = envelope.numbers_as_text().iter();
    pointers
        .map(|pointer| {
            let rest = pointer.strip_prefix('/').and_then(|rest| rest.strip_prefix(name));
            rest.filter(|rest| rest.starts_with('/')).ok_or_else(|| JsonError {
                code: JsonErrorCode::NumberInexact,
                offset: 0,
                reason: format!("the number at {pointer} is none that a double carries").into(),
                pointer: Some(pointer.as_str().into()),
            })
        })
        .collect()
}
