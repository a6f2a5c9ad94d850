//! Server-sent events.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, Response};
use tokio::time::timeout;

use crate::support::{NDJSON, Server, assert_problem};

/// Reads until `count` events have come; their ids and data.
async fn events(answer: Response, count: usize) -> Vec<(u64, String)> {
    let mut stream = answer.bytes_stream();
    let mut text = String::new();
    loop {
        let found: Vec<(u64, String)> = text
            .split("\n\n")
            .filter_map(|block| {
                let id = block.lines().find_map(|line| line.strip_prefix("id: "))?;
                let data = block.lines().find_map(|line| line.strip_prefix("data: "))?;
                Some((id.parse().ok()?, data.to_owned()))
            })
            .collect();
        // The last block may be half there; it counts when its end is.
        let whole = text.matches("\n\n").count().saturating_sub(1);
        if whole >= count {
            return found.into_iter().take(count).collect();
        }
        let chunk = timeout(Duration::from_secs(10), stream.next()).await.expect("no more events");
        text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_every_record_in_order_and_resumes_where_it_stopped() {
    let server = Server::with_ledger().await;
    let path = "/v1/ledgers/demo/events/stream";
    let first = server.get(&format!("{path}?from=0")).await;
    assert_eq!(first.headers()["content-type"], "text/event-stream");
    let live = server.get(path).await;
    let body: String = (1..=700).map(|n| format!("{{\"event\":{{\"n\":{n}}}}}\n")).collect();
    server.append(NDJSON, body).await.bytes().await.unwrap();
    let seen = events(first, 400).await;
    assert!(seen.iter().enumerate().all(|(at, (id, _))| *id == at as u64));
    let record = server.get("/v1/ledgers/demo/events/399").await.text().await.unwrap();
    assert_eq!(seen[399].1, record);
    let resumed =
        server.request(Method::GET, path).header("last-event-id", "399").send().await.unwrap();
    let rest = events(resumed, 301).await;
    assert_eq!((rest[0].0, rest[300].0), (400, 700));
    // Without a place to begin it begins with what comes next, which was record 1.
    assert_eq!(events(live, 1).await[0].0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_knows_more_than_the_ledger_is_told_so() {
    let server = Server::with_ledger().await;
    let path = "/v1/ledgers/demo/events/stream";
    let ask =
        |id: &'static str| server.request(Method::GET, path).header("last-event-id", id).send();
    assert_eq!(ask("0").await.unwrap().status().as_u16(), 200);
    assert_eq!(assert_problem(ask("1").await.unwrap(), 409, "ahead_of_ledger").await["size"], 1);
    assert_problem(ask("x").await.unwrap(), 400, "query_invalid").await;
    assert_problem(server.get(&format!("{path}?from=2")).await, 409, "ahead_of_ledger").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_a_limit_and_give_their_place_back() {
    let server = Server::start_with(|config| config.limits.streams_max = 2).await;
    server.create("demo").await;
    let path = "/v1/ledgers/demo/events/stream";
    let (one, _two) = (server.get(path).await, server.get(path).await);
    assert_problem(server.get(path).await, 503, "too_many_requests_open").await;
    drop(one);
    for _ in 0..100 {
        if server.get(path).await.status().as_u16() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place of a stream that has gone is not given back");
}
