//! Header fields that must stand there once.
//!
//! Two of them, or none where there must be one, is how a proxy and the server behind it come to read two
//! different requests in the same bytes: the one checks the first `Authorization`, the other takes the
//! second. So such a request is refused before anything is made of it.

use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
};
use hyper::{Request, Version};

use super::errors::{Code, Problem};

/// Fields of which there is one. Others that are read here are lists, which may be spread over fields.
static SINGLE: [HeaderName; 6] = [
    HOST,
    AUTHORIZATION,
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    HeaderName::from_static("idempotency-key"),
];

/// Refuses a request whose fields can be read in two ways.
///
/// # Errors
/// 400.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    let headers = request.headers();
    // HTTP/2 has it in a field of its own, HTTP/1.0 did not know it (RFC 9112 section 3.2).
    if request.version() == Version::HTTP_11 && !headers.contains_key(HOST) {
        let detail = "a request of HTTP/1.1 must have a Host field";
        return Err(Problem::new(Code::HostMissing, detail).closing());
    }
    // Nearly always no field of any name stands there twice, and that is known without a look at names.
    if headers.len() == headers.keys_len() { Ok(()) } else { check_single(headers) }
}

fn check_single(headers: &HeaderMap) -> Result<(), Problem> {
    let twice = SINGLE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some());
    match twice {
        Some(name) => {
            let detail = format!("the header field {name} must stand there once");
            Err(Problem::new(Code::HeaderRepeated, detail).closing())
        }
        None => Ok(()),
    }
}
