//! A server with small limits, a client that behaves, and raw sockets for those that do not.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The budget of the servers in these tests.
pub(crate) const BUDGET: usize = 32 << 20;
/// What a server may have above its size at rest: the budget twice, for the allocator keeps what was freed
/// for a while, and what the database and the threads that read it take for the events that were appended
/// meanwhile (80 MiB for 40 MB of them).
pub(crate) const GROWTH_MAX_MIB: u64 = 2 * 32 + 192;
/// The slowest append of a hundred that a well-behaved client may see.
pub(crate) const P99_MAX: Duration = Duration::from_secs(3);
/// Appends after which the good client may stop.
const APPENDS_MIN: usize = 20;
/// Longer than anything takes that comes at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Server {
    home: TempDir,
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) http: reqwest::Client,
    rss_at_rest_mib: u64,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// A server with the ledger `demo`, stalls of two seconds, and these limits.
    pub(crate) async fn start(limits: &[(&str, u64)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_indelible"));
        command.current_dir(home.path()).args(["serve", "--data", "data", "--listen"]);
        command.arg("127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::piped());
        for (name, value) in [
            ("MEMORY_BYTES_MAX", BUDGET as u64),
            ("BODY_STALL_TIMEOUT_SECONDS", 2),
            ("WRITE_STALL_TIMEOUT_SECONDS", 2),
            ("FREE_BYTES_MIN", 0),
            ("READS_MAX", 8),
        ]
        .iter()
        .chain(limits)
        {
            command.env(format!("INDELIBLE_LIMITS_{name}"), value.to_string());
        }
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("http://")?;
                let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
                rest.split(|c| !is_part(c)).next()?.parse().ok()
            })
            .expect("the server says where it listens");
        std::thread::spawn(move || said.for_each(drop));
        let token = std::fs::read_to_string(home.path().join("data/admin.token")).unwrap();
        let token = token.trim().to_owned();
        let http = reqwest::Client::new();
        let mut server = Self { home, child, address, token, http, rss_at_rest_mib: 0 };
        let path = server.url("/v1/ledgers");
        let made = server.http.post(path).bearer_auth(&server.token).json(&json!({"name":"demo"}));
        assert_eq!(made.send().await.unwrap().status().as_u16(), 201);
        server.rss_at_rest_mib = server.rss_mib();
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).bearer_auth(&self.token).send().await.unwrap()
    }

    /// Appends `count` events of `bytes` bytes each.
    pub(crate) async fn fill(&self, count: usize, bytes: usize) {
        let line = format!("{{\"event\":{{\"a\":\"{}\"}}}}\n", "x".repeat(bytes));
        let post = self.http.post(self.url("/v1/ledgers/demo/events")).bearer_auth(&self.token);
        let post = post.header("content-type", "application/x-ndjson").body(line.repeat(count));
        let answer = post.send().await.unwrap().text().await.unwrap();
        assert_eq!(answer.lines().count(), count + 1, "{:?}", answer.lines().last());
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A raw head of a request with the token.
    pub(crate) fn head(&self, line: &str, headers: &str) -> String {
        let token = &self.token;
        format!("{line} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\n{headers}\r\n")
    }

    /// A number of `/metrics`, by the beginning of its line.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        let number = line.and_then(|line| line.rsplit(' ').next()).expect(name);
        number.parse().unwrap()
    }

    /// Waits until a number is at most `max`.
    pub(crate) async fn until_at_most(&self, name: &str, max: u64) {
        let begun = Instant::now();
        loop {
            let now = self.metric(name).await;
            if now <= max {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} stays at {now}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn rss_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
    }

    /// Demands that the process has not grown beyond what the budget allows.
    pub(crate) fn assert_small(&self) {
        let (rest, now) = (self.rss_at_rest_mib, self.rss_mib());
        eprintln!("memory: {rest} MiB at rest, {now} MiB now");
        assert!(now <= rest + GROWTH_MAX_MIB, "grew from {rest} MiB at rest to {now} MiB");
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.home.path().join("data")
    }

    /// A client that appends one event after the other until it is asked how it fared.
    pub(crate) fn good_client(&self) -> Good {
        let stop = Arc::new(AtomicBool::new(false));
        let (http, url, token) =
            (reqwest::Client::new(), self.url("/v1/ledgers/demo/events"), self.token.clone());
        let is_over = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut latencies = Vec::new();
            while !is_over.load(Relaxed) || latencies.len() < APPENDS_MIN {
                let begun = Instant::now();
                let event = json!({ "event": { "amount": latencies.len() } });
                let answer = http.post(&url).bearer_auth(&token).json(&event).send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 201, "a client that behaves was refused");
                answer.bytes().await.unwrap();
                latencies.push(begun.elapsed());
                sleep(Duration::from_millis(10)).await;
            }
            latencies
        });
        Good { stop, task }
    }
}

/// The client that behaves.
pub(crate) struct Good {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Duration>>,
}

impl Good {
    /// Ends it and demands that it was served all the time.
    pub(crate) async fn fared_well(self) {
        self.stop.store(true, Relaxed);
        let mut latencies = self.task.await.unwrap();
        latencies.sort_unstable();
        let p99 = latencies[latencies.len() * 99 / 100];
        eprintln!("the good client: {} appends, p99 {p99:?}", latencies.len());
        assert!(p99 < P99_MAX, "p99 {p99:?}");
    }
}

/// Everything that comes until the other side closes, or nothing comes for `quiet`.
pub(crate) async fn read_until_quiet(stream: &mut TcpStream, quiet: Duration) -> (String, bool) {
    let mut bytes = Vec::new();
    let mut chunk = vec![0u8; 64 << 10];
    loop {
        match timeout(quiet, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => return (String::from_utf8_lossy(&bytes).into_owned(), true),
            Ok(Ok(read)) => bytes.extend_from_slice(&chunk[..read]),
            Err(_) => return (String::from_utf8_lossy(&bytes).into_owned(), false),
        }
    }
}

/// Demands that a raw answer is the refusal for want of room.
pub(crate) fn assert_no_room(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
    assert!(answer.contains("\"code\":\"too_many_bytes_held\""), "{answer}");
}

pub(crate) fn last_line(answer: &str) -> Value {
    serde_json::from_str(answer.lines().next_back().unwrap()).unwrap()
}
