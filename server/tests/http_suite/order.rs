//! What a client sends stands in the ledger in that order, whatever fails: over NDJSON, pipelined
//! requests, HTTP/2 and `indelible append`, with many groups on their way when the store fails.
//!
//! Each test ends with the ledger being a beginning of what was sent, without a hole and without an end
//! that has no middle; and what failed, sent again, completes it.

use std::process::Command;
use std::time::{Duration, Instant};

use indelible_ledger::Health;
use indelible_ledger::store::StoreError;
use indelible_ledger::store::memory::{CommitFault, MemoryDisk};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::support::{NDJSON, Server, assert_problem, lines, read_to_end};

/// Lines of a request. A group has two of them and a batch two groups, so a request has many on the way.
const LINES: u64 = 60;

async fn server(disk: &MemoryDisk) -> Server {
    Server::on_disk(disk, |config| config.limits.batch_events_max = 4).await
}

/// Lines with enough beside the number that two of them fill a group.
fn body(from: u64) -> String {
    let pad = "x".repeat(130 << 10);
    (from..LINES)
        .map(|n| format!("{{\"event\":{{\"n\":{n},\"pad\":\"{pad}\"}},\"id\":\"e{n}\"}}\n"))
        .collect()
}

/// The numbers of the events in the ledger, in its order.
async fn numbers(server: &Server) -> Vec<u64> {
    let until = Instant::now() + Duration::from_secs(20);
    while matches!(server.running.engine().health(), Health::Poisoned { .. }) {
        assert!(Instant::now() < until, "the store does not come back");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let request = server.request(reqwest::Method::GET, "/v1/ledgers/demo/events");
    let answer = request.header("accept", NDJSON).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let records = lines(&answer.bytes().await.unwrap());
    records.iter().filter_map(|record| record["event"]["n"].as_u64()).collect()
}

async fn assert_beginning(server: &Server) -> u64 {
    let there = numbers(server).await;
    assert!(there.iter().copied().eq(0..there.len() as u64), "out of order: {there:?}");
    there.len() as u64
}

/// What can happen to a store.
#[derive(Debug, Clone)]
enum Fault {
    Commit(u64, CommitFault),
    Read(u64),
    /// Full for some milliseconds.
    Full(u64),
}

impl Fault {
    fn set(&self, disk: &MemoryDisk) {
        match self.clone() {
            Self::Commit(skip, fault) => disk.faults().fail_commit(skip, fault),
            Self::Read(skip) => disk.faults().fail_read(skip, StoreError::Io("scripted".into())),
            Self::Full(ms) => {
                let disk = disk.clone();
                disk.faults().set_capacity_bytes(Some(0));
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(ms));
                    disk.faults().set_capacity_bytes(None);
                });
            }
        }
    }

    fn all() -> Vec<Self> {
        let commits = (0..6).flat_map(|skip| {
            [CommitFault::persisted(), CommitFault::not_persisted(), CommitFault::full()]
                .map(|fault| Self::Commit(skip, fault))
        });
        let reads = (0..24).step_by(3).map(Self::Read);
        commits.chain(reads).chain([0, 2, 20].map(Self::Full)).collect()
    }
}

/// Sends lines from `from` on with a client, the fault striking when many groups are on their way.
async fn send(
    server: &Server,
    disk: &MemoryDisk,
    http: &reqwest::Client,
    from: u64,
    fault: Option<&Fault>,
) -> Vec<Value> {
    let request = http
        .post(server.url("/v1/ledgers/demo/events"))
        .bearer_auth(&server.token)
        .header("content-type", NDJSON)
        .body(body(from));
    if let Some(fault) = fault {
        disk.faults().hold_commits();
        let (disk, fault, metrics) =
            (disk.clone(), fault.clone(), server.running.engine().metrics());
        tokio::spawn(async move {
            let until = Instant::now() + Duration::from_secs(10);
            while metrics.queue_events.get() < 8 && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            fault.set(&disk);
            disk.faults().release_commits();
        });
    }
    let again = request.try_clone().unwrap();
    let mut answer = request.send().await.unwrap();
    if answer.version() == reqwest::Version::HTTP_11 && answer.status() != StatusCode::OK {
        // The connection on which the last request failed: it takes no more, says so, and ends.
        assert_eq!(answer.headers()["connection"], "close");
        assert_problem(answer, 503, "earlier_failed").await;
        answer = again.send().await.unwrap();
    }
    assert_eq!(answer.status(), StatusCode::OK);
    lines(&answer.bytes().await.unwrap())
}

/// Checks an answer to lines from `from` on, and returns the first that has to be sent again.
fn check_answer(answer: &[Value], from: u64) -> Option<u64> {
    let (closing, results) = answer.split_last().expect("a closing line");
    assert!(closing["done"].is_object(), "{closing}");
    let failed = results.iter().position(|line| line["error"].is_object());
    let Some(failed) = failed else {
        assert!(closing["error"].is_null(), "{closing}");
        return None;
    };
    let line = results[failed]["line"].as_u64().unwrap();
    assert_eq!(results[failed]["error"]["resend_from"], line);
    for result in &results[failed..] {
        let error = &result["error"];
        assert!(error.is_object(), "accepted behind line {line}: {result}");
        assert_eq!(error["resend_from"], line);
        let code = error["code"].as_str().unwrap();
        let known = ["earlier_failed", "outcome_unknown", "store_unavailable", "read_failed"];
        assert!(known.contains(&code), "{error}");
    }
    assert_eq!(closing["error"]["resend_from"], line, "{closing}");
    assert_ne!(closing["error"]["code"], "earlier_failed", "what failed first is what is told");
    Some(from + line - 1)
}

/// The whole story for one fault; whether it has hit anything.
async fn run_case(http: &reqwest::Client, fault: &Fault) -> bool {
    let disk = MemoryDisk::new();
    let server = server(&disk).await;
    let mut from = check_answer(&send(&server, &disk, http, 0, Some(fault)).await, 0);
    let hit = from.is_some();
    let there = assert_beginning(&server).await;
    assert!(there >= from.unwrap_or(LINES), "acknowledged and lost: {there}");
    disk.faults().clear();
    let until = Instant::now() + Duration::from_secs(20);
    while let Some(line) = from {
        assert!(Instant::now() < until, "it does not recover");
        from = check_answer(&send(&server, &disk, http, line, None).await, line);
        assert_beginning(&server).await;
    }
    assert_eq!(assert_beginning(&server).await, LINES, "doubled or missing: {fault:?}");
    server.running.stop().await;
    hit
}

async fn run_all(http: reqwest::Client) {
    let mut hits = 0;
    let faults = Fault::all();
    for fault in &faults {
        hits += usize::from(run_case(&http, fault).await);
    }
    assert!(hits * 3 > faults.len() * 2, "only {hits} of {} faults have hit", faults.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_behind_a_line_that_failed_is_appended_over_http_1() {
    run_all(reqwest::Client::builder().http1_only().build().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_behind_a_line_that_failed_is_appended_over_http_2() {
    run_all(reqwest::Client::builder().http2_prior_knowledge().build().unwrap()).await;
}

/// Requests for one event each, as they stand on the wire. The last one ends the connection.
fn singles(server: &Server, numbers: std::ops::Range<u64>) -> String {
    let last = numbers.end - 1;
    let single = |n: u64| {
        let body = format!("{{\"event\":{{\"n\":{n}}},\"id\":\"e{n}\"}}");
        let length = body.len();
        let end = if n == last { "connection: close\r\n" } else { "" };
        let headers =
            format!("content-type: application/json\r\ncontent-length: {length}\r\n{end}");
        // The same ledger in another spelling, which takes another way through the server.
        let name = if n.is_multiple_of(2) { "demo" } else { "%64emo" };
        server.head(&format!("POST /v1/ledgers/{name}/events"), &headers) + &body
    };
    numbers.map(single).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_behind_one_that_failed_are_not_appended() {
    for skip in 0..12 {
        for fault in [CommitFault::not_persisted(), CommitFault::persisted(), CommitFault::full()] {
            let disk = MemoryDisk::new();
            let server = server(&disk).await;
            disk.faults().fail_commit(skip, fault);
            let answer = server.raw(singles(&server, 0..20).as_bytes()).await;
            let statuses: Vec<&str> =
                answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
            assert_eq!(statuses.len() as u64, skip + 1, "{answer}");
            assert!(statuses[..skip as usize].iter().all(|status| *status == "201"));
            assert_eq!(statuses[skip as usize], "503");
            assert!(answer.contains("connection: close"), "{answer}");
            let there = assert_beginning(&server).await;
            assert!(there == skip || there == skip + 1, "{there}");
            // Told, and sent anew: all of it is there, once.
            let answer = server.raw(singles(&server, skip..20).as_bytes()).await;
            assert_eq!(answer.matches("HTTP/1.1 20").count() as u64, 20 - skip, "{answer}");
            assert_eq!(assert_beginning(&server).await, 20);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_pipelined_behind_a_stream_that_failed_is_not_appended() {
    for skip in 0..3 {
        let disk = MemoryDisk::new();
        let server = server(&disk).await;
        disk.faults().fail_commit(skip, CommitFault::not_persisted());
        let stream: String =
            (0..20).map(|n| format!("{{\"event\":{{\"n\":{n}}},\"id\":\"e{n}\"}}\n")).collect();
        let headers = format!("content-type: {NDJSON}\r\ncontent-length: {}\r\n", stream.len());
        let head = server.head("POST /v1/ledgers/demo/events", &headers);
        let behind = singles(&server, 20..23);
        let answer = server.raw(format!("{head}{stream}{behind}").as_bytes()).await;
        assert!(answer.contains("\"outcome_unknown\""), "{answer}");
        let (_, answer) = answer.split_once("HTTP/1.1 503").expect("an answer to what is behind");
        assert!(answer.contains("\"earlier_failed\"") && answer.contains("connection: close"));
        assert!(!answer.contains("HTTP/1.1 "), "the connection goes on: {answer}");
        let there = assert_beginning(&server).await;
        assert!(there < 20, "{there}");
    }
}

/// What a request is at fault for itself is no reason to doubt what follows.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_outlives_requests_that_are_wrong_by_themselves() {
    let server = Server::with_ledger().await;
    let mut stream = server.connect().await;
    let wrong = "{\"event\":1}";
    let headers = format!("content-type: application/json\r\ncontent-length: {}\r\n", wrong.len());
    let wrong = server.head("POST /v1/ledgers/demo/events", &headers) + wrong;
    let first = singles(&server, 0..1).replace("connection: close\r\n", "");
    let all = first + &wrong + &singles(&server, 1..2);
    stream.write_all(all.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream, Duration::from_secs(10)).await;
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(statuses, ["201", "400", "201"], "{answer}");
}

/// The streams of an HTTP/2 connection may be those of many clients behind one proxy.
#[tokio::test(flavor = "multi_thread")]
async fn the_streams_of_an_http_2_connection_do_not_fail_with_each_other() {
    let disk = MemoryDisk::new();
    let server = server(&disk).await;
    let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let post = |n: u64| {
        http.post(server.url("/v1/ledgers/demo/events"))
            .bearer_auth(&server.token)
            .header("content-type", "application/json")
            .body(format!("{{\"event\":{{\"n\":{n}}}}}"))
            .send()
    };
    assert_eq!(post(0).await.unwrap().status(), StatusCode::CREATED);
    let opened = server.running.engine().metrics();
    disk.faults().fail_commit(0, CommitFault::not_persisted());
    assert_eq!(post(1).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(numbers(&server).await, [0]);
    assert_eq!(post(1).await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(opened.reopens.get(), 1);
    assert_eq!(numbers(&server).await, [0, 1]);
}

/// Runs `indelible append` on lines 0 to `count` while faults strike one after the other.
async fn run_program(server: &Server, disk: &MemoryDisk, count: u64, faults: Vec<Fault>) {
    let pad = "x".repeat(2000);
    let input: String = (0..count).map(|n| format!("{{\"n\":{n},\"pad\":\"{pad}\"}}\n")).collect();
    let file = server.dir.path().join("input.ndjson");
    std::fs::write(&file, input).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_indelible"));
    command
        .args(["append", "demo", file.to_str().unwrap(), "--json", "--url"])
        .arg(server.url(""))
        .env("INDELIBLE_TOKEN", &server.token)
        .current_dir(server.dir.path());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    for fault in faults {
        let seen = disk.faults().commits();
        let until = Instant::now() + Duration::from_secs(5);
        while disk.faults().commits() < seen + 3 && Instant::now() < until && !run.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fault.set(disk);
    }
    let output = run.await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let results = lines(&output.stdout);
    let done = &results.last().unwrap()["done"];
    assert_eq!((&done["appended"], &done["refused"]), (&count.into(), &0.into()), "{errors}");
    let told: Vec<u64> = results.iter().filter_map(|line| line["line"].as_u64()).collect();
    assert!(told.iter().copied().eq(1..=count), "every line is answered once and in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_appends_its_input_in_order_through_every_failure() {
    let faults = [
        vec![Fault::Commit(0, CommitFault::not_persisted())],
        vec![Fault::Commit(1, CommitFault::persisted()), Fault::Read(2)],
        vec![Fault::Full(5), Fault::Full(100), Fault::Commit(0, CommitFault::full())],
    ];
    for faults in faults {
        let disk = MemoryDisk::new();
        let server = Server::on_disk(&disk, |config| config.limits.batch_events_max = 100).await;
        // Slow enough that the faults strike in the middle of the run.
        disk.faults().set_commit_delay(Duration::from_millis(5));
        run_program(&server, &disk, 6000, faults).await;
        disk.faults().clear();
        assert_eq!(assert_beginning(&server).await, 6000);
        server.running.stop().await;
    }
}
