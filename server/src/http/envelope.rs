//! What clients send for one event: `{"event": {...}, "id"?: "..."}`.

use indelible_core::json::{
    CanonicalObject, JsonError, Limits, Numbers, canonicalize_array, parse_string,
};
use indelible_core::limits::{EVENT_BYTES_MAX, EVENT_DEPTH_MAX};
use indelible_core::name::EventId;
use indelible_core::record::PreparedEvent;
use indelible_ledger::Submission;

use super::errors::{Code, Problem};

/// Bytes that may stand around an event: braces, names, an id in its longest escaped form.
const AROUND_MAX: usize = 1024;

/// Largest envelope as it is sent, in bytes. White space and escapes may make an event longer than its
/// canonical form, so twice the event's limit is read before a line is given up.
pub(super) const ENVELOPE_BYTES_MAX: usize = 2 * EVENT_BYTES_MAX;

/// Limits of the reader: one level for the envelope's own braces.
const LIMITS: Limits = Limits { bytes_max: ENVELOPE_BYTES_MAX, depth_max: EVENT_DEPTH_MAX + 1 };

/// Reads one envelope.
///
/// # Errors
/// A [`Problem`] whose `offset`, where there is one, counts from the beginning of `bytes`.
pub(super) fn parse(bytes: &[u8], numbers: Numbers) -> Result<Submission, Problem> {
    let object = CanonicalObject::parse_with(bytes, LIMITS, numbers).map_err(refused)?;
    submission(&object)
}

/// Reads a JSON array of envelopes.
///
/// # Errors
/// A [`Problem`] with the `offset` in the whole body, or the `index` of the envelope that is wrong.
pub(super) fn parse_array(
    bytes: &[u8],
    events_max: usize,
    numbers: Numbers,
) -> Result<Vec<Submission>, Problem> {
    let objects = canonicalize_array(bytes, LIMITS, events_max.saturating_add(1), numbers)
        .map_err(refused)?;
    if objects.len() > events_max {
        return Err(too_many(events_max));
    }
    objects
        .iter()
        .enumerate()
        .map(|(index, object)| submission(object).map_err(|p| p.with("index", index as u64)))
        .collect()
}

/// The problem of an array with more than `events_max` elements.
pub(super) fn too_many(events_max: usize) -> Problem {
    Problem::new(
        Code::BatchTooLarge,
        format!("more than {events_max} events in one array; send fewer, or NDJSON"),
    )
    .with("limit_events", events_max as u64)
}

fn refused(error: JsonError) -> Problem {
    Problem::from(error)
}

fn submission(object: &CanonicalObject) -> Result<Submission, Problem> {
    let mut id = None;
    for (name, value) in object.members() {
        match name {
            b"event" => {}
            // A number that is kept as text is none that its sender meant for an id.
            b"id" if object.numbers_as_text().iter().any(|pointer| pointer == "/id") => {
                return Err(id_is_no_text());
            }
            b"id" => id = Some(event_id(value)?),
            other => {
                let name = String::from_utf8_lossy(other.get(..40).unwrap_or(other)).into_owned();
                return Err(Problem::new(
                    Code::EnvelopeInvalid,
                    format!(
                        "`{name}` does not belong into an envelope; what happened goes into `event`"
                    ),
                ));
            }
        }
    }
    if object.bytes().len() > EVENT_BYTES_MAX + AROUND_MAX {
        return Err(too_large());
    }
    let event = PreparedEvent::from_member(object, "event").map_err(Problem::from)?;
    Ok(Submission { id, event })
}

fn too_large() -> Problem {
    Problem::new(
        Code::EventTooLarge,
        format!("an event's canonical form has at most {EVENT_BYTES_MAX} bytes"),
    )
    .with("limit", EVENT_BYTES_MAX as u64)
}

fn event_id(canonical: &[u8]) -> Result<EventId, Problem> {
    Ok(EventId::new(&parse_string(canonical).ok_or_else(id_is_no_text)?)?)
}

fn id_is_no_text() -> Problem {
    Problem::new(Code::IdInvalid, "`id` must be a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> &'static str {
        parse(bytes, Numbers::Exact).err().map_or("accepted", |problem| problem.code().as_str())
    }

    #[test]
    fn an_envelope_has_an_event_and_perhaps_an_id() {
        let submission =
            parse(b" { \"id\" : \"a\\u0062\" , \"event\" : {\"b\":1, \"a\":2} } ", Numbers::Exact)
                .unwrap();
        assert_eq!(submission.id.as_deref(), Some("ab"));
        assert_eq!(submission.event.event(), b"{\"a\":2,\"b\":1}");
        assert!(parse(b"{\"event\":{}}", Numbers::Exact).unwrap().id.is_none());
    }

    #[test]
    fn everything_else_is_refused_with_its_code() {
        for (bytes, expected) in [
            (&b"{}"[..], "envelope_invalid"),
            (b"{\"event\":[]}", "envelope_invalid"),
            (b"{\"event\":{},\"ledger\":\"x\"}", "envelope_invalid"),
            (b"{\"event\":{},\"system\":{}}", "envelope_invalid"),
            (b"{\"event\":{},\"id\":1}", "id_invalid"),
            (b"{\"event\":{},\"id\":\"\"}", "id_invalid"),
            (b"{\"event\":{},\"id\":\"\\n\"}", "id_invalid"),
            (b"{\"event\":{}", "json_syntax"),
            (b"[]", "json_syntax"),
            (b"{\"event\":{\"a\":1,\"a\":1}}", "json_duplicate_name"),
            (b"{\"event\":{\"a\":9007199254740992}}", "json_number_inexact"),
            (b"{\"event\":{\"a\":\"\\ud800\"}}", "json_lone_surrogate"),
            (b"{\"event\":{\"a\":\"\xff\"}}", "json_utf8"),
            (b"{\"event\":{}} x", "json_trailing"),
        ] {
            assert_eq!(code(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_events_own_depth_and_size_count() {
        let nested = |depth: usize| {
            let (open, close) = ("{\"a\":".repeat(depth - 1), "}".repeat(depth - 1));
            format!("{{\"event\":{open}{{}}{close}}}").into_bytes()
        };
        assert_eq!(code(&nested(64)), "accepted");
        assert_eq!(code(&nested(65)), "json_depth");
        let sized = |bytes: usize| format!("{{\"event\":{{\"a\":\"{}\"}}}}", "x".repeat(bytes - 8));
        assert_eq!(code(sized(EVENT_BYTES_MAX).as_bytes()), "accepted");
        assert_eq!(code(sized(EVENT_BYTES_MAX + 1).as_bytes()), "event_too_large");
        assert_eq!(code(sized(3 * EVENT_BYTES_MAX).as_bytes()), "event_too_large");
    }

    #[test]
    fn an_array_names_the_element_that_is_wrong() {
        let problem =
            parse_array(b"[{\"event\":{}},{\"even\":{}}]", 10, Numbers::Exact).unwrap_err();
        assert!(String::from_utf8(problem.to_json()).unwrap().contains("\"index\":1"));
        assert_eq!(
            parse_array(b"[{\"event\":{}},{\"event\":{}}]", 2, Numbers::Exact).unwrap().len(),
            2
        );
        let problem =
            parse_array(b"[{\"event\":{}},{\"event\":{}}]", 1, Numbers::Exact).unwrap_err();
        assert_eq!(problem.code(), Code::BatchTooLarge);
    }
}
