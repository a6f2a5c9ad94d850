//! A small writer of ledgers, exports, vaults and receipts, for tests, benches and the example
//! `make_vault`. It shares the formats in `indelible_core` with the real engine and nothing else, and
//! it does as it is told: it signs lies as well.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod cases;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use indelible_core::checkpoint::Checkpoint;
use indelible_core::hash::{Digest, NodeHash, Sha256Hash};
use indelible_core::json::Numbers;
use indelible_core::key::{KeyId, PublicKey, RecordSignature, Signature, VKey};
use indelible_core::manifest::{Content, Manifest};
use indelible_core::merkle::{CompactRange, NodeSource, inclusion, leaf_hash, perfect_subtrees};
use indelible_core::name::{EventId, LedgerName, Origin, Seq, ServerName};
use indelible_core::note;
use indelible_core::receipt::{Receipt, Signed};
use indelible_core::record::{Place, PreparedEvent, seal_system};
use indelible_core::segment::{self, Run};
use indelible_core::system::{Creation, Principals, SignPer};
use indelible_core::time::Timestamp;

pub const SERVER: &str = "ledger.example.com";
const MICROS_START: u64 = 1_795_238_040_000_000;

/// A signing key made from one byte.
#[derive(Clone)]
pub struct Signer(SigningKey);

impl Signer {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().as_bytes()).unwrap()
    }

    pub fn key_id(&self) -> KeyId {
        self.public().key_id()
    }

    pub fn vkey(&self, name: &str) -> VKey {
        VKey::new(name, self.public()).unwrap()
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    pub fn record(&self, digest: &Digest) -> RecordSignature {
        RecordSignature { key_id: self.key_id(), signature: self.sign(digest.as_bytes()) }
    }

    /// A signed note.
    pub fn note(&self, name: &str, text: &str) -> String {
        let line = note::signature_line(name, &self.public(), &self.sign(text.as_bytes()));
        note::assemble(text, &line)
    }
}

/// A record with what is stored beside it.
#[derive(Clone, Debug)]
pub struct Made {
    pub record: Vec<u8>,
    pub digest: Digest,
    pub signature: Option<RecordSignature>,
}

impl Made {
    pub fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        segment::push_line(&mut line, &self.record, &self.digest, self.signature.as_ref());
        line
    }
}

/// How a ledger is made.
#[derive(Clone)]
pub struct Plan {
    pub origin: Origin,
    pub signer: Signer,
    pub sign_per: SignPer,
    pub max_unsigned: u64,
    /// Records in a commit, where signatures are per commit.
    pub commit: u64,
    /// About how large an event is, in bytes.
    pub event_bytes: usize,
}

impl Plan {
    pub fn new(ledger: &str) -> Self {
        let server = ServerName::new(SERVER).unwrap();
        Self {
            origin: Origin::of(&server, &LedgerName::new(ledger).unwrap()),
            signer: Signer::new(7),
            sign_per: SignPer::Record,
            max_unsigned: 1000,
            commit: 4,
            event_bytes: 60,
        }
    }

    pub fn per_commit(self, commit: u64) -> Self {
        Self { sign_per: SignPer::Commit, commit, ..self }
    }

    pub fn creation(&self) -> Creation {
        Creation {
            origin: self.origin.clone(),
            sign_per: self.sign_per,
            keys: vec![self.signer.key_id()],
            max_unsigned: self.max_unsigned,
            numbers: Numbers::Exact,
            principals: Principals::Off,
        }
    }

    /// A ledger with record 0 and `events` events.
    pub fn ledger(&self, events: u64) -> Ledger {
        let mut ledger = Ledger::new(self.clone());
        ledger.create();
        ledger.grow(events);
        ledger
    }

    pub fn checkpoint(&self, size: u64, root: NodeHash) -> String {
        let text = Checkpoint { origin: self.origin.clone(), size, root }.body();
        self.signer.note(&self.origin, &text)
    }
}

/// A ledger in memory, from `first` on.
#[derive(Clone)]
pub struct Ledger {
    pub plan: Plan,
    pub records: Vec<Made>,
    /// Number of the first record still in memory.
    pub first: u64,
    /// Tree of everything before `first`.
    before: CompactRange,
    first_prev: Option<Digest>,
    previous: Option<Sha256Hash>,
}

impl Ledger {
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            records: Vec::new(),
            first: 0,
            before: CompactRange::new(0),
            first_prev: None,
            previous: None,
        }
    }

    pub fn size(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    fn last_digest(&self) -> Option<Digest> {
        self.records.last().map(|made| made.digest).or(self.first_prev)
    }

    pub fn create(&mut self) {
        let creation = self.plan.creation();
        self.push_system(&creation.to_canonical(), 0);
        self.sign_from(0);
    }

    pub fn push_system(&mut self, system: &[u8], micros: u64) {
        let ledger = LedgerName::new(self.plan.origin.ledger()).unwrap();
        let id = EventId::new(&format!("system-{}", self.size())).unwrap();
        let (seq, time) = (Seq::new(self.size()).unwrap(), time(micros));
        let place = Place { ledger: &ledger, id: &id, seq, time };
        let mut record = Vec::new();
        let digest = seal_system(system, &place, self.last_digest().as_ref(), &mut record).unwrap();
        self.records.push(Made { record, digest, signature: None });
    }

    /// Appends an event at a time, without a signature.
    pub fn push_event(&mut self, event: &[u8], micros: u64) {
        let ledger = LedgerName::new(self.plan.origin.ledger()).unwrap();
        let id = EventId::new(&format!("event-{}", self.size())).unwrap();
        let (seq, time) = (Seq::new(self.size()).unwrap(), time(micros));
        let place = Place { ledger: &ledger, id: &id, seq, time };
        let mut record = Vec::new();
        let prepared = PreparedEvent::new(event).unwrap();
        let digest = prepared.seal(&place, self.last_digest().as_ref(), &mut record);
        self.records.push(Made { record, digest, signature: None });
    }

    /// Appends events and signs them as the plan says.
    pub fn grow(&mut self, events: u64) {
        let from = self.records.len();
        for _ in 0..events {
            let n = self.size();
            let event = event(n, self.plan.event_bytes);
            self.push_event(&event, n * 250);
        }
        self.sign_from(from);
    }

    fn sign_from(&mut self, from: usize) {
        let (plan, first, end) = (&self.plan, self.first, self.size());
        let Some(fresh) = self.records.get_mut(from..) else { return };
        let chosen: Vec<&mut Made> = fresh
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| {
                let seq = first + (from + at) as u64;
                plan.sign_per == SignPer::Record
                    || seq == 0
                    || seq + 1 == end
                    || seq.is_multiple_of(plan.commit)
            })
            .map(|(_, made)| made)
            .collect();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = chosen.len().div_ceil(threads).max(64);
        let mut chosen = chosen;
        std::thread::scope(|scope| {
            for part in chosen.chunks_mut(share) {
                scope.spawn(|| {
                    part.iter_mut()
                        .for_each(|made| made.signature = Some(plan.signer.record(&made.digest)));
                });
            }
        });
    }

    pub fn range(&self) -> CompactRange {
        let mut range = CompactRange::new(self.first);
        self.records.iter().for_each(|made| range.append(leaf_hash(&made.digest)));
        range
    }

    /// The root of the first `size` records.
    pub fn root(&self, size: u64) -> NodeHash {
        let mut tree = self.before.clone();
        let count = (size - self.first) as usize;
        self.records[..count].iter().for_each(|made| tree.append(leaf_hash(&made.digest)));
        tree.root().unwrap()
    }

    pub fn checkpoint(&self, size: u64) -> String {
        self.plan.checkpoint(size, self.root(size))
    }

    pub fn head(&self) -> String {
        self.checkpoint(self.size())
    }

    pub fn export(&self) -> Vec<u8> {
        let origin = &self.plan.origin;
        let ledger = origin.ledger();
        let mut out =
            format!("{{\"export\":{{\"ledger\":\"{ledger}\",\"origin\":\"{origin}\"}},\"v\":1}}\n")
                .into_bytes();
        self.records.iter().for_each(|made| out.extend(made.line()));
        out.extend(closing_line(&self.head()));
        out
    }

    /// Writes the first `count` records in memory as a segment into `vault` and forgets them.
    pub fn seal(&mut self, vault: &Path, count: usize) -> Manifest {
        let rest = self.records.split_off(count);
        let sealed = Segment::of(self);
        let manifest = sealed.write(vault, &self.plan);
        let range = self.range();
        self.before.append_range(&range).unwrap();
        self.first = self.size();
        self.first_prev = self.records.last().map(|made| made.digest);
        self.previous = Some(manifest.text_sha256());
        self.records = rest;
        manifest
    }

    /// Writes a whole vault, with segments that end before each of `cuts` and at the end.
    pub fn vault(&self, vault: &Path, cuts: &[u64]) -> Vec<Manifest> {
        let mut ledger = self.clone();
        let ends = cuts.iter().copied().chain([self.size()]);
        ends.map(|end| ledger.seal(vault, (end - ledger.first) as usize)).collect()
    }

    /// What stands in the receipt of a record that is not signed itself.
    pub fn creation_signed(&self) -> Signed {
        let first = &self.records[0];
        Signed::Creation {
            record: first.record.clone(),
            signature: first.signature.clone().unwrap(),
        }
    }

    pub fn receipt(&self, seq: u64, size: u64) -> Receipt {
        let made = &self.records[seq as usize];
        let source =
            Leaves(self.records.iter().map(|made| leaf_hash(&made.digest).into()).collect());
        Receipt {
            record: made.record.clone(),
            prev: seq.checked_sub(1).map(|before| self.records[before as usize].digest),
            digest: made.digest,
            signed: made.signature.clone().map_or_else(|| self.creation_signed(), Signed::Own),
            proof: inclusion::build(seq, size, &source).unwrap(),
            checkpoint: self.checkpoint(size),
        }
    }
}

struct Leaves(Vec<NodeHash>);

impl NodeSource for Leaves {
    type Error = std::convert::Infallible;

    fn node(&self, level: u8, index: u64) -> Result<NodeHash, Self::Error> {
        if level == 0 {
            return Ok(self.0[index as usize]);
        }
        let (left, right) =
            (self.node(level - 1, index * 2)?, self.node(level - 1, index * 2 + 1)?);
        Ok(indelible_core::merkle::node_hash(&left, &right))
    }
}

/// A segment before it is written, so that a test can bend every part of it.
pub struct Segment {
    pub run: Run,
    pub plain: Vec<u8>,
    pub packed: Vec<u8>,
    pub manifest: Manifest,
}

impl Segment {
    /// All records that `ledger` has in memory.
    pub fn of(ledger: &Ledger) -> Self {
        let run = Run::new(seq(ledger.first), seq(ledger.size() - 1)).unwrap();
        let plain: Vec<u8> = ledger.records.iter().flat_map(Made::line).collect();
        let packed = pack(&plain);
        let keys: BTreeSet<KeyId> = ledger
            .records
            .iter()
            .filter_map(|made| made.signature.as_ref().map(|signed| signed.key_id.clone()))
            .collect();
        let manifest = Manifest {
            origin: ledger.plan.origin.clone(),
            run,
            first_prev: ledger.first_prev,
            last_digest: ledger.last_digest().unwrap(),
            keys,
            packed: Content::of(&packed),
            plain: Content::of(&plain),
            previous: ledger.previous,
            subtrees: ledger.range().into_subtrees(),
            checkpoint: ledger.head(),
        };
        Self { run, plain, packed, manifest }
    }

    /// Packs `plain` anew and makes the manifest say so.
    pub fn repack(&mut self) {
        self.packed = pack(&self.plain);
        self.state_contents();
    }

    pub fn state_contents(&mut self) {
        self.manifest.packed = Content::of(&self.packed);
        self.manifest.plain = Content::of(&self.plain);
    }

    /// Writes segment and manifest, signed with the plan's key.
    pub fn write(&self, vault: &Path, plan: &Plan) -> Manifest {
        let folder = vault.join(plan.origin.ledger());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(self.manifest.object_name()), &self.packed).unwrap();
        let note = plan.signer.note(&self.manifest.origin, &self.manifest.text());
        fs::write(folder.join(self.manifest.file_name()), note).unwrap();
        self.manifest.clone()
    }
}

pub fn pack(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 1).unwrap()
}

pub fn closing_line(note: &str) -> Vec<u8> {
    let mut line = b"{\"checkpoint\":".to_vec();
    indelible_core::json::push_string(&mut line, note);
    line.extend_from_slice(b"}\n");
    line
}

pub fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

pub fn time(micros: u64) -> Timestamp {
    Timestamp::from_micros(MICROS_START + micros).unwrap()
}

/// An event in canonical form of about `bytes` bytes, another one for each `n`.
pub fn event(n: u64, bytes: usize) -> Vec<u8> {
    let mut noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::new();
    while text.len() + 60 < bytes {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        text.push_str(&format!("{noise:016x} invoice {} ", noise % 1000));
    }
    let (amount, by) = (n % 977, n % 101);
    format!(r#"{{"action":"pay","amount":{amount},"by":"user-{by}","text":"{text}"}}"#).into_bytes()
}

/// Every regular file below `folder`, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// How many perfect subtrees cover a run.
pub fn subtree_count(run: Run) -> usize {
    perfect_subtrees(run.first().get(), run.last().get() + 1).count()
}
