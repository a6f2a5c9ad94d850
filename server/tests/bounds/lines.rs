//! NDJSON requests that answer badly for what they cost.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use crate::support::{PATIENCE, Server, last_line, read_until_quiet};

const HEADERS: &str = "content-type: application/x-ndjson\r\nconnection: close\r\n";

/// Sends a body of a known length and gives the last line of the answer.
async fn closing_line(server: &Server, body: String) -> serde_json::Value {
    // On a connection of its own: one on which a request was stopped takes no further append.
    let post = reqwest::Client::new().post(server.url("/v1/ledgers/demo/events"));
    let post =
        post.bearer_auth(&server.token).header("content-type", "application/x-ndjson").body(body);
    last_line(&post.send().await.unwrap().text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_stops_after_so_many_refused_lines_and_says_where_to_go_on() {
    let server = Server::start(&[("REFUSED_LINES_MAX", 1000)]).await;
    let good = "{\"event\":{}}\n";
    let closing =
        closing_line(&server, format!("{}{good}", format!("{good}x\n").repeat(1000))).await;
    assert!(closing["error"].is_null(), "{closing}");
    assert_eq!(closing["done"]["accepted"], 1001);
    let closing = closing_line(&server, "x\n".repeat(2_000_000)).await;
    assert_eq!(closing["error"]["code"], "too_many_lines_refused", "{closing}");
    assert_eq!(closing["done"]["failed"], 1001);
    assert_eq!(closing["error"]["resend_from"], 1002);
    // So do those that only the engine refuses.
    let taken = "{\"event\":{\"n\":1},\"id\":\"a\"}\n";
    let conflicts = "{\"event\":{\"n\":2},\"id\":\"a\"}\n".repeat(200_000);
    let closing = closing_line(&server, format!("{taken}{conflicts}")).await;
    assert_eq!(closing["error"]["code"], "too_many_lines_refused", "{closing}");
    assert!(closing["done"]["failed"].as_u64().unwrap() < 50_000, "{closing}");
    server.assert_small();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_goes_on_behind_lines_that_stopped_a_request() {
    let server = Server::start(&[("REFUSED_LINES_MAX", 100)]).await;
    let input = format!("{}{{\"amount\":1}}\n", "{\"a\":1,\"a\":2}\n".repeat(350));
    let file = server.data().join("../input");
    std::fs::write(&file, input).unwrap();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_indelible"));
    program
        .args(["append", "demo"])
        .env("INDELIBLE_URL", server.url(""))
        .env("INDELIBLE_TOKEN_FILE", server.data().join("admin.token"))
        .stdin(std::fs::File::open(&file).unwrap());
    let ran = tokio::task::spawn_blocking(move || program.output());
    let ran = timeout(PATIENCE, ran).await.expect("it does not end").unwrap().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success(), "350 lines were refused: {said}");
    let ledger: serde_json::Value = server.get("/v1/ledgers/demo").await.json().await.unwrap();
    assert_eq!(ledger["size"], 2, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_line_has_a_short_result_however_long_it_is() {
    let server = Server::start(&[]).await;
    let name = "n".repeat(500_000);
    let body = format!("{{\"event\":{{\"{name}\":12345678901234567890}}}}\n").repeat(20);
    let post = server.http.post(server.url("/v1/ledgers/demo/events?numbers=exact"));
    let post = post.bearer_auth(&server.token).header("content-type", "application/x-ndjson");
    let answer = post.body(body).send().await.unwrap().text().await.unwrap();
    assert_eq!(last_line(&answer)["done"]["failed"], 20);
    assert!(answer.len() < 20_000, "{} bytes", answer.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_an_end_ends_the_request() {
    let server = Server::start(&[("LINE_TIMEOUT_SECONDS", 3)]).await;
    // As fast as it is taken: by its length.
    let closing = closing_line(&server, "x".repeat(40 << 20)).await;
    assert_eq!(closing["error"]["code"], "line_too_large", "{closing}");
    // Slowly but never too slowly: by its time.
    let mut stream = server.connect().await;
    let headers = format!("{HEADERS}content-length: 100000000\r\n");
    let head = server.head("POST /v1/ledgers/demo/events", &headers);
    stream.write_all(head.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let (mut answer, mut closed) = (String::new(), false);
    while !closed && !answer.contains("\"done\"") {
        assert!(begun.elapsed() < PATIENCE / 2, "still taken: {answer}");
        let _ = stream.write_all(&[b'x'; 4096]).await;
        let (more, end) = read_until_quiet(&mut stream, Duration::from_millis(100)).await;
        answer.push_str(&more);
        closed = end;
    }
    assert!(answer.contains("\"code\":\"body_too_slow\""), "{answer}");
}

/// Sends 60,000 events, reads nothing until a number of the metrics is above 0, and then everything. Another
/// must be 0 then.
async fn send_before_reading(server: &Server, metric: &str, never: &str) -> String {
    let body = "{\"event\":{\"a\":\"b\"}}\n".repeat(60_000);
    let headers = format!("{HEADERS}content-length: {}\r\n", body.len());
    let head = server.head("POST /v1/ledgers/demo/events", &headers);
    let (mut read, mut write) = server.connect().await.into_split();
    let sending = tokio::spawn(async move {
        write.write_all(head.as_bytes()).await.unwrap();
        write.write_all(body.as_bytes()).await.unwrap();
        write
    });
    let begun = Instant::now();
    while server.metric(metric).await == 0 {
        assert!(begun.elapsed() < PATIENCE, "{metric} stays 0");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.metric(never).await, 0);
    let mut answer = Vec::new();
    timeout(PATIENCE, read.read_to_end(&mut answer)).await.unwrap().unwrap();
    sending.await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_to_the_disk_only_above_the_floor_of_free_space_and_none_is_lost() {
    let (spooled, refused) = ("indelible_spool_bytes ", "indelible_spool_refused_total");
    for (floor, happens, never) in [(0, spooled, refused), (1 << 50, refused, spooled)] {
        let limits = [("FREE_BYTES_MIN", floor), ("WRITE_STALL_TIMEOUT_SECONDS", 30)];
        let server = Server::start(&limits).await;
        let good = server.good_client();
        let answer = send_before_reading(&server, happens, never).await;
        let closing = answer.lines().rfind(|line| line.contains("\"done\"")).expect("no last line");
        assert!(closing.contains("\"accepted\":60000,"), "{closing}");
        server.until_at_most(spooled, 0).await;
        server.until_at_most("indelible_memory_bytes{kind=\"lines\"}", 0).await;
        server.assert_small();
        good.fared_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_and_never_reads_is_given_up_with_its_spool() {
    let server = Server::start(&[("SPOOL_TOTAL_BYTES_MAX", 4 << 20)]).await;
    let line = "{\"event\":{\"a\":\"b\"}}\n";
    let body = line.repeat(100_000);
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        let head = server.head("POST /v1/ledgers/demo/events", HEADERS);
        let head = head.replace("\r\n\r\n", &format!("\r\ncontent-length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = timeout(Duration::from_secs(2), stream.write_all(body.as_bytes())).await;
        held.push(stream);
    }
    let spooled: u64 = server.metric("indelible_spool_bytes ").await;
    assert!(spooled <= 4 << 20, "{spooled}");
    server.until_at_most("indelible_spool_bytes ", 0).await;
    server.until_at_most("indelible_memory_bytes{kind=\"lines\"}", 0).await;
    server.assert_small();
    assert!(std::fs::read_dir(server.data()).unwrap().count() < 20);
    drop(held);
}
