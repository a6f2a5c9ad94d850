//! A server to test against, and clients that speak to it.

use std::net::SocketAddr;
use std::time::Duration;

use indelible_core::key::{Trust, VKey};
use indelible_core::receipt::Receipt;
use indelible_ledger::store::memory::MemoryDisk;
use indelible_server::auth::{Scope, create_token};
use indelible_server::config::Config;
use indelible_server::{Running, start, start_with_store};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const NDJSON: &str = "application/x-ndjson";

pub(crate) struct Server {
    pub(crate) dir: TempDir,
    pub(crate) running: Running,
    pub(crate) token: String,
    pub(crate) http: reqwest::Client,
}

pub(crate) fn config(dir: &TempDir) -> Config {
    let mut config = Config { data_dir: dir.path().join("data"), ..Config::default() };
    config.listen.address = SocketAddr::from(([127, 0, 0, 1], 0));
    config
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&dir);
        change(&mut config);
        Self::of(dir, start(config).await.unwrap())
    }

    /// A server whose disk can fail at every step, with the ledger `demo`.
    pub(crate) async fn on_disk(disk: &MemoryDisk, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&dir);
        change(&mut config);
        let running = start_with_store(config, Box::new(disk.opener())).await.unwrap();
        let server = Self::of(dir, running);
        server.create("demo").await;
        server
    }

    fn of(dir: TempDir, running: Running) -> Self {
        let token = std::fs::read_to_string(running.data_dir().join("admin.token")).unwrap();
        let http = reqwest::Client::builder().build().unwrap();
        Self { dir, running, token: token.trim().to_owned(), http }
    }

    /// A server with a ledger named `demo`.
    pub(crate) async fn with_ledger() -> Self {
        let server = Self::start().await;
        server.create("demo").await;
        server
    }

    pub(crate) async fn create(&self, name: &str) {
        let answer = self.post("/v1/ledgers", json!({ "name": name })).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path).json(&body).send().await.unwrap()
    }

    /// Sends bytes as a body of a media type to the ledger `demo`.
    pub(crate) async fn append(&self, media: &str, body: impl Into<reqwest::Body>) -> Response {
        self.request(Method::POST, "/v1/ledgers/demo/events")
            .header("content-type", media)
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// The lines of an NDJSON answer.
    pub(crate) async fn append_lines(&self, body: impl Into<reqwest::Body>) -> Vec<Value> {
        let answer = self.append(NDJSON, body).await;
        assert_eq!(answer.status(), StatusCode::OK);
        lines(&answer.bytes().await.unwrap())
    }

    /// A further token.
    pub(crate) async fn token(
        &self,
        name: &str,
        scopes: &[Scope],
        ledgers: Option<&[&str]>,
    ) -> String {
        let ledgers = ledgers.map(|all| all.iter().map(|&one| one.to_owned()).collect());
        let token = create_token(self.running.data_dir(), name, scopes, ledgers, None).unwrap();
        // The server looks at the file once a second.
        for _ in 0..100 {
            let ask = self.http.get(self.url("/v1/ledgers/none")).bearer_auth(&token);
            if ask.send().await.unwrap().status() != StatusCode::UNAUTHORIZED {
                return token;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the new token did not come into force");
    }

    /// What an auditor trusts: the server's public key.
    pub(crate) fn trust(&self) -> Trust {
        let mut trust = Trust::new();
        trust.add(VKey::parse(self.running.vkey()).unwrap());
        trust
    }

    /// The raw answer to raw bytes: everything until the server closes, or nothing comes any more.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read_to_end(&mut stream, Duration::from_secs(10)).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.running.address()).await.unwrap()
    }

    /// The head of a raw request with the token.
    pub(crate) fn head(&self, line: &str, headers: &str) -> String {
        format!(
            "{line} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n{headers}\r\n",
            self.token
        )
    }
}

pub(crate) async fn read_to_end(stream: &mut TcpStream, wait: Duration) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0u8; 65536];
    while let Ok(Ok(read)) = timeout(wait, stream.read(&mut chunk)).await {
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn lines(bytes: &[u8]) -> Vec<Value> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Checks that an answer is a whole problem with this status and code.
pub(crate) async fn assert_problem(answer: Response, status: u16, code: &str) -> Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{code}");
    let retry = answer.headers().contains_key("retry-after");
    assert_eq!(answer.status().as_u16(), status, "{code}");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], code);
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    assert_eq!(problem["type"], format!("/docs#{code}"));
    assert_eq!(retry, status == 429 || status == 503, "{code}");
    problem
}

/// The size in a checkpoint note.
pub(crate) fn checkpoint_size(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

pub(crate) fn parse_receipt(bytes: &[u8]) -> Receipt {
    Receipt::parse(bytes).unwrap()
}
