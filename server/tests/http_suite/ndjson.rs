//! `POST .../events` with `application/x-ndjson`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use indelible_core::key::VKey;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{NDJSON, Server, checkpoint_size, lines, read_to_end};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_has_its_result_in_order_and_the_last_line_a_checkpoint_over_all() {
    let server = Server::with_ledger().await;
    let body: String = (0..3000).map(|n| format!("{{\"event\":{{\"n\":{n}}}}}\n")).collect();
    let answer = server.append_lines(body).await;
    assert_eq!(answer.len(), 3001);
    for (at, result) in answer.iter().take(3000).enumerate() {
        assert_eq!((&result["line"], &result["seq"]), (&json!(at + 1), &json!(at + 1)));
        assert!(result["sig"].is_string() && result["error"].is_null());
    }
    let done = json!({ "accepted": 3000, "duplicates": 0, "failed": 0, "lines": 3000 });
    assert_eq!(answer[3000]["done"], done);
    assert!(answer[3000]["error"].is_null());
    assert_eq!(checkpoint_size(answer[3000]["checkpoint"].as_str().unwrap()), 3001);
    let record = server.get_json("/v1/ledgers/demo/events/1234").await;
    assert_eq!(record["event"], json!({ "n": 1233 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_reported_with_its_number_and_the_rest_goes_on() {
    let server = Server::with_ledger().await;
    let body = concat!(
        "{\"event\":{\"n\":1},\"id\":\"a\"}\n",
        "not json\n",
        "\n",
        "{\"event\":{\"n\":1},\"id\":\"a\"}\r\n",
        "{\"event\":{\"n\":2},\"id\":\"a\"}\n",
        "{\"event\":{\"x\":1,\"x\":1}}\n",
        "{\"event\":1}\n",
        "{\"event\":{}}",
    );
    let answer = server.append_lines(body).await;
    let code = |at: usize| answer[at]["error"]["code"].as_str().unwrap_or("none").to_owned();
    let numbers: Vec<u64> = answer.iter().filter_map(|line| line["line"].as_u64()).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6, 7, 8]);
    assert_eq!(code(0), "none");
    assert_eq!((code(1), &answer[1]["error"]["offset"]), ("json_syntax".into(), &json!(0)));
    assert_eq!((&answer[2]["duplicate"], &answer[2]["seq"]), (&json!(true), &answer[0]["seq"]));
    assert_eq!(code(3), "id_conflict");
    assert_eq!(code(4), "json_duplicate_name");
    assert_eq!(code(5), "envelope_invalid");
    assert_eq!(answer[6]["seq"], 2);
    let done = json!({ "accepted": 2, "duplicates": 1, "failed": 4, "lines": 8 });
    assert_eq!(answer[7]["done"], done);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_answers_with_the_closing_line_alone() {
    let server = Server::with_ledger().await;
    for body in ["", "\n\n"] {
        let answer = server.append_lines(body).await;
        assert_eq!(answer.len(), 1);
        assert_eq!(answer[0]["done"]["accepted"], 0);
        assert_eq!(checkpoint_size(answer[0]["checkpoint"].as_str().unwrap()), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_too_long_is_skipped_without_being_held() {
    let server = Server::with_ledger().await;
    let long = vec![b'x'; 9 << 20];
    let body = [&b"{\"event\":{}}\n"[..], &long, b"\n{\"event\":{}}\n"].concat();
    let answer = server.append_lines(body).await;
    assert_eq!(answer[1]["error"]["code"], "line_too_large");
    assert_eq!(answer[2]["seq"], 2);
    assert_eq!(answer[3]["done"]["accepted"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_come_while_the_body_is_still_being_sent() {
    let server = Server::with_ledger().await;
    let (lines, body) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = tokio_stream::wrappers::ReceiverStream::new(body);
    let answer = server.append(NDJSON, reqwest::Body::wrap_stream(body)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let mut results = answer.bytes_stream();
    for n in 1..=5 {
        lines.send(Ok(Bytes::from_static(b"{\"event\":{}}\n"))).await.unwrap();
        let result = results.next().await.unwrap().unwrap();
        let result: Value = serde_json::from_slice(&result).unwrap();
        assert_eq!(result["line"], n);
    }
    drop(lines);
    let closing: Value = serde_json::from_slice(&results.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(closing["done"]["lines"], 5);
    assert!(results.next().await.is_none());
}

/// A million events of a client that reads nothing before it has sent everything: its results are far
/// more than all socket buffers, so a server that waited for it to read would wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_million_events_before_it_reads_gets_every_result() {
    const EVENTS: u64 = 1_000_000;
    let server = Server::start().await;
    let answer = server.post("/v1/ledgers", json!({ "name": "demo", "sign_per": "commit" })).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let mut stream = server.connect().await;
    let head = server.head(
        "POST /v1/ledgers/demo/events",
        "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nconnection: close\r\n",
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let before = resident_bytes();
    let mut peak = 0;
    for block in 0..EVENTS / 1000 {
        let mut lines = String::new();
        for n in block * 1000..(block + 1) * 1000 {
            lines.push_str(&format!("{{\"event\":{{\"n\":{n}}}}}\n"));
        }
        let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
        let sent =
            tokio::time::timeout(Duration::from_secs(60), stream.write_all(chunk.as_bytes()));
        sent.await.expect("the server stopped reading").unwrap();
        peak = peak.max(resident_bytes());
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let grown = peak.saturating_sub(before) >> 20;
    assert!(grown < 600, "memory grew by {grown} MiB while nobody read");
    let (count, last) = count_results(&mut stream).await;
    assert_eq!(count, EVENTS + 1);
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["done"]["accepted"], EVENTS);
    assert_eq!(checkpoint_size(last["checkpoint"].as_str().unwrap()), EVENTS + 1);
    let left = std::fs::read_dir(server.running.data_dir()).unwrap();
    assert!(!left.into_iter().any(|f| f.unwrap().file_name().to_string_lossy().contains("spool")));
}

/// Counts the lines of a chunked answer, and keeps the last one.
async fn count_results(stream: &mut TcpStream) -> (u64, String) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
    }
    let (mut count, mut last) = (0, Vec::new());
    loop {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0u8; size + 2];
        stream.read_exact(&mut chunk).await.unwrap();
        if size == 0 {
            return (count, String::from_utf8(last).unwrap());
        }
        for piece in chunk[..size].split_inclusive(|byte| *byte == b'\n') {
            if last.ends_with(b"\n") {
                last.clear();
            }
            last.extend_from_slice(piece);
            count += u64::from(piece.ends_with(b"\n"));
        }
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_begun_line_that_does_not_go_on_ends_the_request_with_a_reason() {
    let server = Server::start_with(|config| {
        config.limits.body_stall_timeout = Duration::from_millis(300);
    })
    .await;
    server.create("demo").await;
    let mut stream = server.connect().await;
    let headers = "content-type: application/x-ndjson\r\ncontent-length: 1000\r\n";
    let head = server.head("POST /v1/ledgers/demo/events", headers);
    stream.write_all(format!("{head}{{\"event\":{{}}}}\n{{\"ev").as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream, Duration::from_secs(5)).await;
    assert!(answer.contains("\"line\":1"), "{answer}");
    assert!(answer.contains("\"error\":{\"code\":\"body_too_slow\""), "{answer}");
    assert!(answer.contains("\"lines\":1}"), "{answer}");
    // Silence between lines is another thing.
    let mut stream = server.connect().await;
    stream.write_all(format!("{head}{{\"event\":{{}}}}\n").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;
    stream.write_all(b"{\"event\":{}}\n").await.unwrap();
    let answer = read_to_end(&mut stream, Duration::from_millis(500)).await;
    assert!(answer.contains("\"line\":2"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_submitted_before_it_vanished_is_committed_and_nothing_half() {
    let server = Server::with_ledger().await;
    let mut stream = server.connect().await;
    let headers = "content-type: application/x-ndjson\r\ncontent-length: 100000\r\n";
    let head = server.head("POST /v1/ledgers/demo/events", headers);
    let body = "{\"event\":{\"a\":1}}\n".repeat(10) + "{\"event\":{\"a\"";
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(stream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_get_their_own_results_and_the_ledger_stays_whole() {
    let server = Server::with_ledger().await;
    let clients = (0..8).map(|client| {
        let body: String = (0..2000)
            .map(|n| {
                format!("{{\"event\":{{\"client\":{client},\"n\":{n}}},\"id\":\"{client}/{n}\"}}\n")
            })
            .collect();
        server.append_lines(body)
    });
    for (client, answer) in futures_util::future::join_all(clients).await.iter().enumerate() {
        assert_eq!(answer[2000]["done"]["accepted"], 2000);
        let seqs: Vec<u64> =
            answer[..2000].iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert!(seqs.is_sorted(), "the order within a request is kept");
        assert_eq!(answer[17]["id"], format!("{client}/17"));
    }
    let export = server.get("/v1/ledgers/demo/export").await.bytes().await.unwrap();
    assert_eq!(lines(&export).len(), 16_001 + 2);
    VKey::parse(server.running.vkey()).unwrap();
}
