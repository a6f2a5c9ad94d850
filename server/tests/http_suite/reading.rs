//! Listings, single records, receipts, proofs and exports.

use indelible_core::hash::{LeafHash, NodeHash};
use indelible_core::merkle::{consistency, inclusion};
use indelible_core::record::RecordView;
use indelible_core::segment::Line;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{NDJSON, Server, assert_problem, checkpoint_size, lines, parse_receipt};

async fn with_events(count: usize) -> Server {
    let server = Server::with_ledger().await;
    let body: String =
        (1..=count).map(|n| format!("{{\"event\":{{\"n\":{n}}},\"id\":\"id {n}\"}}\n")).collect();
    let answer = server.append_lines(body).await;
    assert_eq!(answer[count]["done"]["accepted"], count);
    server
}

fn seqs(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|r| r["seq"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_in_both_directions_without_gap_or_double() {
    let server = with_events(250).await;
    for (order, expected) in
        [("asc", (3..=240).collect::<Vec<u64>>()), ("desc", (3..=240).rev().collect())]
    {
        let mut path = format!("/v1/ledgers/demo/events?from=3&to=240&order={order}&limit=37");
        let mut found = Vec::new();
        loop {
            let page = server.get_json(&path).await;
            found.extend(seqs(&page));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/v1/ledgers/demo/events?cursor={next}&limit=37");
        }
        assert_eq!(found, expected, "{order}");
    }
    assert_eq!(seqs(&server.get_json("/v1/ledgers/demo/events").await).len(), 100);
    assert_eq!(seqs(&server.get_json("/v1/ledgers/demo/events?from=900").await).len(), 0);
    assert_eq!(seqs(&server.get_json("/v1/ledgers/demo/events?from=9&to=8").await).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_sent_byte_for_byte_as_they_were_hashed() {
    let server = with_events(5).await;
    let page = server.get("/v1/ledgers/demo/events?from=2&to=3").await.text().await.unwrap();
    let two = server.get("/v1/ledgers/demo/events/2").await;
    let tag = two.headers()["etag"].to_str().unwrap().to_owned();
    let two = two.text().await.unwrap();
    let three = server.get("/v1/ledgers/demo/events/3").await.text().await.unwrap();
    assert_eq!(page, format!("{{\"events\":[{two},{three}],\"next\":null}}"));
    RecordView::parse(two.as_bytes()).unwrap();
    let receipt = server.get("/v1/ledgers/demo/events/2/receipt").await.bytes().await.unwrap();
    let receipt = parse_receipt(&receipt);
    receipt.verify(&server.trust()).unwrap();
    assert_eq!(tag, format!("\"{}\"", receipt.digest));
    let all = server
        .request(Method::GET, "/v1/ledgers/demo/events?from=2&to=3")
        .header("accept", NDJSON)
        .send()
        .await
        .unwrap();
    assert_eq!(all.headers()["content-type"], NDJSON);
    assert_eq!(all.text().await.unwrap(), format!("{two}\n{three}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_as_lines_gives_the_whole_range() {
    let server = with_events(3000).await;
    let ask = |query: &'static str| {
        let path = format!("/v1/ledgers/demo/events{query}");
        server.request(Method::GET, &path).header("accept", "application/x-ndjson").send()
    };
    let all = lines(&ask("").await.unwrap().bytes().await.unwrap());
    assert_eq!(all.len(), 3001);
    assert!(all.iter().enumerate().all(|(at, record)| record["seq"] == at));
    let some = lines(&ask("?order=desc&limit=1500").await.unwrap().bytes().await.unwrap());
    assert_eq!(
        (some.len(), &some[0]["seq"], &some[1499]["seq"]),
        (1500, &json!(3000), &json!(1501))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_id_and_by_time() {
    let server = with_events(20).await;
    let page = server.get_json("/v1/ledgers/demo/events?id=id%207").await;
    assert_eq!(seqs(&page), [7]);
    assert_eq!(seqs(&server.get_json("/v1/ledgers/demo/events?id=nobody").await).len(), 0);
    let made =
        server.append("application/json", r#"{"event":{}}"#).await.json::<Value>().await.unwrap();
    let id = made["record"]["id"].as_str().unwrap();
    assert_eq!(seqs(&server.get_json(&format!("/v1/ledgers/demo/events?id={id}")).await), [21]);
    let time = made["record"]["time"].as_str().unwrap();
    let page = server.get_json(&format!("/v1/ledgers/demo/events?from_time={time}")).await;
    assert_eq!(seqs(&page).last(), Some(&21));
    let page = server.get_json(&format!("/v1/ledgers/demo/events?to_time={time}")).await;
    assert!(!seqs(&page).contains(&21) && seqs(&page).contains(&0));
    assert_eq!(
        seqs(&server.get_json("/v1/ledgers/demo/events?from_time=2100-01-01").await).len(),
        0
    );
    assert_eq!(seqs(&server.get_json("/v1/ledgers/demo/events?to_time=1990-01-01").await).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_cannot_be_meant_are_refused() {
    let server = with_events(1).await;
    for query in [
        "form=1",
        "from=x",
        "from=1&from=2",
        "limit=0",
        "limit=100000",
        "order=up",
        "cursor=zz",
        "id=a&from=1",
        "from_time=yesterday",
    ] {
        let answer = server.get(&format!("/v1/ledgers/demo/events?{query}")).await;
        assert_problem(answer, 400, "query_invalid").await;
    }
    assert_problem(server.get("/v1/ledgers/demo/events/x").await, 400, "query_invalid").await;
    assert_problem(server.get("/v1/ledgers/demo/events/2").await, 404, "event_not_found").await;
    assert_problem(server.get("/v1/ledgers/demo/events/2/receipt").await, 404, "event_not_found")
        .await;
    for path in [
        "",
        "/events",
        "/events/1",
        "/events/1/receipt",
        "/checkpoint",
        "/export",
        "/events/stream",
    ] {
        let answer = server.get(&format!("/v1/ledgers/none{path}")).await;
        assert_problem(answer, 404, "ledger_not_found").await;
    }
}

fn nodes(value: &Value) -> Vec<NodeHash> {
    value.as_array().unwrap().iter().map(node).collect()
}

fn node(value: &Value) -> NodeHash {
    NodeHash::from_base64(value.as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_hold_against_the_roots_and_the_signed_checkpoint() {
    let server = with_events(300).await;
    let note = server.get("/v1/ledgers/demo/checkpoint").await.text().await.unwrap();
    assert_eq!(checkpoint_size(&note), 301);
    for (seq, size) in [(0, 1), (0, 301), (300, 301), (17, 256), (200, 299)] {
        let path = format!("/v1/ledgers/demo/proofs/inclusion?seq={seq}&size={size}");
        let proof = server.get_json(&path).await;
        let leaf = LeafHash::from_base64(proof["leaf_hash"].as_str().unwrap()).unwrap();
        inclusion::verify(seq, size, &leaf, &nodes(&proof["proof"]), &node(&proof["root"]))
            .unwrap();
    }
    let whole = server.get_json("/v1/ledgers/demo/proofs/inclusion?seq=5").await;
    assert_eq!(whole["size"], 301);
    assert_eq!(Some(whole["root"].as_str().unwrap()), note.lines().nth(2));
    for (from, to) in [(1, 301), (256, 301), (100, 200), (301, 301)] {
        let path = format!("/v1/ledgers/demo/proofs/consistency?from={from}&to={to}");
        let proof = server.get_json(&path).await;
        let (old, new) = (node(&proof["from_root"]), node(&proof["to_root"]));
        consistency::verify(from, to, &old, &new, &nodes(&proof["proof"])).unwrap();
    }
    let path = "/v1/ledgers/demo/proofs/";
    assert_problem(server.get(&format!("{path}inclusion")).await, 400, "query_invalid").await;
    assert_problem(server.get(&format!("{path}inclusion?seq=301")).await, 404, "event_not_found")
        .await;
    assert_problem(
        server.get(&format!("{path}inclusion?seq=5&size=5")).await,
        404,
        "event_not_found",
    )
    .await;
    assert_problem(
        server.get(&format!("{path}inclusion?seq=5&size=999")).await,
        404,
        "event_not_found",
    )
    .await;
    assert_problem(
        server.get(&format!("{path}consistency?from=5&to=4")).await,
        400,
        "query_invalid",
    )
    .await;
    assert_problem(
        server.get(&format!("{path}consistency?from=5&to=999")).await,
        404,
        "event_not_found",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_header_lines_and_a_checkpoint_over_exactly_them() {
    let server = with_events(2500).await;
    let plain = server.get("/v1/ledgers/demo/export").await;
    assert_eq!(plain.status(), StatusCode::OK);
    let disposition = plain.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.contains("demo.export.jsonl"), "{disposition}");
    let plain = plain.bytes().await.unwrap();
    let all: Vec<&[u8]> = plain.split(|byte| *byte == b'\n').collect();
    assert_eq!(all.len(), 2501 + 3, "the last LF ends the last line");
    assert_eq!(all[0], br#"{"export":{"ledger":"demo","origin":"localhost/demo"},"v":1}"#);
    for (seq, line) in all[1..=2501].iter().enumerate() {
        let line = Line::parse(line).unwrap();
        assert_eq!(RecordView::parse(line.record).unwrap().seq.get(), seq as u64);
        assert!(line.signature.is_some());
    }
    let closing: Value = serde_json::from_slice(all[2502]).unwrap();
    assert_eq!(checkpoint_size(closing["checkpoint"].as_str().unwrap()), 2501);
    let packed = server.get("/v1/ledgers/demo/export?compress=zstd").await;
    assert_eq!(packed.headers()["content-type"], "application/zstd");
    let packed = packed.bytes().await.unwrap();
    assert!(packed.len() < plain.len() / 2);
    assert_eq!(zstd::stream::decode_all(&packed[..]).unwrap(), plain);
    assert_problem(server.get("/v1/ledgers/demo/export?compress=gzip").await, 400, "query_invalid")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledgers_are_listed_by_name_in_pages() {
    let server = Server::start().await;
    for name in ["c", "a", "b", "e", "d"] {
        server.create(name).await;
    }
    let mut names = Vec::new();
    let mut path = "/v1/ledgers?limit=2".to_owned();
    loop {
        let page = server.get_json(&path).await;
        names.extend(page["ledgers"].as_array().unwrap().iter().map(|l| l["name"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/ledgers?limit=2&cursor={next}");
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}
