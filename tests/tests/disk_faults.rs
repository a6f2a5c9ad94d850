//! A disk refuses a write or a flush once, or a process dies before its flush; then the server is killed,
//! the disk is unmounted, the power goes. Whatever was acknowledged before, between or after is there.
//!
//! The trap is in the system: after a write that a disk refused, Linux takes the pages for written. Who
//! reads them again reads what never reached the disk, until they are dropped from memory.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indelible_core::hash::Digest;
use indelible_tests::check::{agrees, open, replay};
use indelible_tests::client::Event;
use indelible_tests::faulty_disk::FaultyDisk;
use indelible_tests::programs::indelible;
use indelible_tests::sandbox::say_skipped;
use indelible_tests::server::{Server, Setup};
use rustix::process::{Signal, kill_process};

const LEDGER: &str = "orders";
/// Longest time that a server may take to be whole again after one fault of its disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happens after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The process is killed. What it wrote is still in memory.
    Kill,
    /// It is killed, the disk unmounted in order and mounted again.
    Remount,
    /// It is stopped in order, and so is the disk.
    StopAndRemount,
    /// The power goes, and whatever was not flushed.
    Power,
    /// It is killed and started again; then the power goes.
    KillThenPower,
}

const ENDINGS: [Ending; 5] =
    [Ending::Kill, Ending::Remount, Ending::StopAndRemount, Ending::Power, Ending::KillThenPower];

struct Scene {
    disk: FaultyDisk,
    setup: Setup,
    server: Option<Server>,
    acknowledged: Vec<(Event, u64, Digest)>,
    events: u64,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new(what: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_faulty-disk"));
        let disk = match FaultyDisk::new(program, folder.path()) {
            Ok(disk) => disk,
            Err(why) => {
                say_skipped(what, &why);
                return None;
            }
        };
        let setup = Setup::new(&disk.mount_point().join("data")).within(disk.wrapper());
        let mut scene = Self {
            disk,
            setup,
            server: None,
            acknowledged: Vec::new(),
            events: 0,
            _folder: folder,
        };
        scene.start();
        scene.server().client().create(LEDGER, "record");
        Some(scene)
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("the server runs")
    }

    /// Starts the server. If the fault hits it while it starts, it may refuse, once.
    #[track_caller]
    fn start(&mut self) {
        let faults = self.disk.faults();
        let mut started = self.setup.start();
        if started.is_err() && self.disk.faults() > faults {
            if !self.disk_is_writable() {
                self.disk.remount();
            }
            started = self.setup.start();
        }
        self.server = Some(started.unwrap_or_else(|refusal| panic!("no start: {refusal:?}")));
    }

    /// An event whose text is found on the disk.
    fn event(&mut self) -> Event {
        self.events += 1;
        let n = self.events;
        // Several pages: the last one of a log may be written again by whoever opens it next.
        let pad = "x".repeat(20_000);
        Event::new(format!("e{n}"), format!("{{\"pad\":\"{pad}\",\"text\":\"{}\"}}", marker(n)))
    }

    /// Sends an event until it is acknowledged, as a client does. `false`: it never was, since the file
    /// system is gone until it is mounted again.
    fn append(&mut self, event: &Event, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Ok(answer) = self.server().client().post(LEDGER, event)
                && matches!(answer.status, 200 | 201)
            {
                let value = answer.json();
                let seq = value["record"]["seq"].as_u64().expect("a seq");
                let digest = value["digest"].as_str().expect("a digest");
                let digest = Digest::from_hex(digest).expect("a digest");
                self.acknowledged.push((event.clone(), seq, digest));
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    #[track_caller]
    fn must_append(&mut self, event: &Event) {
        let done = self.append(event, PATIENCE);
        assert!(done, "{event:?} is not taken:\n{}", self.server().log());
    }

    /// Ends it and starts it again.
    #[track_caller]
    fn end(&mut self, ending: Ending) {
        let server = self.server.take().expect("the server runs");
        match ending {
            Ending::Kill => {
                server.kill();
                if !self.disk_is_writable() {
                    self.disk.remount();
                }
            }
            Ending::Remount => {
                server.kill();
                self.disk.remount();
            }
            Ending::StopAndRemount => {
                server.stop();
                self.disk.remount();
            }
            Ending::Power => self.power_cut(server),
            Ending::KillThenPower => {
                server.kill();
                if self.disk_is_writable() {
                    self.start();
                    let server = self.server.take().expect("the server runs");
                    self.power_cut(server);
                } else {
                    self.disk.remount();
                }
            }
        }
        self.start();
    }

    fn power_cut(&mut self, server: Server) {
        // With the power the processor goes too.
        server.freeze();
        self.disk.cut_power();
        server.kill();
        self.disk.restore_power(0);
    }

    /// A file system that gave up after an error takes nothing more until it is mounted again.
    fn disk_is_writable(&self) -> bool {
        let path = self.disk.seen(&self.disk.mount_point().join("probe"));
        fs::write(path, "probe").is_ok()
    }

    /// Everything that was acknowledged is where it was, and all of it verifies.
    #[track_caller]
    fn check(&self, when: &str) {
        let mut client = self.server().client();
        let replayed = replay(&mut client, LEDGER);
        for (event, seq, digest) in &self.acknowledged {
            let id = event.id.as_deref().unwrap_or_default();
            let found = replayed.digests.get(*seq as usize);
            assert_eq!(found, Some(digest), "{when}: {id} was acknowledged at {seq}");
            let record = String::from_utf8_lossy(&replayed.records[*seq as usize]).into_owned();
            assert!(record.contains(&event.event), "{when}: {id} is not at {seq}: {record}");
        }
        let checkpoint = open(&client.checkpoint(LEDGER), &self.server().trust());
        agrees(&replayed, &checkpoint);
        let data = self.setup.data.clone();
        let key = self.server().vkey();
        let words = ["verify".into(), "--key".into(), key.into(), "--data".into(), data.into()];
        let verify = std::iter::once(indelible().into()).chain(words);
        assert!(self.disk.run(verify), "{when}: indelible verify does not say good");
    }
}

fn marker(number: u64) -> String {
    format!("marker-{number:06}-in-this-event")
}

#[test]
fn a_write_that_the_disk_refused_once_is_not_taken_for_written() {
    let Some(mut scene) = Scene::new("a disk that refuses a write once") else { return };
    for ending in ENDINGS {
        let (before, event) = (scene.event(), scene.event());
        scene.must_append(&before);
        scene.disk.fail_write_with(&marker(scene.events));
        let faults = scene.disk.faults();
        // Refused, or unknown; then the server opens its database again and finds it, and the client's
        // next try is told that it is there.
        scene.must_append(&event);
        assert_eq!(scene.disk.faults(), faults + 1, "{ending:?}: the disk was not asked");
        let after = scene.event();
        scene.must_append(&after);
        scene.end(ending);
        scene.check(&format!("{ending:?}"));
    }
}

#[test]
fn any_write_or_flush_may_fail_once() {
    let Some(mut scene) = Scene::new("a disk that fails once") else { return };
    let mut hit = 0;
    let faults = (1..=12).map(|nth| ("write", nth)).chain((1..=6).map(|nth| ("flush", nth)));
    for (case, (kind, nth)) in faults.enumerate() {
        let ending = ENDINGS[case % ENDINGS.len()];
        let before = scene.disk.faults();
        match kind {
            "write" => scene.disk.fail_write(nth),
            _ => scene.disk.fail_flush(nth),
        }
        let mut events = Vec::new();
        let mut all = true;
        while all && events.len() < 20 && scene.disk.faults() == before {
            let event = scene.event();
            all = scene.append(&event, Duration::from_secs(3));
            events.push(event);
        }
        hit += scene.disk.faults() - before;
        // A file system that gave up after the error comes back when it is mounted again.
        let ending = if all { ending } else { Ending::Remount };
        scene.end(ending);
        scene.check(&format!("{kind} {nth}, {ending:?}"));
        for event in &events {
            scene.must_append(event);
        }
        scene.check(&format!("{kind} {nth}, {ending:?}, sent again"));
    }
    assert!(hit >= 15, "only {hit} of 18 faults happened while events were appended");
}

#[test]
fn what_a_dead_process_had_not_flushed_is_durable_before_a_retry_is_answered() {
    let Some(mut scene) = Scene::new("a process that dies before its flush") else { return };
    for round in 0..3 {
        let before = scene.event();
        scene.must_append(&before);
        let event = scene.event();
        scene.disk.hold_write_with(&marker(scene.events));
        let mut client = scene.server().client();
        let sent = event.clone();
        let waiting = std::thread::spawn(move || client.post(LEDGER, &sent).is_ok());
        scene.disk.wait_for_held();
        let server = scene.server.take().expect("the server runs");
        kill_process(server.pid(), Signal::KILL).expect("it lives");
        // It is dead once its last system call has come back: the disk refuses what it was to write.
        scene.disk.fail_held();
        server.kill();
        assert!(!waiting.join().unwrap(), "it was answered before it was flushed");
        scene.start();
        scene.must_append(&event);
        scene.end(Ending::Power);
        scene.check(&format!("round {round}"));
    }
}

/// The one log of the database, and the head file, as this process sees them.
fn log_and_head(scene: &Scene) -> (PathBuf, PathBuf) {
    let data = scene.disk.seen(&scene.setup.data);
    let files = fs::read_dir(data.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let logs: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    let [log] = &logs[..] else { panic!("one log carries data: {logs:?}") };
    (log.clone(), data.join("head"))
}

/// The same without any error of the disk. The kill is played back: the log is cut to where it was
/// before the event, that is flushed, and then the log's end is written again and not flushed.
#[test]
fn what_is_in_memory_only_is_flushed_before_a_retry_is_answered() {
    let Some(mut scene) = Scene::new("a log whose end is not flushed") else { return };
    for round in 0..3 {
        let before = scene.event();
        scene.must_append(&before);
        let (log, head) = log_and_head(&scene);
        let (log_before, head_before) = (fs::read(&log).unwrap(), fs::read(&head).unwrap());
        let event = scene.event();
        scene.must_append(&event);
        let log_after = fs::read(&log).unwrap();
        assert!(log_after.starts_with(&log_before) && log_after.len() > log_before.len());
        scene.server.take().expect("the server runs").kill();
        // As if it had never been acknowledged.
        scene.acknowledged.pop();
        let mut file = OpenOptions::new().append(true).open(&log).unwrap();
        file.set_len(log_before.len() as u64).unwrap();
        file.sync_all().unwrap();
        fs::write(&head, head_before).unwrap();
        File::open(&head).unwrap().sync_all().unwrap();
        file.write_all(&log_after[log_before.len()..]).unwrap();
        drop(file);
        scene.start();
        scene.must_append(&event);
        scene.end(Ending::Power);
        scene.check(&format!("round {round}"));
    }
}
