//! Somebody changes the data folder under a running server: it acknowledges nothing that no restart would
//! find, says why, and no second server gets into the same ledgers.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use indelible_tests::client::{Appended, Event};
use indelible_tests::forge::{close_to_others, copy_folder};
use indelible_tests::http::{Answer, Connection};
use indelible_tests::programs::{indelible, run};
use indelible_tests::server::{Server, Setup};

/// What is done to the folder, and whether undoing it brings everything back.
struct Change {
    what: &'static str,
    change: fn(&Path),
    undo: Option<fn(&Path)>,
}

fn moved(path: &Path) -> std::path::PathBuf {
    path.with_extension("moved")
}

fn files(data: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(data.join("db")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_str().unwrap().contains(ending)).collect()
}

fn remove_all(data: &Path, ending: &str) {
    let found = files(data, ending);
    assert!(!found.is_empty(), "there is no {ending}");
    found.iter().for_each(|path| fs::remove_file(path).unwrap());
}

const CHANGES: [Change; 9] = [
    Change {
        what: "the data folder is moved away",
        change: |data| fs::rename(data, moved(data)).unwrap(),
        undo: Some(|data| fs::rename(moved(data), data).unwrap()),
    },
    Change {
        what: "the data folder is deleted",
        change: |data| fs::remove_dir_all(data).unwrap(),
        undo: None,
    },
    Change {
        what: "db is moved away",
        change: |data| fs::rename(data.join("db"), moved(data)).unwrap(),
        undo: Some(|data| fs::rename(moved(data), data.join("db")).unwrap()),
    },
    Change {
        what: "db is deleted",
        change: |data| fs::remove_dir_all(data.join("db")).unwrap(),
        undo: None,
    },
    Change {
        what: "db is replaced by a copy of itself",
        change: |data| {
            fs::rename(data.join("db"), moved(data)).unwrap();
            copy_folder(&moved(data), &data.join("db"));
        },
        undo: Some(|data| {
            fs::remove_dir_all(data.join("db")).unwrap();
            fs::rename(moved(data), data.join("db")).unwrap();
        }),
    },
    Change {
        what: "the write logs are deleted",
        change: |data| remove_all(data, ".log"),
        undo: None,
    },
    Change { what: "CURRENT is deleted", change: |data| remove_all(data, "CURRENT"), undo: None },
    Change {
        what: "the manifest is deleted",
        change: |data| remove_all(data, "MANIFEST"),
        undo: None,
    },
    Change {
        what: "the lock file is deleted",
        change: |data| fs::remove_file(data.join("lock")).unwrap(),
        undo: Some(|data| {
            fs::write(data.join("lock"), "").unwrap();
            close_to_others(data);
        }),
    },
];

/// A server with some records, started a second time so that its database has files of every kind.
fn server(data: &Path) -> Server {
    let setup = Setup::new(data);
    let server = setup.start().expect("the first start");
    server.client().create("orders", "record");
    server.client().append("orders", &events("before", 0, 20));
    server.stop();
    let server = setup.start().expect("a second start");
    server.client().append("orders", &events("later", 0, 20));
    server
}

fn events(text: &str, from: usize, count: usize) -> Vec<Event> {
    (from..from + count)
        .map(|n| Event::new(format!("{text}-{n}"), format!("{{\"n\":{n}}}")))
        .collect()
}

/// Without a token, as anybody may ask.
fn ready(server: &Server) -> Answer {
    let mut connection = Connection::open(server.address(), "").unwrap();
    connection.request("GET", "/readyz", &[], &[]).unwrap()
}

/// Waits until the server says that the folder is gone, in words without a path.
fn is_noticed(server: &Server, what: &str) {
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        let answer = ready(server);
        if answer.status == 503 {
            assert_eq!(answer.problem(), "folder_gone", "{what}: {}", answer.text());
            let data = server.data().display().to_string();
            assert!(!answer.text().contains(&data), "{what}: {}", answer.text());
            return;
        }
        assert!(Instant::now() < until, "{what}: {}\n{}", answer.text(), server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nothing_is_acknowledged_that_no_restart_would_find() {
    for change in &CHANGES {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = server(&data);
        let mut client = server.client();
        let mut acknowledged = client.size("orders");
        (change.change)(&data);
        let answer = client.append_all("orders", &events("after", 0, 3)).expect("an answer");
        let Appended::Refused(answer) = answer else {
            panic!("acknowledged although {}\n{}", change.what, server.log());
        };
        assert_eq!(answer.status, 503, "{}: {}", change.what, answer.text());
        let codes = ["outcome_unknown", "store_unavailable"];
        assert!(codes.contains(&&*answer.problem()), "{}: {}", change.what, answer.text());
        is_noticed(&server, change.what);
        // For good, also where everything is put back.
        if let Some(undo) = change.undo {
            undo(&data);
        }
        std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(ready(&server).status, 503, "{}", change.what);
        let again = server.client().append_all("orders", &events("again", 0, 1)).unwrap();
        assert!(matches!(again, Appended::Refused(_)), "{}", change.what);
        server.stop();
        if change.undo.is_some() {
            let server = Setup::new(&data).start().expect("everything is there again");
            // What was written before the change was noticed may be there as well.
            acknowledged = acknowledged.max(41);
            assert!(server.client().size("orders") >= acknowledged, "{}", change.what);
            server.client().append("orders", &events("again", 0, 1));
            server.stop();
            let data = data.to_str().unwrap();
            run(indelible(), ["verify", "--data", data]).expect(0);
        } else if data.exists() {
            // A restart does not begin anew in the place of what was lost: it finds all, or refuses.
            match Setup::new(&data).start() {
                Ok(server) => {
                    assert!(server.client().size("orders") >= acknowledged, "{}", change.what);
                }
                Err(refusal) => assert_eq!(refusal.code, 2, "{}: {refusal:?}", change.what),
            }
        }
    }
}

#[test]
fn what_is_taken_away_from_an_idle_server_is_noticed_too() {
    let changes = [
        CHANGES[2].change,
        |data: &Path| remove_all(data, ".sst"),
        |data: &Path| remove_all(data, ".log"),
    ];
    for (what, change) in
        ["db moved", "a table file deleted", "the log deleted"].iter().zip(changes)
    {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = server(&data);
        std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(ready(&server).status, 200);
        change(&data);
        is_noticed(&server, what);
        server.stop();
    }
}

#[test]
fn a_server_under_load_is_not_alarmed_by_its_own_files_coming_and_going() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = server(&data);
    let pad = "x".repeat(200_000);
    for round in 0..60 {
        let batch: Vec<_> = (0..16)
            .map(|n| Event::new(format!("{round}-{n}"), format!("{{\"n\":{n},\"pad\":\"{pad}\"}}")))
            .collect();
        server.client().append("orders", &batch);
    }
    assert_eq!(ready(&server).status, 200, "{}", server.log());
    server.stop();
}

#[test]
fn no_second_server_gets_in_when_the_lock_files_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = server(&data);
    fs::remove_file(data.join("lock")).unwrap();
    fs::remove_file(data.join("db/LOCK")).unwrap();
    let refusal = Setup::new(&data).start().expect_err("two servers on one folder");
    assert_eq!(refusal.code, 2, "{refusal:?}");
    assert!(refusal.log.contains("in use by another process"), "{}", refusal.log);
    is_noticed(&server, "the lock files are removed");
    let doctor = run(indelible(), ["doctor", "--data", data.to_str().unwrap(), "--json"]).expect(1);
    assert!(doctor.stdout.contains("lock file was removed"), "{doctor:?}");
    server.stop();
}

#[test]
fn no_second_server_opens_the_same_database_in_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (folder.path().join("data"), folder.path().join("other"));
    let server = server(&data);
    copy_folder(&data, &other);
    fs::remove_dir_all(other.join("db")).unwrap();
    std::os::unix::fs::symlink(data.join("db"), other.join("db")).unwrap();
    fs::remove_file(data.join("db/LOCK")).unwrap();
    let refusal = Setup::new(&other).start().expect_err("two servers on one database");
    assert!(refusal.log.contains("in use by another process"), "{}", refusal.log);
    server.client().append("orders", &events("after", 0, 1));
    server.stop();
}

#[test]
fn a_head_file_that_cannot_be_written_is_an_alarm_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = server(&data);
    fs::remove_file(data.join("head")).unwrap();
    let until = Instant::now() + Duration::from_secs(40);
    loop {
        let answer = ready(&server);
        if answer.status == 503 {
            assert_eq!(answer.problem(), "head_file_failing", "{}", answer.text());
            assert!(!answer.text().contains(data.to_str().unwrap()), "{}", answer.text());
            break;
        }
        assert!(Instant::now() < until, "no alarm: {}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut client = server.client();
    let told = client.http().request("GET", "/readyz", &[], &[]).unwrap();
    assert!(told.text().contains(data.to_str().unwrap()), "{}", told.text());
    let metrics = client.get("/metrics").text();
    let line =
        metrics.lines().find(|line| line.starts_with("indelible_head_file_failing_seconds "));
    assert!(!line.unwrap().ends_with(" 0"), "{line:?}");
    // The events are safe all the same.
    client.append("orders", &events("after", 0, 1));
    server.stop();
}
