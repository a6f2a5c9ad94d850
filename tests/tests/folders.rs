//! What surrounds a data folder goes wrong: the order to stop, a second server, an old backup, a disk
//! that is full or cannot be written.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indelible_tests::check::{agrees, books_balance, open, replay};
use indelible_tests::client::{Appended, Event};
use indelible_tests::forge::copy_folder;
use indelible_tests::programs::{indelible, indelible_verify, run};
use indelible_tests::sandbox::{in_memory, say_skipped};
use indelible_tests::server::{Server, Setup};
use indelible_tests::workload::{Book, Switchboard, Writer};

const LEDGERS: [(&str, &str); 2] = [("orders", "record"), ("metrics", "commit")];

fn events(from: u64, count: u64) -> Vec<Event> {
    let event = |n| Event::new(format!("e{n}"), format!("{{\"n\":{n}}}"));
    (from..from + count).map(event).collect()
}

#[test]
fn an_order_to_stop_under_load_loses_nothing_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(&folder.path().join("data"));
    let mut server = setup.start().expect("the first start");
    for (ledger, sign_per) in LEDGERS {
        server.client().create(ledger, sign_per);
    }
    let board = Arc::new(Switchboard::default());
    let writers: Vec<_> = (0..8)
        .map(|seed| {
            let ledger = LEDGERS[seed as usize % 2].0;
            Writer::new(ledger, seed, seed < 6, server.trust()).start(Arc::clone(&board))
        })
        .collect();
    for _ in 0..4 {
        board.set(Some((server.address(), server.token().to_owned())));
        std::thread::sleep(Duration::from_millis(300));
        server.ask_to_stop();
        std::thread::sleep(Duration::from_millis(20));
        board.set(None);
        let begun = Instant::now();
        server.stop();
        assert!(begun.elapsed() < Duration::from_secs(10), "stopping took {:?}", begun.elapsed());
        server = setup.start().expect("a later start");
        let mut client = server.client();
        for (ledger, ack) in board.acknowledged() {
            assert!(ack.seq < client.size(&ledger), "{ledger}: {} is lost", ack.seq);
        }
    }
    board.set(Some((server.address(), server.token().to_owned())));
    board.finish();
    let books: Vec<Book> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    for (ledger, _) in LEDGERS {
        let own: Vec<&Book> = books.iter().filter(|book| book.ledger == ledger).collect();
        assert!(own.iter().any(|book| !book.acknowledged.is_empty()));
        books_balance(&mut server.client(), ledger, &own, &server.trust());
    }
    server.stop();
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(&folder.path().join("data"));
    let server = setup.start().expect("the first start");
    server.client().create("orders", "record");
    let refusal = setup.start().expect_err("two servers on one folder");
    assert_eq!(refusal.code, 2, "{refusal:?}");
    assert!(refusal.log.contains("in use by another process"), "{}", refusal.log);
    assert!(refusal.log.contains(setup.data.to_str().unwrap()), "{}", refusal.log);
    let acks = server.client().append("orders", &events(0, 3));
    assert_eq!(acks.len(), 3);
    server.stop();
}

/// A folder's database as it was earlier; everything else in the folder is of today.
fn with_old_database(kill: bool) -> (tempfile::TempDir, Setup) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let setup = Setup::new(&data);
    let server = setup.start().expect("the first start");
    server.client().create("orders", "record");
    server.client().append("orders", &events(0, 10));
    server.stop();
    copy_folder(&data.join("db"), &folder.path().join("backup"));
    let server = setup.start().expect("a later start");
    server.client().append("orders", &events(10, 10));
    if kill {
        server.kill();
    } else {
        server.stop();
    }
    fs::remove_dir_all(data.join("db")).unwrap();
    copy_folder(&folder.path().join("backup"), &data.join("db"));
    (folder, setup)
}

#[test]
fn a_restored_backup_is_refused_and_explained() {
    for kill in [false, true] {
        let (_folder, setup) = with_old_database(kill);
        let before = fs::read(setup.data.join("head")).unwrap();
        let refusal = setup.start().expect_err("an old database");
        assert_eq!(refusal.code, 2, "{refusal:?}");
        for text in ["already acknowledged", "backup", "head"] {
            assert!(refusal.log.contains(text), "no word of {text}: {}", refusal.log);
        }
        assert_eq!(fs::read(setup.data.join("head")).unwrap(), before, "nothing is changed");
        let data = setup.data.to_str().unwrap();
        let doctor = run(indelible(), ["doctor", "--data", data, "--json"]);
        assert_eq!(doctor.code, 1, "{doctor:?}");
        assert!(doctor.stdout.contains("backup"), "doctor does not explain: {doctor:?}");
        let verify = run(indelible(), ["verify", "--data", data, "--json"]);
        assert_eq!(verify.code, 1, "{verify:?}");
        assert!(verify.stdout.contains("HEAD_BEHIND"), "{verify:?}");
    }
}

#[test]
fn a_read_only_folder_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Setup::new(&data).start().expect("the first start");
    server.client().create("orders", "record");
    server.stop();
    let read_only = folder.path().join("read-only");
    fs::create_dir(&read_only).unwrap();
    let prepare = format!(
        "cp -r '{}/.' \"$0\" && chmod 700 \"$0\" && mount -o remount,ro,size=64m \"$0\"",
        data.display()
    );
    let Some(wrapper) = in_memory(&read_only, "64m", &prepare) else {
        say_skipped("a read-only folder", "this system allows no mount namespace");
        return;
    };
    let refusal = Setup::new(&read_only).within(wrapper).start().expect_err("a read-only folder");
    assert_eq!(refusal.code, 2, "{refusal:?}");
    assert!(refusal.log.contains("read-only"), "{}", refusal.log);
}

/// Appends until the server refuses, and returns what it took and the refusal's code.
fn fill(server: &Server, ledger: &str, next: &mut u64) -> (Vec<(Event, u64)>, String) {
    let mut client = server.client();
    let mut taken = Vec::new();
    loop {
        let pad = "x".repeat(8000);
        let batch: Vec<Event> = (*next..*next + 64)
            .map(|n| {
                Event::new(format!("{ledger}-{n}"), format!("{{\"n\":{n},\"pad\":\"{pad}{n}\"}}"))
            })
            .collect();
        let answer = client.append_all(ledger, &batch);
        match answer.unwrap_or_else(|e| panic!("no answer on a full disk: {e}\n{}", server.log())) {
            Appended::Acked(acks, _) => {
                *next += 64;
                taken.extend(batch.into_iter().zip(acks).map(|(event, ack)| (event, ack.seq)));
            }
            Appended::Refused(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.text());
                assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
                return (taken, answer.problem());
            }
        }
        assert!(taken.len() < 100_000, "the disk does not become full");
    }
}

fn wait_until_it_takes_events(server: &Server, ledger: &str, event: &Event) -> u64 {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = server.client().post(ledger, event).expect("an answer");
        if matches!(answer.status, 200 | 201) {
            return answer.json()["record"]["seq"].as_u64().unwrap();
        }
        assert!(Instant::now() < until, "it does not heal: {}\n{}", answer.text(), server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_full_disk_is_a_clear_problem_loses_nothing_and_heals_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let prepare = "head -c 48m /dev/zero > \"$0/ballast\"";
    let Some(wrapper) = in_memory(&disk, "96m", prepare) else {
        say_skipped("a full disk", "this system allows no mount namespace");
        return;
    };
    let server = Setup::new(&disk.join("data")).within(wrapper).start().expect("a start");
    let mut client = server.client();
    client.create("orders", "commit");
    let mut next = 0;
    let (taken, code) = fill(&server, "orders", &mut next);
    assert!(["store_unavailable", "outcome_unknown"].contains(&code.as_str()), "{code}");
    assert!(!taken.is_empty());
    // The process lives. That reading goes on is the subject of a test of the program itself.
    let ready = client.http().request("GET", "/readyz", &[], &[]).expect("an answer");
    assert!(matches!(ready.status, 200 | 503));

    fs::remove_file(server.data().parent().unwrap().join("ballast")).unwrap();
    let id = Event::new("after", "{\"after\":true}");
    let seq = wait_until_it_takes_events(&server, "orders", &id);
    let replayed = replay(&mut server.client(), "orders");
    for (event, seq) in &taken {
        let record = String::from_utf8(replayed.records[*seq as usize].clone()).unwrap();
        assert!(record.contains(&event.event), "{:?} was acknowledged at {seq}", event.id);
    }
    assert!(seq as usize > taken.len());
    let checkpoint = open(&server.client().checkpoint("orders"), &server.trust());
    agrees(&replayed, &checkpoint);
    let export = folder.path().join("orders.jsonl");
    server.cli(&["export", "orders", "--out", export.to_str().unwrap()]).expect(0);
    run(indelible_verify(), ["export", export.to_str().unwrap(), "--key", &server.vkey()])
        .expect(0);
    server.stop();
}
