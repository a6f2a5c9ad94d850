//! Lines of the input, turned into the envelopes that are sent.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;
use indelible_core::limits::LINE_BYTES_MAX;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::client::append::Line;

/// Batches of lines between the reading thread and the sender.
pub(super) const BATCHES_WAITING_MAX: usize = 4;
/// A batch is handed over when it has so many bytes, or when the input has nothing more to give for now.
const BATCH_BYTES: usize = 256 << 10;
/// Overlong lines that are remembered; a file full of them is not NDJSON.
const OVERLONG_MAX: usize = 1000;

/// What a line of the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An envelope when it has exactly an envelope's members, otherwise an event.
    Either,
    Events,
    Envelopes,
}

/// Who makes the ids of events that have none.
#[derive(Debug)]
pub(super) enum Ids {
    /// This program: the run's name and the line's number.
    OfRun(String),
    Servers,
}

/// Exactly an envelope: an object with a member `event` that is an object, perhaps a text `id`, and
/// nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

/// Reads the input to its end and hands over what is to be sent. Gives the numbers of the lines that
/// were too long to send.
pub(super) fn read(
    input: impl Read,
    shape: Shape,
    ids: &Ids,
    batches: &mpsc::Sender<Vec<Line>>,
) -> io::Result<Vec<u64>> {
    let mut input = BufReader::with_capacity(BATCH_BYTES, input);
    let mut overlong = Vec::new();
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    let mut text = Vec::new();
    for number in 1_u64.. {
        match read_line(&mut input, &mut text)? {
            Read1::End => break,
            Read1::TooLong if overlong.len() < OVERLONG_MAX => overlong.push(number),
            Read1::TooLong => {
                let reason = format!(
                    "more than {OVERLONG_MAX} lines are longer than {LINE_BYTES_MAX} bytes"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            Read1::Line => {
                if let Some(line) = line_to_send(number, &text, shape, ids) {
                    batch_bytes += line.bytes.len();
                    batch.push(line);
                }
            }
        }
        let idle = input.buffer().is_empty();
        if !batch.is_empty() && (idle || batch_bytes >= BATCH_BYTES) {
            batch_bytes = 0;
            if batches.blocking_send(std::mem::take(&mut batch)).is_err() {
                return Ok(overlong); // the sender gave up and says why
            }
        }
    }
    if !batch.is_empty() {
        let _ = batches.blocking_send(batch);
    }
    Ok(overlong)
}

enum Read1 {
    Line,
    TooLong,
    End,
}

/// Reads one line without its LF. One that is too long is skipped without being held in memory.
fn read_line(input: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<Read1> {
    text.clear();
    let limit = LINE_BYTES_MAX as u64;
    if input.by_ref().take(limit).read_until(b'\n', text)? == 0 {
        return Ok(Read1::End);
    }
    if text.last() == Some(&b'\n') || (text.len() as u64) < limit {
        return Ok(Read1::Line);
    }
    input.skip_until(b'\n')?;
    Ok(Read1::TooLong)
}

/// What is sent for a line of the input: an envelope with an id where we make ids. A line that is no
/// JSON object goes as it is, for the server's strict parser to refuse with a code and an offset.
fn line_to_send(number: u64, text: &[u8], shape: Shape, ids: &Ids) -> Option<Line> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return None;
    }
    let as_it_is = || Line { number, bytes: with_lf(text), own_id: false };
    let (event, id) = match (serde_json::from_slice::<Envelope<'_>>(text), shape) {
        (Ok(envelope), Shape::Envelopes) => (envelope.event.get(), envelope.id),
        (Ok(envelope), Shape::Either) if envelope.event.get().starts_with('{') => {
            (envelope.event.get(), envelope.id)
        }
        (Err(_), Shape::Envelopes) => return Some(as_it_is()),
        _ => match serde_json::from_slice::<&RawValue>(text) {
            Ok(event) => (event.get(), None),
            Err(_) => return Some(as_it_is()),
        },
    };
    if id.is_some() {
        // The whole line again, not its parts: the server must see what the user wrote.
        return Some(as_it_is());
    }
    let mut bytes = Vec::with_capacity(event.len() + 64);
    bytes.extend_from_slice(b"{\"event\":");
    bytes.extend_from_slice(event.as_bytes());
    let own_id = match ids {
        Ids::OfRun(run) => {
            bytes.extend_from_slice(format!(",\"id\":\"{run}-{number:010}\"").as_bytes());
            true
        }
        Ids::Servers => false,
    };
    bytes.extend_from_slice(b"}\n");
    Some(Line { number, bytes: bytes.into(), own_id })
}

fn with_lf(text: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text);
    bytes.push(b'\n');
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str, shape: Shape) -> Option<String> {
        let ids = Ids::OfRun("r".into());
        line_to_send(7, text.as_bytes(), shape, &ids)
            .map(|line| String::from_utf8(line.bytes.to_vec()).unwrap())
    }

    #[test]
    fn only_exactly_an_envelope_is_taken_for_one() {
        let id = ",\"id\":\"r-0000000007\"}\n";
        for (text, event) in [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#" {"event": {"a":1}} "#, r#"{"a":1}"#),
            (r#"{"event":{},"id":null}"#, "{}"),
            (r#"{"event":{},"extra":1}"#, r#"{"event":{},"extra":1}"#),
            (r#"{"event":"login"}"#, r#"{"event":"login"}"#),
            (r#"{"event":{},"id":5}"#, r#"{"event":{},"id":5}"#),
        ] {
            let expected = format!("{{\"event\":{event}{id}");
            assert_eq!(sent(text, Shape::Either).unwrap(), expected, "{text}");
        }
        let own = r#"{"event":{},"id":"mine"}"#;
        assert_eq!(sent(own, Shape::Either).unwrap(), format!("{own}\n"));
        assert_eq!(sent(own, Shape::Events).unwrap(), format!("{{\"event\":{own}{id}"));
    }

    #[test]
    fn what_is_no_json_goes_to_the_server_as_it_is() {
        // Wrapped, some of these would become valid JSON with another meaning.
        for text in [r#"{"a":1},"id":"x""#, "{", "nonsense", r#"{"a":1} {"b":2}"#] {
            for shape in [Shape::Either, Shape::Events, Shape::Envelopes] {
                assert_eq!(sent(text, shape).unwrap(), format!("{text}\n"), "{shape:?}");
            }
        }
        assert_eq!(sent(" \t", Shape::Either), None);
    }

    fn read_all(text: &[u8]) -> (Vec<u64>, Vec<u64>) {
        let (sender, mut receiver) = mpsc::channel(100);
        let overlong = read(text, Shape::Either, &Ids::Servers, &sender).unwrap();
        drop(sender);
        let mut numbers = Vec::new();
        while let Some(batch) = receiver.blocking_recv() {
            numbers.extend(batch.iter().map(|line| line.number));
        }
        (numbers, overlong)
    }

    #[test]
    fn line_numbers_count_blank_and_overlong_lines() {
        let mut text = b"{}\n\n".to_vec();
        text.resize(text.len() + LINE_BYTES_MAX + 10, b'x');
        text.extend_from_slice(b"\n{}\n{}");
        assert_eq!(read_all(&text), (vec![1, 4, 5], vec![3]));
    }
}
