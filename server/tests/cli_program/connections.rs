//! Connections that break and servers that die, in the middle of a stream.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Ran, Server, json};

/// Passes connections on to a server, and cuts each of the first ones after some bytes of its answer.
struct Cutter {
    address: SocketAddr,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    fn before(server: SocketAddr, cuts_max: usize, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cuts);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(upstream) = TcpStream::connect(server) else { return };
                let cut = counted.load(Ordering::Relaxed) < cuts_max;
                let up = (client.try_clone(), upstream.try_clone());
                let (Ok(mut from), Ok(mut to)) = up else { return };
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || {
                    pass_back(upstream, client, cut.then_some(bytes), &counted)
                });
            }
        });
        Self { address, cuts }
    }
}

fn pass_back(mut from: TcpStream, mut to: TcpStream, cut_after: Option<usize>, cuts: &AtomicUsize) {
    let mut passed = 0;
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        passed += count;
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
        if cut_after.is_some_and(|limit| passed > limit) {
            cuts.fetch_add(1, Ordering::Relaxed);
            let _ = from.shutdown(std::net::Shutdown::Both);
            let _ = to.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn numbered(count: u64) -> String {
    let mut input = String::new();
    for n in 0..count {
        let _ = writeln!(input, "{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(100));
    }
    input
}

/// Every event once and in order.
fn assert_whole(records: &[Value], count: u64) {
    let numbers: Vec<u64> =
        records.iter().filter_map(|record| record["event"]["n"].as_u64()).collect();
    assert_eq!(numbers.len() as u64, count, "some are missing or doubled");
    assert!(numbers.iter().copied().eq(0..count), "they are out of order");
}

#[test]
fn a_connection_that_breaks_again_and_again_loses_and_doubles_nothing() {
    const COUNT: u64 = 20_000;
    const CUTS: usize = 5;
    let server = Server::start();
    server.good("ledger create audit");
    server.write("input.ndjson", &numbered(COUNT));
    let cutter = Cutter::before(server.address, CUTS, 200_000);
    let mut command = server.command(["append", "audit", "input.ndjson"]);
    command.env("INDELIBLE_URL", format!("http://{}", cutter.address));
    let ran = Ran::of(command.output().expect("the program runs"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(cutter.cuts.load(Ordering::Relaxed), CUTS, "the connection was to break: {ran:?}");
    assert!(ran.err.contains("trying again"), "the user is told: {}", ran.err);
    assert!(ran.out.contains("20,000 appended, 0 duplicate, 0 refused"), "{ran:?}");
    assert_whole(&server.records("audit"), COUNT);
}

#[test]
fn a_server_that_is_killed_and_started_again_loses_and_doubles_nothing() {
    const COUNT: u64 = 20_000;
    let mut server = Server::start();
    server.good("ledger create audit");
    let mut child = server
        .command(["append", "audit", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn(move || stdin.write_all(numbered(COUNT).as_bytes()));
    let mut results = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    // Some thousand answers have come, many more lines are on their way.
    let mut answered = 0;
    for line in results.by_ref().take(3000) {
        assert!(json(&line.expect("a line"))["seq"].is_u64());
        answered += 1;
    }
    server.kill();
    std::thread::sleep(Duration::from_millis(300));
    server.start_again();
    let mut closing = Value::Null;
    for line in results {
        let line = json(&line.expect("a line"));
        if line["seq"].is_u64() {
            answered += 1;
        } else {
            closing = line;
        }
    }
    writer.join().expect("the writer ends").expect("everything was taken");
    assert!(child.wait().expect("the program ends").success());
    assert_eq!(answered, COUNT);
    assert_eq!(closing["done"]["appended"], COUNT, "{closing}");
    assert_whole(&server.records("audit"), COUNT);
}

#[test]
fn append_gives_up_in_time_and_says_how_to_go_on() {
    let mut server = Server::start();
    server.good("ledger create audit");
    server.write("input.ndjson", &numbered(10));
    server.kill();
    let ran = server.run("append audit input.ndjson --patience 1 --run r1");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("cannot be reached"), "{}", ran.err);
    assert!(ran.err.contains("indelible append audit input.ndjson --run r1"), "{}", ran.err);
}

#[test]
fn tail_follows_a_ledger_across_a_restart_of_the_server() {
    let mut server = Server::start();
    server.good("ledger create audit");
    server.write("first.ndjson", "{\"n\":1}\n{\"n\":2}\n");
    server.good("append audit first.ndjson");
    let mut child = server
        .command(["tail", "audit", "--from", "1", "--count", "4", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let mut next = || json(&lines.next().expect("a record").expect("a line"))["event"]["n"].clone();
    assert_eq!((next(), next()), (1.into(), 2.into()));
    server.stop();
    server.start_again();
    server.write("second.ndjson", "{\"n\":3}\n{\"n\":4}\n");
    server.good("append audit second.ndjson");
    assert_eq!((next(), next()), (3.into(), 4.into()), "neither lost nor shown twice");
    assert!(child.wait().expect("the program ends").success());
}

/// As `tail -F` feeds it: a line now and then, and silence much longer than anybody's clock.
#[test]
fn a_run_whose_input_is_quiet_lives_through_idle_streams_and_restarts() {
    let mut server = Server::start_after("export INDELIBLE_LIMITS_STREAM_IDLE_TIMEOUT_SECONDS=1");
    server.good("ledger create audit");
    // Its own clock is short as well, and must not count while there is nothing to send.
    for more in [&["--patience", "1"][..], &["--server-ids"], &[]] {
        let before = server.size("audit");
        let mut child = server
            .command(["append", "audit", "--json"].iter().chain(more))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let mut results = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        for n in 0..4 {
            // The server ends the stream, and ends itself, while nothing is on its way.
            std::thread::sleep(Duration::from_millis(2500));
            if n == 2 {
                server.stop();
                std::thread::sleep(Duration::from_millis(2500));
                server.start_again();
            }
            writeln!(stdin, "{{\"n\":{n}}}").expect("it still reads");
            let line = json(&results.next().expect("an answer").expect("a line"));
            assert_eq!(line["seq"], before + n, "{line}");
            assert_eq!(line["line"], n + 1, "{line}");
        }
        drop(stdin);
        let closing = json(&results.next().expect("a closing line").expect("a line"));
        assert_eq!(closing["done"]["appended"], 4, "{closing}");
        assert!(child.wait().expect("it ends").success());
        assert_eq!(server.size("audit"), before + 4, "each of them once");
    }
}

#[test]
fn a_run_fed_by_a_pipe_outlasts_a_server_that_is_away() {
    let mut server = Server::start();
    server.good("ledger create audit");
    server.stop();
    let start = |more: &[&str]| {
        server
            .command(["append", "audit"].iter().chain(more))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs")
    };
    let mut children = [start(&[]), start(&["--patience", "1"])];
    let pipes = children.each_mut().map(|child| {
        let mut stdin = child.stdin.take().expect("stdin is piped");
        writeln!(stdin, "{{\"n\":1}}").expect("it reads");
        stdin
    });
    let [patient, impatient] = children;
    let gave_up = Ran::of(impatient.wait_with_output().expect("it ends by itself"));
    assert_ne!(gave_up.code, 0, "what was asked for holds: {gave_up:?}");
    server.start_again();
    drop(pipes);
    let ran = Ran::of(patient.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.size("audit"), 2);
}
