//! The one place where something that went wrong becomes an RFC 9457 problem.
//!
//! [`Code`] lists every problem there is, with its status and meaning; the documentation page and
//! `/openapi.json` are made from the same list. Codes are part of the interface and never renamed.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use indelible_archiver::{ArchiveError, VaultError};
use indelible_core::json::{JsonError, JsonErrorCode, push_string, push_u64};
use indelible_core::limits::EVENT_BYTES_MAX;
use indelible_core::name::NameError;
use indelible_core::record::RecordError;
use indelible_ledger::{AppendError, CreateError, EventError, ReadError, SignError};

use crate::auth::Denied;

/// Seconds that a client should wait when nothing better is known.
const RETRY_SECONDS_DEFAULT: u64 = 1;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)*) => {
        /// A kind of problem. Its text is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title] $(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// What it means, one sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    JsonSyntax = "json_syntax", 400, "The body is not JSON, or not the kind of value that is expected.";
    JsonUtf8 = "json_utf8", 400, "The body is not UTF-8.";
    JsonDuplicateName = "json_duplicate_name", 400, "A name occurs twice in one object.";
    JsonNumberInexact = "json_number_inexact", 400, "A number has digits that a double does not carry; send it as a string, or ask with numbers=text that it be kept as one.";
    JsonLoneSurrogate = "json_lone_surrogate", 400, "Half of a surrogate pair stands alone.";
    JsonTrailing = "json_trailing", 400, "Something follows the value.";
    JsonDepth = "json_depth", 400, "Objects and arrays are nested too deeply.";
    JsonNotCanonical = "json_not_canonical", 400, "The value is not in canonical form.";
    EnvelopeInvalid = "envelope_invalid", 400, "An envelope is {\"event\": {...}, \"id\"?: \"...\"} and nothing else.";
    IdInvalid = "id_invalid", 400, "An event id is 1 to 128 bytes of UTF-8 without control characters.";
    IdAmbiguous = "id_ambiguous", 400, "Idempotency-Key and the envelope's id name different ids, or the key came with many events.";
    NameInvalid = "name_invalid", 400, "The name cannot be a ledger's name.";
    RequestInvalid = "request_invalid", 400, "A member of the request's body is missing, unknown or not of its form.";
    QueryInvalid = "query_invalid", 400, "A parameter of the query is unknown or not of its form.";
    BatchEmpty = "batch_empty", 400, "There is no event to append.";
    TooManyRefused = "too_many_lines_refused", 400, "Too many lines of one request were refused for their own sake.";
    HostMissing = "host_missing", 400, "A request of HTTP/1.1 has no Host field.";
    HeaderRepeated = "header_repeated", 400, "A header field that must stand there once stands there twice.";
    BodyIncomplete = "body_incomplete", 400, "The body ended before it was whole.";
    TokenMissing = "token_missing", 401, "The request carries no token.";
    TokenUnknown = "token_unknown", 401, "The token is not known here, or was revoked.";
    ScopeMissing = "scope_missing", 403, "The token does not allow this.";
    LedgerForbidden = "ledger_forbidden", 403, "The token is bound to other ledgers.";
    ArchiveForbidden = "archive_forbidden", 403, "The folder is not one that the configuration allows.";
    RouteNotFound = "route_not_found", 404, "There is nothing at this path.";
    LedgerNotFound = "ledger_not_found", 404, "There is no ledger of this name.";
    EventNotFound = "event_not_found", 404, "The ledger has no such record (yet).";
    MethodNotAllowed = "method_not_allowed", 405, "The path does not take this method.";
    NotAcceptable = "not_acceptable", 406, "The answer cannot be given in an accepted media type.";
    BodyTooSlow = "body_too_slow", 408, "The body came too slowly.";
    StreamIdle = "stream_idle", 408, "No line came for so long that the server has ended the stream; open another for the next one.";
    LedgerExists = "ledger_exists", 409, "The ledger is there already, with other settings.";
    IdConflict = "id_conflict", 409, "The id already names another event.";
    AheadOfLedger = "ahead_of_ledger", 409, "The client has seen more of this ledger than the server has.";
    LedgerFull = "ledger_full", 409, "The ledger's last sequence number is used.";
    ArchiveRunning = "archive_running", 409, "This ledger is being archived into this vault right now.";
    VaultForeign = "vault_foreign", 409, "The vault holds what does not belong to this ledger.";
    KeyMismatch = "key_mismatch", 409, "The ledger is signed with another key than the server has.";
    BodyDropped = "body_dropped", 410, "The record's body was dropped after it was archived; its digest, signature and proofs are still served.";
    BodyTooLarge = "body_too_large", 413, "The body is larger than the server takes.";
    EventTooLarge = "event_too_large", 413, "An event is larger than a record can hold.";
    BatchTooLarge = "batch_too_large", 413, "There are more events than one commit can hold.";
    LineTooLarge = "line_too_large", 413, "A line is longer than the server takes.";
    MediaTypeUnsupported = "media_type_unsupported", 415, "The body has a media type that is not taken here.";
    Busy = "busy", 429, "Too many events are waiting; try again later.";
    Internal = "internal", 500, "The server made a mistake; it is in its log.";
    ReadFailed = "read_failed", 500, "The store could not be read, or contradicts itself.";
    VaultFailed = "vault_failed", 500, "The vault could not be written or read.";
    TooBusy = "too_many_requests_open", 503, "Too many long requests of this kind are open.";
    TooManyBytes = "too_many_bytes_held", 503, "The server holds as many bytes in flight as it takes, or this connection has its share.";
    TooManyConnections = "too_many_connections", 503, "The server has as many connections as it takes.";
    ShuttingDown = "shutting_down", 503, "The server is shutting down.";
    SignerFailing = "signer_failing", 503, "The events could not be signed, so none was written.";
    StoreUnavailable = "store_unavailable", 503, "The store failed and is being reopened.";
    FolderGone = "folder_gone", 503, "The data folder is no longer the one that the server opened; it takes nothing more.";
    ClockJumped = "clock_jumped", 503, "The server's clock has jumped ahead; nothing is appended until it is back or accepted.";
    HeadFileFailing = "head_file_failing", 503, "The head file cannot be written; appends still work.";
    EarlierFailed = "earlier_failed", 503, "Something sent before it failed, so nothing of this was appended; send again from there on.";
    OutcomeUnknown = "outcome_unknown", 503, "Whether the events were written is not known; retry with the same ids.";
}

impl Code {
    /// Whether the same append, sent again later, may be answered otherwise. Then nothing that was sent
    /// behind it may be appended, or the ledger would not have the order in which it was sent.
    #[must_use]
    pub const fn breaks_order(self) -> bool {
        let is_at_fault = matches!(self.status(), 400 | 405 | 406 | 413 | 415)
            || matches!(self, Self::IdConflict | Self::LedgerFull);
        !is_at_fault
    }

    fn of_json(code: JsonErrorCode) -> Self {
        match code {
            JsonErrorCode::Utf8 => Self::JsonUtf8,
            JsonErrorCode::DuplicateName => Self::JsonDuplicateName,
            JsonErrorCode::NumberInexact => Self::JsonNumberInexact,
            JsonErrorCode::LoneSurrogate => Self::JsonLoneSurrogate,
            JsonErrorCode::Trailing => Self::JsonTrailing,
            JsonErrorCode::Depth => Self::JsonDepth,
            JsonErrorCode::TooLarge => Self::EventTooLarge,
            JsonErrorCode::NotCanonical => Self::JsonNotCanonical,
            _ => Self::JsonSyntax,
        }
    }
}

/// An answer that says what went wrong.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    detail: Cow<'static, str>,
    /// Further members.
    numbers: Vec<(&'static str, u64)>,
    /// Where in its envelope the number stands that cannot be taken, as a JSON Pointer.
    pointer: Option<Box<str>>,
    retry_after: Option<u64>,
    /// The connection cannot be used again, for instance because a body was not read to its end.
    close: bool,
}

impl Problem {
    /// A problem with a sentence about this very occurrence.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = matches!(code.status(), 429 | 503).then_some(RETRY_SECONDS_DEFAULT);
        Self(Box::new(Inner {
            code,
            detail: detail.into(),
            numbers: Vec::new(),
            pointer: None,
            retry_after,
            close: false,
        }))
    }

    /// Adds a number as a member of its own, such as the limit that was hit.
    #[must_use]
    pub fn with(mut self, name: &'static str, number: u64) -> Self {
        self.0.numbers.push((name, number));
        self
    }

    /// Closes the connection after the answer.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.0.close = true;
        self
    }

    fn retry_in(mut self, wait: Duration) -> Self {
        // Rounded up: "0" would mean at once, which is what must not happen.
        self.0.retry_after = Some(wait.as_millis().div_ceil(1000).clamp(1, 3600) as u64);
        self
    }

    /// Without what would make it long: a client decides how long names in its events are, and not how
    /// long the answers are that it makes the server keep.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        if self.0.pointer.as_ref().is_some_and(|pointer| pointer.len() > SHORT_BYTES_MAX) {
            self.0.pointer = None;
        }
        if self.0.detail.len() > SHORT_BYTES_MAX {
            let end = self.0.detail.floor_char_boundary(SHORT_BYTES_MAX);
            let begin = self.0.detail.get(..end).unwrap_or_default();
            self.0.detail = format!("{begin}...").into();
        }
        self
    }

    /// The kind of problem.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence about this occurrence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The document, `application/problem+json`, canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let inner = &*self.0;
        let mut members: Vec<(&str, Member<'_>)> = vec![
            ("code", Member::Text(inner.code.as_str())),
            ("detail", Member::Text(&inner.detail)),
            ("status", Member::Number(u64::from(inner.code.status()))),
            ("title", Member::Text(inner.code.title())),
        ];
        let about = format!("/docs#{}", inner.code.as_str());
        members.push(("type", Member::Text(&about)));
        members.extend(inner.pointer.iter().map(|pointer| (POINTER, Member::Text(pointer))));
        members.extend(inner.numbers.iter().map(|(name, number)| (*name, Member::Number(*number))));
        members.sort_unstable_by_key(|(name, _)| *name);
        push_members(&members)
    }

    /// The short form that stands in an NDJSON answer: `{"code","detail",...}`.
    pub fn push_short(&self, out: &mut Vec<u8>) {
        let inner = &*self.0;
        out.extend_from_slice(b"{\"code\":\"");
        out.extend_from_slice(inner.code.as_str().as_bytes());
        out.extend_from_slice(b"\",\"detail\":");
        push_string(out, &inner.detail);
        for (name, number) in &inner.numbers {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            push_u64(out, *number);
        }
        if let Some(pointer) = &inner.pointer {
            out.extend_from_slice(b",\"pointer\":");
            push_string(out, pointer);
        }
        out.push(b'}');
    }
}

/// Longest text, in bytes, in the result of a refused line.
const SHORT_BYTES_MAX: usize = 200;
/// The member that says where in its envelope a number stands.
const POINTER: &str = "pointer";

enum Member<'a> {
    Text(&'a str),
    Number(u64),
}

fn push_members(members: &[(&str, Member<'_>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for (at, (name, value)) in members.iter().enumerate() {
        out.push(if at == 0 { b'{' } else { b',' });
        push_string(&mut out, name);
        out.push(b':');
        match value {
            Member::Text(text) => push_string(&mut out, text),
            Member::Number(number) => push_u64(&mut out, *number),
        }
    }
    out.push(b'}');
    out
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        let status = StatusCode::from_u16(self.0.code.status());
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.code.status() == 401 {
            headers
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"indelible\""));
        }
        if self.0.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::Missing => Code::TokenMissing,
            Denied::Unknown => Code::TokenUnknown,
            Denied::Scope(_) => Code::ScopeMissing,
            Denied::Ledger => Code::LedgerForbidden,
        };
        Self::new(code, denied.to_string())
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        let code = match error {
            NameError::EventId => Code::IdInvalid,
            NameError::Ledger => Code::NameInvalid,
            _ => Code::QueryInvalid,
        };
        Self::new(code, error.to_string())
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        let code = Code::of_json(error.code);
        let mut problem = Self::new(code, error.to_string()).with("offset", error.offset as u64);
        problem.0.pointer = error.pointer;
        if code == Code::EventTooLarge {
            problem.with("limit", EVENT_BYTES_MAX as u64)
        } else {
            problem
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            // An offset within the event is not one within the body.
            RecordError::Json(json) => {
                let code = Code::of_json(json.code);
                let problem = Self::new(code, format!("the event: {}", json.reason));
                if code == Code::EventTooLarge {
                    problem.with("limit", EVENT_BYTES_MAX as u64)
                } else {
                    problem
                }
            }
            _ => Self::new(Code::EnvelopeInvalid, "`event` must be there and be an object"),
        }
    }
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        let detail = error.to_string();
        match error {
            EventError::Conflict { seq, .. } => {
                let problem = Self::new(Code::IdConflict, detail);
                match seq {
                    Some(seq) => problem.with("seq", seq.get()),
                    None => problem,
                }
            }
            EventError::Full => Self::new(Code::LedgerFull, detail),
            _ => Self::new(Code::EnvelopeInvalid, detail),
        }
    }
}

/// What a client is told of the server's own troubles. What the disk, the signer or the clock said, and
/// what the operator can do, stands in the log, and in `/readyz` for who has an admin token: it names
/// paths, addresses and commands, which are nobody else's business.
mod told {
    pub(super) const SIGNING: &str =
        "the events could not be signed; nothing was written, try again";
    pub(super) const UNAVAILABLE: &str =
        "the store failed and is being opened again; nothing of this was written, try again";
    pub(super) const UNKNOWN: &str =
        "the write failed in a way that leaves open whether it took place; retry with the same ids";
    pub(super) const CLOCK: &str =
        "the server's clock has jumped ahead; nothing is appended until it is right again";
    pub(super) const READING: &str = "the store failed and is being opened again; try again";
    pub(super) const SIGNER: &str = "the signer fails; try again";
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let wait = error.retry_after();
        let detail = error.to_string();
        let problem = match error {
            AppendError::Busy { .. } => Self::new(Code::Busy, detail),
            AppendError::Closed => Self::new(Code::ShuttingDown, detail),
            AppendError::NotFound(name) => ledger_not_found(&name),
            AppendError::Empty => Self::new(Code::BatchEmpty, detail),
            AppendError::TooLarge { events_max, bytes_max, .. } => {
                Self::new(Code::BatchTooLarge, detail)
                    .with("limit_bytes", bytes_max as u64)
                    .with("limit_events", events_max as u64)
            }
            AppendError::Event { index, error } => Self::from(error).with("index", index as u64),
            AppendError::OtherKey { .. } => Self::new(Code::KeyMismatch, detail),
            AppendError::Signing(_) | AppendError::SignerResting { .. } => {
                Self::new(Code::SignerFailing, told::SIGNING)
            }
            AppendError::Unavailable { .. } => Self::new(Code::StoreUnavailable, told::UNAVAILABLE),
            AppendError::EarlierFailed { .. } => Self::new(Code::EarlierFailed, detail),
            AppendError::OutcomeUnknown { .. } => Self::new(Code::OutcomeUnknown, told::UNKNOWN),
            AppendError::Clock(_) => Self::new(Code::ClockJumped, told::CLOCK),
            AppendError::Read(error) => Self::from(error),
            _ => {
                tracing::error!(%detail, "append failed in a way that a client cannot cause");
                Self::new(Code::Internal, "the append failed; see the server's log")
            }
        };
        match wait {
            Some(wait) => problem.retry_in(wait),
            None => problem,
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        let detail = error.to_string();
        match error {
            CreateError::Exists(_) => Self::new(Code::LedgerExists, detail),
            CreateError::UnknownSigner { .. } => Self::new(Code::RequestInvalid, detail),
            CreateError::Append(error) => Self::from(error),
            _ => Self::new(Code::Internal, detail),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let detail = error.to_string();
        match error {
            ReadError::NotFound(name) => ledger_not_found(&name),
            ReadError::OutOfRange { size, .. } => {
                Self::new(Code::EventNotFound, detail).with("size", size)
            }
            ReadError::OutOfOrder { .. } => Self::new(Code::QueryInvalid, detail),
            ReadError::BodyDropped { .. } => Self::new(Code::BodyDropped, detail),
            ReadError::Unavailable { .. } => Self::new(Code::StoreUnavailable, told::READING),
            ReadError::Signing(SignError::Unavailable(_)) => {
                Self::new(Code::SignerFailing, told::SIGNER)
            }
            _ => {
                // What exactly is damaged is for the operator, not for a client.
                tracing::error!(%detail, "read failed");
                Self::new(Code::ReadFailed, "the store could not be read; see the server's log")
            }
        }
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        let detail = error.to_string();
        match error {
            ArchiveError::Engine(error) => Self::from(error),
            ArchiveError::Record(error) => Self::from(error),
            ArchiveError::Foreign { .. } => Self::new(Code::VaultForeign, detail),
            ArchiveError::NoSigner { .. } => Self::new(Code::KeyMismatch, detail),
            ArchiveError::Stopped => Self::new(Code::ShuttingDown, detail),
            ArchiveError::Vault(VaultError::Busy { .. }) => Self::new(Code::ArchiveRunning, detail),
            ArchiveError::Vault(_) => {
                tracing::error!(%detail, "the vault failed");
                Self::new(Code::VaultFailed, detail)
            }
            _ => {
                tracing::error!(%detail, "archiving failed");
                Self::new(Code::Internal, "archiving failed; see the server's log")
            }
        }
    }
}

fn ledger_not_found(name: &str) -> Problem {
    Problem::new(
        Code::LedgerNotFound,
        format!(
            "there is no ledger '{name}'; create it first with POST /v1/ledgers {{\"name\":\"{name}\"}}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_their_statuses_are_errors() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert!(Code::ALL.iter().skip(at + 1).all(|other| other.as_str() != code.as_str()));
            assert!((400..600).contains(&code.status()), "{}", code.as_str());
            assert!(code.title().ends_with('.'));
        }
    }

    #[test]
    fn every_json_refusal_keeps_its_code() {
        use JsonErrorCode as J;
        for code in [J::Syntax, J::Utf8, J::DuplicateName, J::NumberInexact, J::LoneSurrogate] {
            assert_eq!(Code::of_json(code).as_str(), code.as_str());
        }
        for code in [J::Trailing, J::Depth, J::NotCanonical] {
            assert_eq!(Code::of_json(code).as_str(), code.as_str());
        }
    }

    #[test]
    fn a_problem_is_canonical_json_with_its_numbers() {
        let problem = Problem::new(Code::BodyTooLarge, "too \"large\"").with("limit", 7);
        let text = String::from_utf8(problem.to_json()).unwrap();
        assert_eq!(
            text,
            "{\"code\":\"body_too_large\",\"detail\":\"too \\\"large\\\"\",\"limit\":7,\"status\":413,\
             \"title\":\"The body is larger than the server takes.\",\"type\":\"/docs#body_too_large\"}"
        );
    }

    #[test]
    fn busy_says_when_to_come_back_in_whole_seconds() {
        let busy = AppendError::Busy { retry_after: Duration::from_millis(1200) };
        let response = Problem::from(busy).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let closed = Problem::from(AppendError::Closed).into_response();
        assert_eq!(closed.status(), 503);
        assert!(closed.headers().contains_key(RETRY_AFTER));
    }
}
