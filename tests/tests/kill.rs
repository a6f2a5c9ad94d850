//! The server is killed at random moments while writers write, and started again, a hundred times.
//!
//! What must hold: nothing acknowledged is lost, changed or reordered; nothing is there twice after the
//! writers have sent again what they got no answer for; each writer's events keep their order; every
//! checkpoint ever seen is a prefix of every later one; and after every round every record, signature, tree
//! and row of the whole engine verifies. Three signers sign, each for ledgers of its own in both ways.
//!
//! `INDELIBLE_KILL_ROUNDS` sets the number of rounds, `INDELIBLE_KILL_SEED` repeats a run's choices
//! (not its timing).

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indelible_core::key::Trust;
use indelible_tests::check::{Witness, books_balance};
use indelible_tests::faulty_disk::FaultyDisk;
use indelible_tests::programs::{indelible, indelible_verify, run};
use indelible_tests::sandbox::{Disk, say_skipped};
use indelible_tests::server::{Server, Setup};
use indelible_tests::workload::{Book, Random, Switchboard, Writer};

const ROUNDS: u64 = 100;
const POWER_ROUNDS: u64 = 10;
/// Between two checks of everything, which take longer the more there is; the last comes at the end.
const ROUNDS_BETWEEN_CHECKS: u64 = 10;
/// Every so many rounds the server is stopped in order instead of killed, and all ledgers exported.
const ROUNDS_BETWEEN_EXPORTS: u64 = 25;
/// Signers beside the one of the data folder.
const SIGNERS: [&str; 2] = ["east", "west"];
/// Ledgers, how they are signed, and by whom.
const LEDGERS: [(&str, &str, &str); 6] = [
    ("orders", "record", "default"),
    ("orders.eu", "record", "east"),
    ("orders.us", "record", "west"),
    ("metrics", "commit", "default"),
    ("metrics.eu", "commit", "east"),
    ("bulk", "commit", "west"),
];

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: no number")))
}

/// Two writers with ids for each ledger, and one without.
fn start_writers(board: &Arc<Switchboard>, trust: &Trust) -> Vec<JoinHandle<Book>> {
    let mut writers = Vec::new();
    for (place, (ledger, ..)) in LEDGERS.iter().enumerate() {
        for copy in 0..3 {
            let seed = place as u64 * 3 + copy;
            let writer = Writer::new(ledger, seed, copy < 2, trust.clone());
            writers.push(writer.start(Arc::clone(board)));
        }
    }
    writers
}

/// A server with all signers and ledgers, and writers who wait for it.
fn begin(setup: &Setup) -> (Server, Arc<Switchboard>, Vec<JoinHandle<Book>>) {
    let server = setup.start().expect("the first start");
    for (ledger, sign_per, signer) in LEDGERS {
        server.client().create_signed_by(ledger, sign_per, signer);
    }
    let board = Arc::new(Switchboard::default());
    let writers = start_writers(&board, &server.trust());
    (server, board, writers)
}

/// The start after a round, at which everything must be there.
#[track_caller]
fn again(
    setup: &Setup,
    round: u64,
    (witness, board): (&mut Witness, &Switchboard),
    writers: &[JoinHandle<Book>],
) -> Server {
    let server = setup.start().unwrap_or_else(|refusal| panic!("round {round}: {refusal:?}"));
    look(witness, board, &server);
    assert!(writers.iter().all(|writer| !writer.is_finished()), "a writer found a fault");
    server
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
    for (ledger, ..) in LEDGERS {
        let size = witness.look(&mut client, ledger, &trust);
        let Some(ack) = acknowledged.get(ledger) else { continue };
        assert!(ack.seq < size, "{ledger}: {} was acknowledged, {size} are there", ack.seq);
        assert_eq!(client.record(ledger, ack.seq).1, ack.digest, "{ledger}: {} changed", ack.seq);
    }
}

/// Holds everything in the database under all keys: every record, signature, tree, checkpoint and row.
#[track_caller]
fn verify_all(server: &Server) {
    let data = server.data().to_str().unwrap();
    let mut args = vec!["verify".to_owned(), "--data".into(), data.into(), "--json".into()];
    for vkey in server.trust().vkeys() {
        args.extend(["--key".into(), vkey.to_string()]);
    }
    let report = run(indelible(), args).expect(0).json();
    assert_eq!(report["verdict"], "good", "{report}");
    let ledgers = report["ledgers"].as_array().expect("the report has ledgers");
    assert_eq!(ledgers.len(), LEDGERS.len(), "{report}");
}

/// Exports every ledger and has the auditor's program verify it with its signer's key alone.
fn export_all(server: &Server, folder: &Path) {
    for (ledger, _, signer) in LEDGERS {
        let file = folder.join(format!("{ledger}.jsonl"));
        let path = file.to_str().unwrap();
        server.cli(&["export", ledger, "--out", path]).expect(0);
        run(indelible_verify(), ["export", path, "--key", &server.vkey_of(signer).to_string()])
            .expect(0);
    }
}

/// Lets the writers end, and holds their books against the ledgers.
fn settle(board: &Switchboard, writers: Vec<JoinHandle<Book>>, server: &Server) -> Vec<Book> {
    board.finish();
    let books: Vec<Book> =
        writers.into_iter().map(|writer| writer.join().expect("a writer found a fault")).collect();
    let mut client = server.client();
    for (ledger, ..) in LEDGERS {
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
    let setup = Setup::new(&folder.path().join("data")).with_signers(folder.path(), &SIGNERS);
    let (mut server, board, writers) = begin(&setup);
    let mut witness = Witness::default();
    let since = Instant::now();
    for round in 1..=rounds {
        announce(&board, &server);
        std::thread::sleep(random.between(Duration::from_millis(5), Duration::from_millis(450)));
        board.set(None);
        if round % ROUNDS_BETWEEN_EXPORTS == 0 {
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
        server = again(&setup, round, (&mut witness, &board), &writers);
        if round % ROUNDS_BETWEEN_CHECKS == 0 {
            verify_all(&server);
        }
        if round % ROUNDS_BETWEEN_EXPORTS == 0 {
            export_all(&server, folder.path());
        }
    }
    announce(&board, &server);
    let books = settle(&board, writers, &server);
    describe("killed", rounds, &books, since);
    assert!(books.iter().map(|book| book.broken).sum::<u64>() > rounds, "hardly a request was hit");
    assert!(books.iter().any(|book| book.duplicates > 0), "no retry ever met its own event");
    verify_all(&server);
    server.stop();
}

/// Writers write to a server whose disk loses power again and again. `cut` ends the server together with
/// its disk, tells the board, and has the disk back; `false` when that cannot be had here.
fn lose_power(
    what: &str,
    setup: &Setup,
    mut cut: impl FnMut(Server, &Switchboard, &mut Random) -> bool,
) -> bool {
    let rounds = number("INDELIBLE_POWER_ROUNDS", POWER_ROUNDS);
    let mut random = Random::new(number("INDELIBLE_KILL_SEED", 1));
    let (mut server, board, writers) = begin(setup);
    let mut witness = Witness::default();
    let since = Instant::now();
    for round in 1..=rounds {
        announce(&board, &server);
        std::thread::sleep(random.between(Duration::from_millis(50), Duration::from_millis(900)));
        if !cut(server, &board, &mut random) {
            board.finish();
            return false;
        }
        server = again(setup, round, (&mut witness, &board), &writers);
        verify_all(&server);
    }
    announce(&board, &server);
    let books = settle(&board, writers, &server);
    describe(what, rounds, &books, since);
    verify_all(&server);
    server.stop();
    true
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
    let setup = Setup::new(&disk.mount_point().join("data"))
        .within(disk.wrapper())
        .with_signers(folder.path(), &SIGNERS);
    let lost = lose_power("without power", &setup, |server, board, _| {
        // With the power the processor goes too. A server that lived on while its disk dies would see
        // what no power cut shows: ext4 reports some flushes as done that its shutdown has cut short.
        server.freeze();
        if !disk.cut_power() {
            return false;
        }
        board.set(None);
        server.kill();
        disk.restore_power();
        true
    });
    if !lost {
        say_skipped("losing power", "this kernel or python3 cannot stop an ext4 file system");
    }
}

/// The same, and of what was not flushed each sector is there or is not: disks write in the order they
/// like.
#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_in_the_middle_of_writing() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_faulty-disk"));
    let mut disk = match FaultyDisk::new(program, folder.path()) {
        Ok(disk) => disk,
        Err(why) => return say_skipped("losing power in the middle of writing", &why),
    };
    let setup = Setup::new(&disk.mount_point().join("data"))
        .within(disk.wrapper())
        .with_signers(folder.path(), &SIGNERS);
    lose_power("in the middle of writing", &setup, |server, board, random| {
        // No freezing: this disk never says that something was flushed which was not, so that a server
        // that lives a moment longer than its disk answers nothing wrong.
        disk.cut_power();
        board.set(None);
        server.kill();
        disk.restore_power(random.draw() | 1);
        true
    });
}
