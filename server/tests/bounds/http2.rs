//! HTTP/2 clients that open no window.

use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use hyper::Request;
use tokio::time::{sleep, timeout};

use crate::support::{PATIENCE, Server};

/// A connection on which no answer's body can arrive.
async fn closed_window(server: &Server) -> SendRequest<Bytes> {
    let stream = server.connect().await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0).max_concurrent_reset_streams(0);
    let (requests, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// Asks and keeps the answer unread; gives its status, or nothing when the connection was cut off.
async fn ask(
    server: &Server,
    requests: &SendRequest<Bytes>,
    path: &str,
) -> Option<hyper::Response<h2::RecvStream>> {
    let request = Request::get(server.url(path))
        .header("authorization", format!("Bearer {}", server.token))
        .body(())
        .unwrap();
    let mut ready = requests.clone().ready().await.ok()?;
    let (answer, _) = ready.send_request(request, true).ok()?;
    timeout(PATIENCE, answer).await.expect("no head of an answer").ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_without_a_window_give_their_places_back() {
    let server = Server::start(&[("EXPORTS_MAX", 4)]).await;
    server.fill(100, 100_000).await;
    let good = server.good_client();
    let requests = closed_window(&server).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let answer = ask(&server, &requests, "/v1/ledgers/demo/export").await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        held.push(answer);
    }
    // A stream beside them that is alive: the connection is not given up as a whole.
    let begun = Instant::now();
    let refused = server.get("/v1/ledgers/demo/export").await;
    assert_eq!(refused.status().as_u16(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    loop {
        let answer = server.get("/v1/ledgers/demo/export").await;
        if answer.status().as_u16() == 200 {
            assert!(answer.bytes().await.unwrap().len() > 10_000_000);
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the places stay taken");
        sleep(Duration::from_millis(200)).await;
    }
    server.until_at_most("indelible_memory_bytes{kind=\"answers\"}", 0).await;
    good.fared_well().await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_pages_without_a_window_hold_no_more_than_a_share() {
    let server = Server::start(&[("STREAMS_MAX", 300)]).await;
    server.fill(200, 100_000).await;
    let good = server.good_client();
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..4 {
        let requests = closed_window(&server).await;
        for number in 0..100 {
            let path = match number % 2 {
                0 => "/v1/ledgers/demo/events/stream?from=0",
                _ => "/v1/ledgers/demo/events?limit=1000",
            };
            match ask(&server, &requests, path).await {
                Some(answer) if answer.status().as_u16() == 503 => refused += 1,
                Some(answer) => held.push(answer),
                None => break,
            }
        }
        held.truncate(10_000);
    }
    eprintln!("{} answers held, {refused} refused", held.len());
    server.assert_small();
    let waited = async {
        while server.get("/v1/ledgers/demo/events/stream").await.status().as_u16() != 200 {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, waited).await.expect("streams that nobody reads keep their places");
    server.until_at_most("indelible_memory_bytes{kind=\"answers\"}", 1 << 20).await;
    server.assert_small();
    good.fared_well().await;
    drop(held);
}
