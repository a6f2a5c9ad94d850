//! What can go wrong between the program and a server, each with what to do about it.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

/// The answer of a server that refused (RFC 9457), as far as a client needs it.
#[derive(Debug, Clone, Deserialize)]
pub struct Problem {
    /// HTTP status; 0 for the error of a line within an answer.
    #[serde(default)]
    pub status: u16,
    /// Stable code of the error.
    #[serde(default)]
    pub code: String,
    /// The kind of error in words.
    #[serde(default)]
    pub title: String,
    /// What was wrong this time.
    #[serde(default)]
    pub detail: String,
    /// How long to wait before another try, from the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

/// Codes of a line's error after which the same line may succeed.
const TEMPORARY_CODES: [&str; 13] = [
    "body_incomplete",
    "body_too_slow",
    "busy",
    "clock_jumped",
    "earlier_failed",
    "internal",
    "outcome_unknown",
    "read_failed",
    "shutting_down",
    "signer_failing",
    "store_unavailable",
    "too_many_bytes_held",
    // The next connection goes on behind them.
    "too_many_lines_refused",
];

impl Problem {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self.status {
            0 => TEMPORARY_CODES.contains(&self.code.as_str()),
            status => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
        }
    }

    /// What the person at the terminal can do, where that is clear.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self.status {
            401 => {
                "give a token with --token-file FILE or INDELIBLE_TOKEN_FILE; the server's first start \
                 wrote one to admin.token in its data folder"
            }
            403 => {
                "this token lacks the scope; `indelible token create --scope SCOPE` makes one that has it"
            }
            404 if self.code.contains("ledger") => {
                "`indelible ledger list` shows the ledgers, `indelible ledger create NAME` makes one"
            }
            413 => "large content belongs into object storage, its hash into the event",
            0 if self.is_temporary() => {
                "the server's store or signer does not work; `indelible doctor` tells more"
            }
            429 | 503 => {
                "the server is busy or not ready; try again shortly, `indelible doctor` tells more"
            }
            500..=599 => "the server's log tells more, and so does `indelible doctor`",
            _ => return None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.detail.as_str(), self.title.as_str()) {
            ("", "") => f.write_str("the server refused the request")?,
            ("", title) => f.write_str(title)?,
            (detail, _) => f.write_str(detail)?,
        }
        match self.code.as_str() {
            code if self.status == 0 => write!(f, " ({code})"),
            "" => write!(f, " (HTTP {})", self.status),
            code => write!(f, " ({code}, HTTP {})", self.status),
        }
    }
}

/// Why a request to a server did not bring what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used: another one must be given.
    #[error("{0}")]
    Address(String),
    /// The server refused; [`Problem::is_temporary`] says whether waiting helps.
    #[error("{0}")]
    Refused(Problem),
    /// No answer, or the connection broke in the middle of one. Nothing is known about the outcome;
    /// the request may be sent again with the same ids.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// Where the server should have been.
        url: String,
        /// The innermost reason.
        reason: String,
    },
    /// An answer that is not Indelible's, for example a proxy's.
    #[error("the answer of {url} is not understood: {reason}")]
    Answer {
        /// Who answered.
        url: String,
        /// What was wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// What the person at the terminal can do, where that is clear.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Refused(problem) => problem.advice(),
            Self::Unreachable { .. } => Some(
                "is it running? `indelible serve --data DIR` starts it; --url or INDELIBLE_URL says where it is",
            ),
            Self::Answer { .. } => {
                Some("is --url the address of an Indelible server of this version?")
            }
            Self::Address(_) => None,
        }
    }

    /// Whether sending the same request again, with the same ids, may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.is_temporary(),
            Self::Unreachable { .. } => true,
            Self::Address(_) | Self::Answer { .. } => false,
        }
    }

    pub(super) fn unreachable(url: &str, error: &reqwest::Error) -> Self {
        Self::Unreachable { url: url.to_owned(), reason: innermost(error) }
    }

    pub(super) fn answer(url: &str, reason: impl fmt::Display) -> Self {
        Self::Answer { url: url.to_owned(), reason: reason.to_string() }
    }
}

/// The last error of the chain: "connection refused" says more than "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Reads a refusal. Something that is no problem document still gives a readable one.
pub(super) async fn problem_of(response: reqwest::Response) -> Problem {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let body = super::body_within(response, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let mut problem = serde_json::from_slice(&body).unwrap_or_else(|_| plain(status, &body));
    problem.status = status.as_u16();
    problem.retry_after = retry_after;
    problem
}

/// A problem document is a few lines; anything longer is not one.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

fn plain(status: StatusCode, body: &[u8]) -> Problem {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().next().unwrap_or_default().trim();
    Problem {
        status: status.as_u16(),
        code: String::new(),
        title: status.canonical_reason().unwrap_or("unknown status").to_owned(),
        detail: line.chars().take(200).collect(),
        retry_after: None,
    }
}
