//! The server is killed at random moments while writers write, and started again, a hundred times.
//!
//! What must hold: nothing acknowledged is lost, changed or reordered; nothing is there twice after the
//! writers have sent again what they got no answer for; each writer's events keep their order; every
//! checkpoint ever seen is a prefix of every later one; and the whole engine verifies.
//!
//! `INDELIBLE_KILL_ROUNDS` sets the number of rounds, `INDELIBLE_KILL_SEED` repeats a run's choices
//! (not its timing).

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indelible_core::key::Trust;
use indelible_tests::check::{Witness, books_balance};
use indelible_tests::faulty_disk::FaultyDisk;
use indelible_tests::programs::{indelible_verify, run};
use indelible_tests::sandbox::{Disk, say_skipped};
use indelible_tests::server::{Server, Setup};
use indelible_tests::workload::{Book, Random, Switchboard, Writer};

const ROUNDS: u64 = 100;
const POWER_ROUNDS: u64 = 10;
/// Every so many rounds the server is stopped in order instead of killed, and all ledgers verified.
const ROUNDS_BETWEEN_VERIFICATIONS: u64 = 25;
const LEDGERS: [(&str, &str); 4] =
    [("orders", "record"), ("orders.eu", "record"), ("metrics", "commit"), ("bulk", "commit")];

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: no number")))
}

/// Two writers with ids for each ledger, and one without.
fn start_writers(board: &Arc<Switchboard>, trust: &Trust) -> Vec<JoinHandle<Book>> {
    let mut writers = Vec::new();
    for (place, (ledger, _)) in LEDGERS.iter().enumerate() {
        for copy in 0..3 {
            let seed = place as u64 * 3 + copy;
            let writer = Writer::new(ledger, seed, copy < 2, trust.clone());
            writers.push(writer.start(Arc::clone(board)));
        }
    }
    writers
}

fn announce(board: &Switchboard, server: &Server) {
    board.set(Some((server.address(), server.token().to_owned())));
}

/// Right after a start: each ledger grew out of what was seen before, and its furthest acknowledged
/// record is there.
#[track_caller]
fn look(witness: &mut Witness, board: &Switchboard, server: &Server) {
    let (mut client, trust) = (server.client(), server.trust());
    let acknowledged = board.acknowledged();
    for (ledger, _) in LEDGERS {
        let size = witness.look(&mut client, ledger, &trust);
        let Some(ack) = acknowledged.get(ledger) else { continue };
        assert!(ack.seq < size, "{ledger}: {} was acknowledged, {size} are there", ack.seq);
        assert_eq!(client.record(ledger, ack.seq).1, ack.digest, "{ledger}: {} changed", ack.seq);
    }
}

/// Exports every ledger and has the auditor's program verify it.
fn verify_all(server: &Server, folder: &std::path::Path) {
    for (ledger, _) in LEDGERS {
        let file = folder.join(format!("{ledger}.jsonl"));
        let path = file.to_str().unwrap();
        server.cli(&["export", ledger, "--out", path]).expect(0);
        run(indelible_verify(), ["export", path, "--key", &server.vkey()]).expect(0);
    }
}

/// Lets the writers end, and holds their books against the ledgers.
fn settle(board: &Switchboard, writers: Vec<JoinHandle<Book>>, server: &Server) -> Vec<Book> {
    board.finish();
    let books: Vec<Book> =
        writers.into_iter().map(|writer| writer.join().expect("a writer found a fault")).collect();
    let mut client = server.client();
    for (ledger, _) in LEDGERS {
        let own: Vec<&Book> = books.iter().filter(|book| book.ledger == ledger).collect();
        books_balance(&mut client, ledger, &own, &server.trust());
    }
    books
}

fn describe(what: &str, rounds: u64, books: &[Book], since: Instant) {
    let sum = |of: fn(&Book) -> u64| books.iter().map(of).sum::<u64>();
    eprintln!(
        "{what}: {rounds} rounds in {:.1} s, {} events acknowledged, {} again after a retry, {} \
         requests broken off, {} without id unknown",
        since.elapsed().as_secs_f64(),
        sum(|book| book.acknowledged.len() as u64),
        sum(|book| book.duplicates),
        sum(|book| book.broken),
        sum(|book| book.unknown.len() as u64),
    );
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_however_often_the_server_is_killed() {
    let rounds = number("INDELIBLE_KILL_ROUNDS", ROUNDS);
    let mut random = Random::new(number("INDELIBLE_KILL_SEED", 1));
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(&folder.path().join("data"));
    let mut server = setup.start().expect("the first start");
    for (ledger, sign_per) in LEDGERS {
        server.client().create(ledger, sign_per);
    }
    let board = Arc::new(Switchboard::default());
    let writers = start_writers(&board, &server.trust());
    let mut witness = Witness::default();
    let since = Instant::now();
    for round in 1..=rounds {
        announce(&board, &server);
        std::thread::sleep(random.between(Duration::from_millis(5), Duration::from_millis(450)));
        board.set(None);
        if round % ROUNDS_BETWEEN_VERIFICATIONS == 0 {
            server.stop();
        } else {
            server.kill();
        }
        if random.below(4) == 0 {
            // Killed while it opens, perhaps in the middle of recovering.
            let mut starting = setup.spawn();
            std::thread::sleep(random.between(Duration::ZERO, Duration::from_millis(120)));
            starting.kill();
        }
        server = setup.start().unwrap_or_else(|refusal| panic!("round {round}: {refusal:?}"));
        look(&mut witness, &board, &server);
        if round % ROUNDS_BETWEEN_VERIFICATIONS == 0 {
            verify_all(&server, folder.path());
        }
        assert!(writers.iter().all(|writer| !writer.is_finished()), "a writer found a fault");
    }
    announce(&board, &server);
    let books = settle(&board, writers, &server);
    describe("killed", rounds, &books, since);
    assert!(books.iter().map(|book| book.broken).sum::<u64>() > rounds, "hardly a request was hit");
    assert!(books.iter().any(|book| book.duplicates > 0), "no retry ever met its own event");
    server.stop();
}

/// A killed process loses nothing that it wrote, flushed or not: the system still has it. Here the
/// file system stops with it, and what was not flushed is gone.
#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(folder.path()) else {
        say_skipped("losing power", "a loop device with ext4 needs root and mkfs.ext4");
        return;
    };
    let rounds = number("INDELIBLE_POWER_ROUNDS", POWER_ROUNDS);
    let mut random = Random::new(number("INDELIBLE_KILL_SEED", 1));
    let setup = Setup::new(&disk.mount_point().join("data")).within(disk.wrapper());
    let mut server = setup.start().expect("the first start");
    for (ledger, sign_per) in LEDGERS {
        server.client().create(ledger, sign_per);
    }
    let board = Arc::new(Switchboard::default());
    let writers = start_writers(&board, &server.trust());
    let mut witness = Witness::default();
    let since = Instant::now();
    for round in 1..=rounds {
        announce(&board, &server);
        std::thread::sleep(random.between(Duration::from_millis(50), Duration::from_millis(900)));
        // With the power the processor goes too. A server that lived on while its disk dies would see
        // what no power cut shows: ext4 reports some flushes as done that its shutdown has cut short.
        server.freeze();
        if !disk.cut_power() {
            board.finish();
            say_skipped("losing power", "this kernel or python3 cannot stop an ext4 file system");
            return;
        }
        board.set(None);
        server.kill();
        disk.restore_power();
        server = setup.start().unwrap_or_else(|refusal| panic!("round {round}: {refusal:?}"));
        look(&mut witness, &board, &server);
        assert!(writers.iter().all(|writer| !writer.is_finished()), "a writer found a fault");
    }
    announce(&board, &server);
    let books = settle(&board, writers, &server);
    describe("without power", rounds, &books, since);
    server.stop();
}

/// The same, and of what was not flushed each sector is there or is not: disks write in the order they
/// like.
#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_in_the_middle_of_writing() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_faulty-disk"));
    let mut disk = match FaultyDisk::new(program, folder.path()) {
        Ok(disk) => disk,
        Err(why) => return say_skipped("losing power in the middle of writing", &why),
    };
    let rounds = number("INDELIBLE_POWER_ROUNDS", POWER_ROUNDS);
    let mut random = Random::new(number("INDELIBLE_KILL_SEED", 1));
    let setup = Setup::new(&disk.mount_point().join("data")).within(disk.wrapper());
    let mut server = setup.start().expect("the first start");
    for (ledger, sign_per) in LEDGERS {
        server.client().create(ledger, sign_per);
    }
    let board = Arc::new(Switchboard::default());
    let writers = start_writers(&board, &server.trust());
    let mut witness = Witness::default();
    let since = Instant::now();
    for round in 1..=rounds {
        announce(&board, &server);
        std::thread::sleep(random.between(Duration::from_millis(50), Duration::from_millis(900)));
        // No freezing: this disk never says that something was flushed which was not, so that a server
        // that lives a moment longer than its disk answers nothing wrong.
        disk.cut_power();
        board.set(None);
        server.kill();
        disk.restore_power(random.draw() | 1);
        server = setup.start().unwrap_or_else(|refusal| panic!("round {round}: {refusal:?}"));
        look(&mut witness, &board, &server);
        assert!(writers.iter().all(|writer| !writer.is_finished()), "a writer found a fault");
    }
    announce(&board, &server);
    let books = settle(&board, writers, &server);
    describe("in the middle of writing", rounds, &books, since);
    server.stop();
}
