//! What a connection may do, and how it is cut off.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use crate::support::{Server, read_to_end};

const SHORT: Duration = Duration::from_millis(300);

async fn impatient() -> Server {
    let server = Server::start_with(|config| {
        config.limits.header_timeout = SHORT;
        config.limits.idle_timeout = Duration::from_millis(600);
        config.limits.body_stall_timeout = SHORT;
        config.limits.write_stall_timeout = SHORT;
    })
    .await;
    server.create("demo").await;
    server
}

/// How long the server keeps a connection on which `first` was sent and then one byte now and then.
async fn kept(server: &Server, first: &[u8], dribble: &[u8]) -> Duration {
    let mut stream = server.connect().await;
    let begun = Instant::now();
    stream.write_all(first).await.unwrap();
    let mut bytes = dribble.iter().cycle();
    let mut answer = [0u8; 1024];
    loop {
        match timeout(Duration::from_millis(50), stream.read(&mut answer)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(_) => return begun.elapsed(),
            Err(_) => {}
        }
        if let Some(byte) = bytes.next() {
            let _ = stream.write_all(&[*byte]).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "never cut off");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_and_connections_that_say_nothing_are_cut_off() {
    let server = impatient().await;
    for (first, dribble) in [
        (&b""[..], &b""[..]),
        (b"P", b""),
        (b"PR", b""),
        (b"GET / HTTP/1.1\r\nx: ", b"a"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /he", b"a"),
    ] {
        let kept = kept(&server, first, dribble).await;
        assert!(kept >= SHORT && kept < Duration::from_secs(2), "{first:?} {kept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_a_used_one_kept() {
    let server = impatient().await;
    let mut stream = server.connect().await;
    for _ in 0..6 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0u8; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
        sleep(Duration::from_millis(200)).await;
    }
    let begun = Instant::now();
    assert_eq!(read_to_end(&mut stream, Duration::from_secs(3)).await, "");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stalls_or_trickles_is_answered_408_and_closed() {
    let server = impatient().await;
    let headers = "content-type: application/json\r\ncontent-length: 50000\r\n";
    let head = server.head("POST /v1/ledgers/demo/events", headers);
    let mut stream = server.connect().await;
    stream.write_all(format!("{head}{{\"ev").as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream, Duration::from_secs(3)).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"body_too_slow\"") && answer.contains("connection: close"));
    let kept = kept(&server, head.as_bytes(), b" ").await;
    assert!(kept < Duration::from_secs(3), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_appends_nothing() {
    let server = impatient().await;
    let headers = "content-type: application/json\r\ncontent-length: 12\r\n";
    let head = server.head("POST /v1/ledgers/demo/events", headers);
    let mut stream = server.connect().await;
    stream.write_all(format!("{head}{{\"event\":{{}}").as_bytes()).await.unwrap();
    drop(stream);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_answer_is_cut_off() {
    let server = impatient().await;
    let event = format!("{{\"event\":{{\"a\":\"{}\"}}}}\n", "x".repeat(100_000));
    server.append_lines(event.repeat(200)).await;
    let mut stream = server.connect().await;
    let head = server.head("GET /v1/ledgers/demo/export", "");
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..100 {
        sleep(Duration::from_millis(50)).await;
        let metrics = server.get("/metrics").await.text().await.unwrap();
        if metrics.contains("indelible_connections_cut_off_total 1") {
            return;
        }
    }
    panic!("20 MB of answer, nobody reads, and the connection stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_limits_of_bytes_and_fields() {
    let server = Server::start_with(|config| {
        config.limits.header_bytes_max = 16 << 10;
        config.limits.headers_max = 32;
    })
    .await;
    let fields = |count: usize| -> String { (0..count).map(|n| format!("x-{n}: 1\r\n")).collect() };
    let fine =
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}\r\n", fields(20));
    assert!(server.raw(fine.as_bytes()).await.starts_with("HTTP/1.1 200"));
    let many = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", fields(40));
    assert!(server.raw(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(20 << 10));
    assert!(server.raw(long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    assert!(server.raw(b"nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_upgrade_is_spoken_and_carries_many_requests_at_once() {
    let server = Server::with_ledger().await;
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let requests = (0..200).map(|n| {
        http2
            .post(server.url("/v1/ledgers/demo/events"))
            .bearer_auth(&server.token)
            .json(&serde_json::json!({ "event": { "n": n } }))
            .send()
    });
    for answer in futures_util::future::join_all(requests).await {
        let answer = answer.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("indelible_connections_total 2"), "{metrics}");
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http2_connection_is_closed() {
    let server = impatient().await;
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let begun = Instant::now();
    let mut bytes = [0u8; 1024];
    while timeout(Duration::from_secs(4), stream.read(&mut bytes)).await.unwrap().unwrap_or(0) > 0 {
    }
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::with_ledger().await;
    let mut all = String::new();
    for n in 0..20 {
        let body = format!("{{\"event\":{{\"n\":{n}}}}}");
        let close = if n == 19 { "connection: close\r\n" } else { "" };
        let headers =
            format!("content-type: application/json\r\ncontent-length: {}\r\n{close}", body.len());
        all += &server.head("POST /v1/ledgers/demo/events", &headers);
        all += &body;
    }
    let answer = server.raw(all.as_bytes()).await;
    let numbers: Vec<&str> = answer
        .split("\"event\":{\"n\":")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
        .collect();
    assert_eq!(numbers, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}
