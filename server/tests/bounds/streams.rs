//! Event streams that nobody reads, over HTTP/1.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use crate::support::{PATIENCE, Server};

#[tokio::test(flavor = "multi_thread")]
async fn unread_streams_hold_little_and_give_their_places_back() {
    let server = Server::start(&[("STREAMS_MAX", 200)]).await;
    server.fill(400, 100_000).await;
    let good = server.good_client();
    let unread = join_all((0..200).map(|_| async {
        let mut stream = server.connect().await;
        let head = server.head("GET /v1/ledgers/demo/events/stream?from=0", "");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }))
    .await;
    sleep(Duration::from_secs(1)).await;
    server.assert_small();
    // The places come free although no client has closed anything.
    let waited = async {
        while server.get("/v1/ledgers/demo/events/stream").await.status().as_u16() != 200 {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, waited).await.expect("streams that nobody reads keep their places");
    server.until_at_most("indelible_memory_bytes{kind=\"answers\"}", 1 << 20).await;
    server.assert_small();
    good.fared_well().await;
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_followers_see_every_record_and_cost_one_reading() {
    let server = Server::start(&[]).await;
    let followers: Vec<_> = join_all(
        (0..200)
            .map(|_| async { server.get("/v1/ledgers/demo/events/stream").await.bytes_stream() }),
    )
    .await;
    let good = server.good_client();
    let seen = followers.into_iter().map(|mut stream| async move {
        let mut text = String::new();
        while !text.contains("id: 100\n") {
            let chunk = timeout(PATIENCE, stream.next()).await.expect("nothing comes");
            text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
        }
        let ids: Vec<u64> = text
            .lines()
            .filter_map(|line| line.strip_prefix("id: "))
            .map(|id| id.parse().unwrap())
            .collect();
        // Record 0 is the ledger's creation.
        assert!(ids.iter().enumerate().all(|(at, id)| *id == at as u64 + 1), "{ids:?}");
    });
    join_all(seen).await;
    good.fared_well().await;
    server.until_at_most("indelible_memory_bytes{kind=\"recent\"}", 0).await;
}
