//! A stop: nothing new is taken, what was taken is answered, and everything answered is there.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use indelible_server::start;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{NDJSON, Server, config};

#[tokio::test(flavor = "multi_thread")]
async fn every_event_that_was_acknowledged_before_a_stop_under_load_is_there_afterwards() {
    let server = Server::with_ledger().await;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let (http, url, token) =
                (server.http.clone(), server.url("/v1/ledgers/demo/events"), server.token.clone());
            tokio::spawn(async move { acknowledged(writer, http, url, token).await })
        })
        .collect();
    sleep(Duration::from_millis(700)).await;
    let Server { dir, running, token, .. } = server;
    timeout(Duration::from_secs(20), running.stop()).await.expect("the stop takes for ever");
    let mut ids = BTreeSet::new();
    for writer in writers {
        ids.extend(writer.await.unwrap());
    }
    assert!(ids.len() > 100, "{}", ids.len());
    let again = start(config(&dir)).await.unwrap();
    let url = format!("http://{}/v1/ledgers/demo/events", again.address());
    let all =
        Client::new().get(url).bearer_auth(token).header("accept", NDJSON).send().await.unwrap();
    let all = all.bytes().await.unwrap();
    let there: BTreeSet<String> = crate::support::lines(&all)
        .iter()
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        ids.is_subset(&there),
        "{} acknowledged events are gone",
        ids.difference(&there).count()
    );
    again.stop().await;
}

/// Appends until the server is gone; the ids of what was acknowledged. Even writers send single events,
/// odd ones streams.
async fn acknowledged(writer: usize, http: Client, url: String, token: String) -> Vec<String> {
    let mut ids = Vec::new();
    for round in 0.. {
        let request = http.post(&url).bearer_auth(&token);
        if writer.is_multiple_of(2) {
            let id = format!("{writer}/{round}");
            match request.json(&json!({ "event": {}, "id": id })).send().await {
                Ok(answer) if answer.status().is_success() => ids.push(id),
                Ok(answer) => assert_eq!(answer.status().as_u16(), 503),
                Err(_) => return ids,
            }
            continue;
        }
        let lines: String = (0..500)
            .map(|n| format!("{{\"event\":{{}},\"id\":\"{writer}/{round}/{n}\"}}\n"))
            .collect();
        let Ok(answer) = request.header("content-type", NDJSON).body(lines).send().await else {
            return ids;
        };
        let mut text = Vec::new();
        let mut body = answer.bytes_stream();
        while let Some(Ok(chunk)) = body.next().await {
            text.extend_from_slice(&chunk);
        }
        for line in text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
        {
            let line: Value = serde_json::from_slice(line).unwrap();
            if line["seq"].is_u64() {
                ids.push(line["id"].as_str().unwrap().to_owned());
            }
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_of_lines_is_ended_with_its_reason_and_checkpoint() {
    let server = Server::with_ledger().await;
    let (lines, body) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(body));
    let answer = server.append(NDJSON, body).await;
    lines.send(Ok("{\"event\":{}}\n{\"ev".into())).await.unwrap();
    let mut results = answer.bytes_stream();
    let first: Value = serde_json::from_slice(&results.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(first["seq"], 1);
    let stop = tokio::spawn(server.running.stop());
    let closing: Value = serde_json::from_slice(&results.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(closing["error"]["code"], "shutting_down");
    assert_eq!(closing["done"]["lines"], 1);
    assert!(closing["checkpoint"].is_string());
    drop(lines);
    timeout(Duration::from_secs(10), stop).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_and_idle_connections_do_not_hold_a_stop_up() {
    let server = Server::with_ledger().await;
    let _follower = server.get("/v1/ledgers/demo/events/stream").await;
    let _silent = server.connect().await;
    sleep(Duration::from_millis(100)).await;
    timeout(Duration::from_secs(5), server.running.stop()).await.expect("held up");
}
