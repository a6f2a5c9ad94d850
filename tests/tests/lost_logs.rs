//! A server is killed, and then the log of its database loses its end, or is lost as a whole. The next
//! start refuses and says what is missing, `verify` sees it too; with the log back everything is there.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use indelible_tests::check::{agrees, open, replay};
use indelible_tests::client::Event;
use indelible_tests::forge::close_to_others;
use indelible_tests::programs::{indelible, run};
use indelible_tests::server::Setup;

/// How many bytes are left of a log of so many; `None`: not even the file.
type Left = fn(u64) -> Option<u64>;

fn newest_log(data: &Path) -> PathBuf {
    let files = fs::read_dir(data.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|e| e == "log"));
    logs.max().expect("there is a log")
}

#[test]
fn a_log_that_lost_its_end_after_a_kill_is_noticed_to_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let setup = Setup::new(&data);
    let mut server = setup.start().expect("the first start");
    let mut client = server.client();
    client.create("orders", "record");
    let mut acknowledged = Vec::new();
    for n in 0..20u64 {
        let event = Event::new(format!("e{n}"), format!("{{\"n\":{n}}}"));
        acknowledged.extend(client.append("orders", &[event]));
    }
    // One byte is part of one commit; the head outside of the database knows even that.
    let losses: [(&str, Left); 6] = [
        ("its last byte", |bytes| Some(bytes - 1)),
        ("a third of it", |bytes| Some(bytes * 2 / 3)),
        ("half of it", |bytes| Some(bytes / 2)),
        ("nearly all", |_| Some(10)),
        ("all", |_| Some(0)),
        ("the file", |_| None),
    ];
    for (what, left) in losses {
        // Right after an answer: the head file was not flushed for a while.
        for n in 0..5 {
            let event = Event::new(format!("{n}, before {what}"), "{}");
            acknowledged.extend(server.client().append("orders", &[event]));
        }
        server.kill();
        let log = newest_log(&data);
        let kept = fs::read(&log).unwrap();
        match left(kept.len() as u64) {
            None => fs::remove_file(&log).unwrap(),
            Some(bytes) => {
                OpenOptions::new().write(true).open(&log).unwrap().set_len(bytes).unwrap()
            }
        }
        let refusal = setup.start().expect_err(what);
        assert_eq!(refusal.code, 2, "{what}: {refusal:?}");
        let says = "was already acknowledged to clients";
        assert!(refusal.log.contains(says), "{what}: {}", refusal.log);
        let verify = run(indelible(), ["verify", "--data", data.to_str().unwrap()]);
        assert_eq!(verify.code, 1, "{what}: {verify:?}");
        assert!(verify.stdout.contains("HEAD_BEHIND"), "{what}: {verify:?}");
        // Refusing has thrown nothing away.
        fs::write(&log, &kept).unwrap();
        close_to_others(&data);
        server = setup.start().unwrap_or_else(|refusal| panic!("{what}: {refusal:?}"));
        let mut client = server.client();
        let replayed = replay(&mut client, "orders");
        for ack in &acknowledged {
            assert_eq!(replayed.digests[ack.seq as usize], ack.digest, "{what}: {}", ack.id);
        }
        agrees(&replayed, &open(&client.checkpoint("orders"), &server.trust()));
    }
    server.stop();
}
