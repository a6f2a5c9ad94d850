//! Bodies that are never finished.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::{PATIENCE, Server, assert_no_room, read_until_quiet};

const HEADERS: &str = "content-type: application/json\r\ncontent-length: 16777216\r\n";

/// Sends the beginning of a body of 16 MiB: as much of `bytes` as is taken.
async fn half_body(server: &Server, bytes: usize) -> TcpStream {
    let mut stream = server.connect().await;
    let head = server.head("POST /v1/ledgers/demo/events", HEADERS);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"{\"event\":{\"a\":\"").await.unwrap();
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..bytes >> 16 {
        match timeout(Duration::from_secs(1), stream.write_all(&piece)).await {
            Ok(Ok(())) => {}
            _ => break,
        }
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_bodies_hold_no_more_than_the_budget_and_are_given_up_together() {
    let server = Server::start(&[]).await;
    let good = server.good_client();
    let begun = Instant::now();
    let half = join_all((0..100).map(|_| half_body(&server, 6 << 20))).await;
    server.assert_small();
    let mut refused = 0;
    for mut stream in half {
        let (answer, closed) = read_until_quiet(&mut stream, PATIENCE).await;
        assert!(closed, "{answer}");
        // A reset loses the answer of a client that sent on regardless.
        if answer.starts_with("HTTP/1.1 503") {
            assert_no_room(&answer);
            refused += 1;
        } else if !answer.is_empty() {
            assert!(answer.contains("\"code\":\"body_too_slow\""), "{answer}");
        }
    }
    assert!(refused > 0, "600 MB into a budget of 32 MiB, and nobody was refused");
    assert!(begun.elapsed() < PATIENCE);
    server.assert_small();
    good.fared_well().await;
    server.until_at_most("indelible_memory_bytes{kind=\"bodies\"}", 0).await;
    // And now there is room again for an array as large as any commit.
    let events: Vec<_> = (0..3).map(|_| json!({ "event": { "a": "x".repeat(900_000) } })).collect();
    let post = server.http.post(server.url("/v1/ledgers/demo/events")).bearer_auth(&server.token);
    assert_eq!(post.json(&events).send().await.unwrap().status().as_u16(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_does_not_buy_time_for_a_trickle() {
    let server = Server::start(&[]).await;
    let mut stream = half_body(&server, 4 << 20).await;
    let begun = Instant::now();
    let (mut answer, mut closed) = (String::new(), false);
    while !closed && answer.is_empty() {
        assert!(begun.elapsed() < PATIENCE / 2, "still held");
        let _ = stream.write_all(&[b'x'; 60]).await;
        (answer, closed) = read_until_quiet(&mut stream, Duration::from_millis(250)).await;
    }
    assert!(answer.contains("\"code\":\"body_too_slow\""), "{answer}");
    sleep(Duration::from_millis(100)).await;
    server.until_at_most("indelible_memory_bytes{kind=\"bodies\"}", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_of_too_many_events_is_told_so_whichever_limit_it_meets_first() {
    let server = Server::start(&[("BODY_BYTES_MAX", 4 << 20)]).await;
    let event = format!("{{\"event\":{{\"a\":\"{}\"}}}},", "x".repeat(500));
    for count in [2_100, 3_000, 20_000] {
        let body = format!("[{}{{\"event\":{{}}}}]", event.repeat(count));
        // With the length announced, and without.
        for chunked in [false, true] {
            let mut stream = server.connect().await;
            let length = if chunked {
                "transfer-encoding: chunked\r\n".to_owned()
            } else {
                format!("content-length: {}\r\n", body.len())
            };
            let headers = format!("content-type: application/json\r\n{length}");
            let mut request = server.head("POST /v1/ledgers/demo/events", &headers).into_bytes();
            if chunked {
                request.extend_from_slice(
                    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes(),
                );
            } else {
                request.extend_from_slice(body.as_bytes());
            }
            let (mut read, mut write) = stream.split();
            // The server need not take all of it.
            let sent = timeout(PATIENCE, write.write_all(&request));
            let mut answer = vec![0u8; 4096];
            let received = timeout(PATIENCE, tokio::io::AsyncReadExt::read(&mut read, &mut answer));
            let (_, received) = tokio::join!(sent, received);
            let length = received.unwrap().unwrap();
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
            assert!(answer.contains("\"code\":\"batch_too_large\""), "{count} {chunked} {answer}");
        }
    }
}
