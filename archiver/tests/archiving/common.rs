//! An engine with a ledger, a vault in a folder, and the auditor who checks it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indelible_archiver::{ArchiveError, Archiver, DirectoryVault, Seal, Silent, Summary, Vault};
use indelible_core::key::{Trust, VKey};
use indelible_core::name::{EventId, LedgerName, Seq, ServerName};
use indelible_core::record::{Body, PreparedEvent, RecordView};
use indelible_core::system::{SegmentArchived, SignPer, System};
use indelible_core::time::Timestamp;
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::{
    Atomicity, Direction, Engine, EngineConfig, LocalEd25519, Signer, Submission,
};
use indelible_verifier::{HeadFile, Options, Report, Verdict, Verifier};
use tempfile::TempDir;

pub(crate) const SERVER: &str = "audit.example";
pub(crate) const LEDGER: &str = "payments";

pub(crate) fn name(text: &str) -> LedgerName {
    LedgerName::new(text).unwrap()
}

pub(crate) fn signer() -> Arc<LocalEd25519> {
    Arc::new(LocalEd25519::from_seed([7; 32]).unwrap())
}

pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// An engine on a disk in memory, and a vault in a folder.
pub(crate) struct World {
    pub(crate) home: TempDir,
    pub(crate) disk: MemoryDisk,
    pub(crate) engine: Engine,
}

impl World {
    /// With an empty ledger.
    pub(crate) fn new(sign_per: SignPer) -> Self {
        let (home, disk) = (tempfile::tempdir().unwrap(), MemoryDisk::new());
        let engine = open(home.path(), &disk);
        wait(engine.create_ledger(name(LEDGER), sign_per)).unwrap();
        Self { home, disk, engine }
    }

    pub(crate) fn filled(records: u64) -> Self {
        let world = Self::new(SignPer::Record);
        append(&world.engine, LEDGER, records - 1, 300);
        world
    }

    /// An engine over a copy of the rows, to which something is done behind its back once it is open: a
    /// database that was damaged before does not open.
    pub(crate) fn copy(&self, tamper: impl FnOnce(&MemoryDisk)) -> Self {
        let (home, disk) = (tempfile::tempdir().unwrap(), self.disk.copy());
        let engine = open(home.path(), &disk);
        tamper(&disk);
        Self { home, disk, engine }
    }

    pub(crate) fn vault_path(&self) -> PathBuf {
        self.home.path().join("vault")
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.vault_path().join(LEDGER)
    }

    pub(crate) fn vault(&self) -> DirectoryVault {
        DirectoryVault::open(&self.vault_path()).unwrap()
    }

    /// Cuts after some twenty events.
    pub(crate) fn archiver(&self) -> Archiver {
        Archiver::new(self.engine.clone(), self.home.path().into()).with_segment_bytes(16 << 10)
    }

    pub(crate) fn archive(&self, seal: Seal) -> Result<Summary, ArchiveError> {
        self.archive_into(&self.vault(), seal)
    }

    pub(crate) fn archive_into(
        &self,
        vault: &dyn Vault,
        seal: Seal,
    ) -> Result<Summary, ArchiveError> {
        wait(self.archiver().archive(&name(LEDGER), vault, seal, &Silent))
    }

    /// Appends `count` events in groups of thirty, as many commits.
    pub(crate) fn append(&self, count: u64) {
        for begin in (0..count).step_by(30) {
            append(&self.engine, LEDGER, 30.min(count - begin), 200);
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.engine.ledger(&name(LEDGER)).unwrap().size
    }

    /// Everything an auditor finds out about the vault; it must be good and hold `records`.
    #[track_caller]
    pub(crate) fn assert_good(&self, records: u64) -> Report {
        assert_good(&self.vault_path(), records)
    }

    pub(crate) fn news(&self) -> Vec<SegmentArchived> {
        news(&self.engine, LEDGER)
    }

    /// What the run before has left is at rest: the vault holds the whole ledger and is good with its
    /// checkpoint as the expected head, every segment but those at the end is recorded, once, and
    /// another run adds no record and no file.
    #[track_caller]
    pub(crate) fn assert_at_rest(&self) {
        let vault = self.vault();
        assert_at_rest(&self.engine, &vault, |seal| self.archive(seal).unwrap());
    }
}

pub(crate) fn open(home: &Path, disk: &MemoryDisk) -> Engine {
    open_with(home, disk, signer())
}

pub(crate) fn open_with(home: &Path, disk: &MemoryDisk, signer: Arc<dyn Signer>) -> Engine {
    let config = EngineConfig::new(home.join("data"), ServerName::new(SERVER).unwrap());
    Engine::open_with_store(config, signer, Box::new(disk.opener())).unwrap()
}

/// Appends events with a text of `bytes` that hardly compresses.
pub(crate) fn append(engine: &Engine, ledger: &str, count: u64, bytes: usize) {
    let mut pending = Vec::new();
    let at_once = (2 << 20) / (bytes as u64 + 100);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for begin in (0..count).step_by(at_once.clamp(1, 1000) as usize) {
        let events = (begin..count.min(begin + at_once.clamp(1, 1000)))
            .map(|number| {
                let mut text = String::with_capacity(bytes + 16);
                while text.len() < bytes {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number | 1);
                    text.push_str(&format!("{:016x}", state ^ (state >> 29)));
                }
                text.truncate(bytes);
                let event = format!(r#"{{"number":{number},"text":"{text}"}}"#);
                Submission::new(None, PreparedEvent::new(event.as_bytes()).unwrap())
            })
            .collect();
        let each = Atomicity::AllOrNothing;
        pending.push(wait(engine.submit_wait(&name(ledger), events, each)).unwrap());
    }
    for group in pending {
        group.wait().unwrap();
    }
}

/// Appends one event under an id of the client's choice.
pub(crate) fn append_with_id(engine: &Engine, ledger: &str, id: EventId) {
    let event = PreparedEvent::new(br#"{"mine":true}"#).unwrap();
    let events = vec![Submission::new(Some(id), event)];
    engine.submit(&name(ledger), events, Atomicity::AllOrNothing).unwrap().wait().unwrap();
}

/// See [`World::assert_at_rest`].
#[track_caller]
pub(crate) fn assert_at_rest(
    engine: &Engine,
    vault: &DirectoryVault,
    run: impl Fn(Seal) -> Summary,
) {
    let size = engine.ledger(&name(LEDGER)).unwrap().size;
    assert_good_with_head(engine, vault, size);
    assert_recorded(engine, vault);
    let before = files(&vault.root().join(LEDGER));
    let far: Timestamp = "2099-01-01T00:00:00.000000Z".parse().unwrap();
    for seal in [Seal::Now, Seal::OlderThan(Duration::ZERO, far), Seal::Whole, Seal::Now] {
        let again = run(seal);
        assert_eq!((again.segments, again.records, again.packed_bytes), (0, 0, 0));
        assert_eq!((again.archived, again.size), (size, size));
    }
    assert_eq!(engine.ledger(&name(LEDGER)).unwrap().size, size);
    assert!(files(&vault.root().join(LEDGER)) == before, "a file was added or changed");
}

/// The vault is good and holds `records`, as many as the ledger's own checkpoint of now has.
#[track_caller]
fn assert_good_with_head(engine: &Engine, vault: &DirectoryVault, records: u64) {
    let head = engine.checkpoint(&name(LEDGER)).unwrap();
    assert_eq!(head.checkpoint.size, records);
    let heads = vec![HeadFile::new("head", head.note.clone())];
    let report = verify_with(vault.root(), heads);
    assert_eq!(report.verdict(), Verdict::Good, "{:?} {:?}", report.findings, report.unchecked);
    assert_eq!(report.records(), records);
}

/// The ledger has recorded the segments in order, each once, and all up to the last that was followed by
/// more than such records.
#[track_caller]
fn assert_recorded(engine: &Engine, vault: &DirectoryVault) {
    let said: Vec<_> = news(engine, LEDGER)
        .into_iter()
        .filter(|news| news.vault == vault.name())
        .map(|news| (news.first_seq.get(), news.last_seq.get()))
        .collect();
    let held: Vec<_> = manifests(&vault.root().join(LEDGER))
        .into_iter()
        .map(|name| (name[..20].parse::<u64>().unwrap(), name[21..41].parse::<u64>().unwrap()))
        .collect();
    assert!(held.starts_with(&said), "recorded {said:?}, held {held:?}");
    let (_, last) = held[said.len()];
    let rest = Seq::new(last + 1).unwrap();
    let rest = engine.range(&name(LEDGER), rest, Direction::Forward, 10_000, 64 << 20).unwrap();
    assert!(rest.iter().all(|record| news_of(&record.record).is_some()), "{:?}", held[said.len()]);
}

pub(crate) fn verify(vault: &Path) -> Report {
    verify_with(vault, Vec::new())
}

fn verify_with(vault: &Path, heads: Vec<HeadFile>) -> Report {
    let mut trust = Trust::new();
    let key = indelible_ledger::Signer::note_key(&*signer());
    trust.add(VKey::new(SERVER, key).unwrap());
    let mut verifier = Verifier::new(trust, Options { jobs: 2, heads, ..Options::default() });
    verifier.vault(vault);
    verifier.finish()
}

#[track_caller]
pub(crate) fn assert_good(vault: &Path, records: u64) -> Report {
    let report = verify(vault);
    let (findings, unchecked) = (&report.findings, &report.unchecked);
    assert_eq!(report.verdict(), Verdict::Good, "{findings:?} {unchecked:?}");
    assert_eq!(report.records(), records);
    report
}

/// What the ledger says about its archived segments.
pub(crate) fn news(engine: &Engine, ledger: &str) -> Vec<SegmentArchived> {
    let mut found = Vec::new();
    let mut next = Seq::ZERO;
    loop {
        let records =
            engine.range(&name(ledger), next, Direction::Forward, 10_000, 64 << 20).unwrap();
        let Some(last) = records.last() else { return found };
        next = last.seq.next().unwrap();
        found.extend(records.iter().filter_map(|record| news_of(&record.record)));
    }
}

fn news_of(record: &[u8]) -> Option<SegmentArchived> {
    let Body::System(system) = RecordView::parse(record).unwrap().body else { return None };
    match System::parse(system).unwrap() {
        System::SegmentArchived(news) => Some(news),
        _ => None,
    }
}

/// Every file of the vault with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let read = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        let content = std::fs::read(entry.path()).unwrap();
        (name, content)
    };
    entries.map(|entry| read(entry.unwrap())).collect()
}

pub(crate) fn manifests(folder: &Path) -> Vec<String> {
    files(folder).into_keys().filter(|name| name.ends_with(".manifest")).collect()
}

/// Makes a vault's file writable, as whoever owns it can, and changes it.
pub(crate) fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    how(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}
