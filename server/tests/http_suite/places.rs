//! Who gives way when all places for connections are taken.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::{Server, read_to_end};

const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn with_places(places: usize) -> Server {
    let server = Server::start_with(|config| config.limits.connections_max = places).await;
    server.create("demo").await;
    server
}

/// A connection that has asked once and been answered.
async fn idle(server: &Server) -> TcpStream {
    let mut stream = server.connect().await;
    assert!(asks(&mut stream).await);
    stream
}

/// Whether it is answered.
async fn asks(stream: &mut TcpStream) -> bool {
    let mut answer = [0u8; 1024];
    if stream.write_all(ASK).await.is_err() {
        return false;
    }
    let read = timeout(Duration::from_secs(10), stream.read(&mut answer)).await;
    matches!(read, Ok(Ok(read)) if answer[..read].starts_with(b"HTTP/1.1 200"))
}

/// A connection with a request in flight: its body does not end.
async fn busy(server: &Server) -> TcpStream {
    let mut stream = server.connect().await;
    let headers = "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";
    let head = server.head("POST /v1/ledgers/demo/events", headers);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0u8; 1024];
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    stream
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = [0u8; 1024];
    loop {
        match timeout(Duration::from_millis(300), stream.read(&mut bytes)).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_keep_nobody_out_however_many_there_are() {
    let server = with_places(64).await;
    let mut attackers = Vec::new();
    // Idle ones of every kind, three times as many as there are places.
    for n in 0..192 {
        let mut stream = server.connect().await;
        match n % 4 {
            0 => assert!(asks(&mut stream).await),
            1 => stream.write_all(PREFACE).await.unwrap(),
            2 => stream.write_all(b"GET /healthz HTTP/1.1\r\nx: ").await.unwrap(),
            _ => {}
        }
        attackers.push(stream);
    }
    for _ in 0..100 {
        let mut stream = server.connect().await;
        assert!(asks(&mut stream).await, "kept out by idle connections");
        attackers.push(stream);
    }
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("indelible_connections_refused_total 0"), "{metrics}");
    assert!(metrics.contains("indelible_connections 64"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_idle_one_gives_way_and_one_with_a_request_never() {
    let server = with_places(4).await;
    // The test's own client has a place too, which gives way first.
    let mut busy = busy(&server).await;
    let mut first = idle(&server).await;
    sleep(Duration::from_millis(20)).await;
    let mut second = idle(&server).await;
    sleep(Duration::from_millis(20)).await;
    assert!(asks(&mut first).await, "there was room for it");
    let mut third = idle(&server).await;
    // Full by now: the next one takes the place of the second, which asked before the first did again.
    let mut fourth = idle(&server).await;
    assert!(is_closed(&mut second).await);
    for stream in [&mut first, &mut third, &mut fourth] {
        assert!(asks(stream).await);
    }
    assert!(!is_closed(&mut busy).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_are_busy_one_more_is_told_so() {
    let server = with_places(3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(busy(&server).await);
    }
    let answer = server.raw(ASK).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("retry-after: 1") && answer.contains("\"code\":\"too_many_connections\"")
    );
    held.pop();
    sleep(Duration::from_millis(300)).await;
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = server.raw(ask).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// An HTTP/2 client that has asked and answers no goodbye loses its place all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http2_connection_gives_way_too() {
    let server = with_places(2).await;
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    assert!(http2.get(server.url("/healthz")).send().await.unwrap().status().is_success());
    let mut silent = server.connect().await;
    silent.write_all(PREFACE).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(idle(&server).await);
    }
    assert!(is_closed(&mut silent).await);
    // The client with manners opens another connection and hears nothing of it.
    assert!(http2.get(server.url("/healthz")).send().await.unwrap().status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_can_be_read_in_two_ways_are_refused() {
    let server = Server::with_ledger().await;
    let auth = format!("authorization: Bearer {}\r\n", server.token);
    let other = "authorization: Bearer x\r\n";
    let json = "content-type: application/json\r\n";
    let host = "host: x\r\n";
    let post = "POST /v1/ledgers/demo/events HTTP/1.1\r\n";
    let body = "{\"event\":{}}";
    let length = format!("content-length: {}\r\n", body.len());
    for (fields, code) in [
        (format!("{auth}{json}"), "host_missing"),
        (format!("{host}{host}{auth}{json}"), "header_repeated"),
        (format!("{host}{auth}{other}{json}"), "header_repeated"),
        (format!("{host}{other}{auth}{json}"), "header_repeated"),
        (format!("{host}{auth}{json}{json}"), "header_repeated"),
        (
            format!("{host}{auth}{json}idempotency-key: a\r\nidempotency-key: b\r\n"),
            "header_repeated",
        ),
        (
            format!("{host}{auth}{json}content-encoding: identity\r\ncontent-encoding: x\r\n"),
            "header_repeated",
        ),
    ] {
        let answer = server.raw(format!("{post}{fields}{length}\r\n{body}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{fields}: {answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{fields}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    // What the HTTP library itself refuses, before there is a request.
    for fields in [
        format!("{host}{auth}{json}content-length: 5\r\n"),
        format!("{host}{auth}{json}x: a\r\n b\r\n"),
        format!("{host}{auth}{json}x : a\r\n"),
        format!("{host}{auth}{json}transfer-encoding: gzip\r\n"),
    ] {
        let answer = server.raw(format!("{post}{fields}{length}\r\n{body}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{fields}: {answer}");
    }
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 1, "nothing was appended");
    // HTTP/1.0 knows no Host; a list may be spread over fields; one length said twice is one length.
    let fine = server.raw(b"GET /healthz HTTP/1.0\r\naccept: a/b\r\naccept: */*\r\n\r\n").await;
    assert!(fine.starts_with("HTTP/1.0 200"), "{fine}");
    let twice = format!("{post}{host}{auth}{json}connection: close\r\n{length}{length}\r\n{body}");
    assert!(server.raw(twice.as_bytes()).await.starts_with("HTTP/1.1 201"));
    // Chunks win over a length, which is then not there for anybody: RFC 9112 section 6.3.
    let chunks = format!(
        "{post}{host}{auth}{json}connection: close\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
         c\r\n{body}\r\n0\r\n\r\n"
    );
    assert!(server.raw(chunks.as_bytes()).await.starts_with("HTTP/1.1 201"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_are_refused_on_http2_as_well() {
    let server = Server::with_ledger().await;
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let twice = http2
        .get(server.url("/v1/ledgers/demo"))
        .header("authorization", format!("Bearer {}", server.token))
        .header("authorization", "Bearer x");
    let answer = twice.send().await.unwrap();
    crate::support::assert_problem(answer, 400, "header_repeated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_asked_for_when_the_place_is_lost_still_comes() {
    let server = with_places(8).await;
    let mut gave_way = 0;
    for _ in 0..50 {
        let mut stream = idle(&server).await;
        let others: Vec<_> = futures_util::future::join_all((0..8).map(|_| idle(&server))).await;
        // It gave way: either it sees the end, or its request came first and is answered whole.
        if stream.write_all(ASK).await.is_ok() {
            let answer = read_to_end(&mut stream, Duration::from_millis(200)).await;
            gave_way += usize::from(answer.is_empty());
            assert!(answer.is_empty() || answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
        }
        drop(others);
    }
    assert!(gave_way > 0, "nobody had to give way");
}
