//! A thin HTTP/1.1 client over one connection: as little CPU as possible, since it shares the machine
//! with the server that is measured.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The body of a request.
pub type Body = BoxBody<Bytes, std::convert::Infallible>;

/// One connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Body>,
    host: String,
    bearer: String,
}

impl Connection {
    /// Connects to `address` (`host:port`).
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: &str, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: address.into(), bearer: format!("Bearer {token}") })
    }

    /// Sends one request and waits for the head of its answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Body,
    ) -> Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("authorization", &self.bearer)
            .header("content-type", media_type)
            .body(body)?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends a JSON body and collects the answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn json(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let answer = self.send(method, path, "application/json", full(body)).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Creates a ledger.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_ledger(&mut self, name: &str, sign_per: &str) -> Result<()> {
        let body = format!("{{\"name\":\"{name}\",\"sign_per\":\"{sign_per}\"}}");
        let (status, answer) = self.json(Method::POST, "/v1/ledgers", body.into()).await?;
        ensure!(
            status.is_success(),
            "creating {name}: {status} {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }

    /// The size in the ledger's latest checkpoint.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn size(&mut self, ledger: &str) -> Result<u64> {
        let path = format!("/v1/ledgers/{ledger}/checkpoint");
        let (status, answer) = self.json(Method::GET, &path, Bytes::new()).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(status.is_success(), "checkpoint of {ledger}: {status} {text}");
        text.lines().nth(1).and_then(|line| line.parse().ok()).context("no size in the checkpoint")
    }
}

/// A body that is known as a whole.
#[must_use]
pub fn full(body: Bytes) -> Body {
    Full::new(body).boxed()
}
