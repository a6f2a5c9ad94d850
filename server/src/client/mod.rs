//! A client of the HTTP API, as far as the program's subcommands need one.
//!
//! It keeps records, receipts and checkpoints as the exact bytes that the server sent, because those
//! bytes are what was signed. It makes no retry of its own; [`append`] is the one exception, which may
//! send again because every event it sends has an id.

pub mod append;
mod error;
mod lines;
pub mod tail;

use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;

pub use error::{ClientError, Problem};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence before an answer or in the middle of one before the connection counts as broken.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer that is read into memory at once: a page of events with room to spare.
const BODY_BYTES_MAX: usize = 256 << 20;

/// A server's address, the token for it and the connections to it.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    token: Option<Token>,
    http: reqwest::Client,
    /// The same without a read timeout, for streams that are silent while nothing happens.
    streaming: reqwest::Client,
}

/// A bearer token. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes the text of a token file: white space around it is not part of it.
    ///
    /// # Errors
    /// When the text cannot be a token, because it is empty or has characters that no header carries.
    pub fn new(text: &str) -> Result<Self, ClientError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ClientError::Address(
                "this is not a token: one is printable ASCII without spaces".into(),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:8080`. Connects on first use.
    ///
    /// # Errors
    /// [`ClientError::Address`] when `base` is not an address of this form.
    pub fn new(base: &str, token: Option<Token>) -> Result<Self, ClientError> {
        let base = base.trim_end_matches('/');
        let bad = |reason: &str| Err(ClientError::Address(format!("{base}: {reason}")));
        match reqwest::Url::parse(base) {
            Err(error) => return bad(&format!("not an address ({error})")),
            Ok(url) if url.scheme() == "https" => {
                return bad(
                    "this program speaks plain http; put a TLS proxy or tunnel on this machine",
                );
            }
            Ok(url) if url.scheme() != "http" || url.host_str().is_none() => {
                return bad("an address looks like http://127.0.0.1:8080");
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                return bad("an address has no ? or #");
            }
            Ok(_) => {}
        }
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| ClientError::Address(error.to_string()))
        };
        Ok(Self {
            base: base.to_owned(),
            token,
            http: build(connector().read_timeout(READ_TIMEOUT))?,
            streaming: build(connector())?,
        })
    }

    /// The server's address as it was given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Whether a token is at hand.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_by(&self.http, method, path)
    }

    fn streaming_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_by(&self.streaming, method, path)
    }

    fn request_by(&self, http: &reqwest::Client, method: Method, path: &str) -> RequestBuilder {
        let request = http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(Token(token)) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response =
            request.send().await.map_err(|error| ClientError::unreachable(&self.base, &error))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(ClientError::Refused(error::problem_of(response).await))
        }
    }

    /// The bytes at `path`, exactly as the server sent them.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        let response = self.send(self.request(Method::GET, path)).await?;
        self.body(response).await
    }

    /// The JSON document at `path`.
    ///
    /// # Errors
    /// As [`Client::get`], and when the answer has another shape.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.get(path).await?;
        self.parse(&body)
    }

    /// Posts a JSON document and reads one. The flag tells whether something was made (201).
    ///
    /// # Errors
    /// As [`Client::get_json`].
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &serde_json::Value,
    ) -> Result<(T, bool), ClientError> {
        self.read_posted(self.request(Method::POST, path).json(document)).await
    }

    /// The same for work that may take the server longer than any silence that is normal.
    ///
    /// # Errors
    /// As [`Client::get_json`].
    pub async fn post_json_patiently<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &serde_json::Value,
    ) -> Result<(T, bool), ClientError> {
        self.read_posted(self.streaming_request(Method::POST, path).json(document)).await
    }

    async fn read_posted<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<(T, bool), ClientError> {
        let response = self.send(request).await?;
        let created = response.status() == reqwest::StatusCode::CREATED;
        let body = self.body(response).await?;
        Ok((self.parse(&body)?, created))
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, path)).await.map(drop)
    }

    /// The bytes at `path` piece by piece, for what may be larger than memory.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn download(&self, path: &str) -> Result<Download, ClientError> {
        let response = self.send(self.request(Method::GET, path)).await?;
        Ok(Download { url: self.base.clone(), response })
    }

    async fn body(&self, response: Response) -> Result<Bytes, ClientError> {
        body_within(response, BODY_BYTES_MAX)
            .await
            .map_err(|error| error.into_client_error(&self.base))
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| ClientError::answer(&self.base, error))
    }
}

fn connector() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("indelible/", env!("CARGO_PKG_VERSION")))
        // An audit client must reach the server that it was told, not what a proxy variable names.
        .no_proxy()
        // A redirect would carry the token to another place.
        .redirect(reqwest::redirect::Policy::none())
}

/// An answer that is read piece by piece.
#[derive(Debug)]
pub struct Download {
    url: String,
    response: Response,
}

impl Download {
    /// The next piece; `None` when the answer is whole.
    ///
    /// # Errors
    /// When the connection breaks before the end: what was read so far is not the whole answer.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        self.response.chunk().await.map_err(|error| ClientError::unreachable(&self.url, &error))
    }
}

/// Why a body could not be read.
enum BodyError {
    Broken(reqwest::Error),
    TooLarge(usize),
}

impl BodyError {
    fn into_client_error(self, url: &str) -> ClientError {
        match self {
            Self::Broken(error) => ClientError::unreachable(url, &error),
            Self::TooLarge(limit) => {
                ClientError::answer(url, format_args!("more than {limit} bytes at once"))
            }
        }
    }
}

async fn body_within(mut response: Response, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(BodyError::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// Everything but what RFC 3986 section 2.3 calls unreserved.
const UNRESERVED_KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one part of a path or value of a query: everything but letters, digits and `-._~` is
/// written as `%XX` (RFC 3986 section 2.1).
#[must_use]
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED_KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_work_is_refused_before_anything_is_sent() {
        for bad in ["", "127.0.0.1:1", "ftp://a", "https://a", "http://a/?x", "http://"] {
            assert!(matches!(Client::new(bad, None), Err(ClientError::Address(_))), "{bad:?}");
        }
        assert_eq!(Client::new("http://127.0.0.1:1/", None).unwrap().url(), "http://127.0.0.1:1");
    }

    #[test]
    fn a_token_never_shows_in_debug_output() {
        let token = Token::new(" secret\n").unwrap();
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert!(Token::new("two words").is_err());
        assert!(Token::new("\n").is_err());
    }

    #[test]
    fn ids_survive_the_way_into_a_query() {
        assert_eq!(percent_encode("order 17/é&x=1"), "order%2017%2F%C3%A9%26x%3D1");
    }
}
