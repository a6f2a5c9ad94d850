//! Reading a body as a whole, within limits of size and time.

use std::time::{Duration, Instant};

use std::fmt::Display;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::time::timeout;

use super::errors::{Code, Problem};
use crate::config::Limits;

/// Media type of a JSON body.
pub(super) const JSON: &str = "application/json";
/// Media type of newline-delimited JSON.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// One JSON value.
    Json,
    /// A JSON value a line.
    Ndjson,
}

/// The media type of a request's body.
///
/// # Errors
/// 415 when it is missing, another one, or the body is compressed.
pub(super) fn media(headers: &HeaderMap) -> Result<Media, Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Problem::new(
            Code::MediaTypeUnsupported,
            "compressed bodies are not taken; send it without Content-Encoding",
        ));
    }
    let value = headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(JSON.as_bytes()) {
        Ok(Media::Json)
    } else if essence.eq_ignore_ascii_case(NDJSON.as_bytes()) {
        Ok(Media::Ndjson)
    } else {
        let found = String::from_utf8_lossy(essence.get(..60).unwrap_or(essence)).into_owned();
        Err(Problem::new(
            Code::MediaTypeUnsupported,
            format!("Content-Type is `{found}`; this takes {JSON} (and {NDJSON} for many events)"),
        ))
    }
}

/// Demands a JSON body.
///
/// # Errors
/// 415 for anything else.
pub(super) fn only_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media(headers)? {
        Media::Json => Ok(()),
        Media::Ndjson => {
            Err(Problem::new(Code::MediaTypeUnsupported, format!("this takes {JSON} only")))
        }
    }
}

/// Reads the whole body. A body that arrived in one piece is not copied.
///
/// # Errors
/// 413 over the limit, 408 when it stalls or comes below the rate that is asked for, 400 when it ends
/// early.
pub(super) async fn read_all<B>(mut body: B, limits: &Limits) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let max = limits.body_bytes_max;
    if body.size_hint().lower() > max as u64 {
        return Err(too_large(max));
    }
    let begun = Instant::now();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = next(&mut body, limits.body_stall_timeout).await? {
        let length = first.len() + rest.len() + frame.len();
        if length > max {
            return Err(too_large(max));
        }
        if first.is_empty() && rest.is_empty() {
            first = frame;
            continue;
        }
        if rest.is_empty() {
            let whole =
                usize::try_from(body.size_hint().lower()).unwrap_or(0).saturating_add(length);
            rest.reserve(whole.min(max));
            rest.extend_from_slice(&first);
            first = Bytes::new();
        }
        rest.extend_from_slice(&frame);
        if begun.elapsed() > allowed(length as u64, limits) {
            return Err(too_slow());
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Time that `length` bytes may take: the rate asked for, and one stall.
pub(super) fn allowed(length: u64, limits: &Limits) -> Duration {
    limits.body_stall_timeout + Duration::from_secs(length / limits.body_rate_min.max(1))
}

async fn next<B>(body: &mut B, stall: Duration) -> Result<Option<Bytes>, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    loop {
        match timeout(stall, body.frame()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => {
                return Err(Problem::new(Code::BodyIncomplete, error.to_string()).closing());
            }
            // Trailers mean nothing here.
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn too_large(max: usize) -> Problem {
    let detail = format!("the body has more than {max} bytes; NDJSON has no such limit");
    Problem::new(Code::BodyTooLarge, detail).with("limit", max as u64).closing()
}

/// The problem of a body that comes too slowly.
pub(super) fn too_slow() -> Problem {
    Problem::new(Code::BodyTooSlow, "the body stalled, or came below the rate that is asked for")
        .closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_and_ndjson_are_taken_and_never_compressed() {
        let of = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            media(&headers).ok()
        };
        assert_eq!(of("content-type", "Application/JSON; charset=utf-8"), Some(Media::Json));
        assert_eq!(of("content-type", "application/x-ndjson"), Some(Media::Ndjson));
        assert_eq!(of("content-type", "application/x-www-form-urlencoded"), None);
        assert_eq!(of("accept", "application/json"), None);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", JSON.parse().unwrap());
        headers.insert("content-encoding", "gzip".parse().unwrap());
        assert!(media(&headers).is_err());
    }
}
