//! Attacks and accidents, each with everything that is to be said of it.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::fs;
use std::path::{Path, PathBuf};

use indelible_core::chain::record_digest;
use indelible_core::code::UncheckedCode;
use indelible_core::hash::Sha256Hash;
use indelible_core::limits::LINE_BYTES_MAX;
use indelible_core::manifest::Manifest;
use indelible_verifier::{HeadFile, Options};

use crate::support::{Ledger, Made, Plan, Segment, Signer, closing_line, pack};

/// Something to check and what comes of it.
pub struct Scene {
    pub name: &'static str,
    pub source: Source,
    pub heads: Vec<String>,
    pub wanted: Option<&'static str>,
    /// Codes and classes, sorted.
    pub found: &'static [&'static str],
    pub unchecked: &'static [UncheckedCode],
}

pub enum Source {
    Export(Vec<u8>),
    Vault(tempfile::TempDir),
}

impl Scene {
    fn new(name: &'static str, source: Source, found: &'static [&'static str]) -> Self {
        Self { name, source, heads: Vec::new(), wanted: None, found, unchecked: &[] }
    }

    fn head(mut self, head: String) -> Self {
        self.heads.push(head);
        self
    }

    fn unchecked(self, unchecked: &'static [UncheckedCode]) -> Self {
        Self { unchecked, ..self }
    }

    pub fn options(&self, jobs: usize) -> Options {
        let ledgers = self.wanted.iter().map(|name| name.parse().unwrap()).collect();
        let heads = self.heads.iter().map(|head| HeadFile::new("head", head.as_str())).collect();
        Options { jobs, heads, ledgers, ..Options::default() }
    }
}

pub fn replace(made: &mut Made, from: &str, to: &str) {
    let text = String::from_utf8(made.record.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    made.record = text.replacen(from, to, 1).into_bytes();
}

/// Lines under the header of `honest` and a closing line.
pub fn file(honest: &Ledger, records: &[Made], closing: &[u8]) -> Vec<u8> {
    let whole = honest.export();
    let header = whole.split_inclusive(|byte| *byte == b'\n').next().unwrap();
    let lines = records.iter().map(Made::line);
    [header.to_vec()]
        .into_iter()
        .chain(lines)
        .chain([closing.to_vec()])
        .collect::<Vec<_>>()
        .concat()
}

/// The records of a ledger, bent, under its own closing line.
fn bent(honest: &Ledger, bend: impl FnOnce(&mut Vec<Made>)) -> Source {
    let mut records = honest.records.clone();
    bend(&mut records);
    Source::Export(file(honest, &records, &closing_line(&honest.head())))
}

/// A ledger that its own operator made so: everything is chained and signed.
fn made(plan: &Plan, make: impl FnOnce(&mut Ledger)) -> Ledger {
    let mut ledger = plan.ledger(3);
    make(&mut ledger);
    let from = ledger.records.iter().position(|made| made.signature.is_none());
    for made in &mut ledger.records[from.unwrap_or(0)..] {
        made.signature = Some(ledger.plan.signer.record(&made.digest));
    }
    ledger.grow(3);
    ledger
}

fn system(object: &str) -> Source {
    let plan = Plan::new("orders");
    Source::Export(made(&plan, |ledger| ledger.push_system(object.as_bytes(), 900)).export())
}

/// A ledger whose record 0 says something else.
fn begun_with(plan: &Plan, object: &[u8]) -> Ledger {
    let mut ledger = Ledger::new(plan.clone());
    ledger.push_system(object, 0);
    ledger.records[0].signature = Some(plan.signer.record(&ledger.records[0].digest));
    ledger.grow(5);
    ledger
}

pub fn exports() -> Vec<Scene> {
    [records(), beginnings(), ends(), heads(), system_records()].into_iter().flatten().collect()
}

fn records() -> Vec<Scene> {
    let orders = Plan::new("orders").ledger(30);
    let commits = Plan::new("orders").per_commit(4).ledger(30);
    let redigest = |records: &mut [Made], at: usize| {
        records[at].digest = record_digest(&records[at].record, Some(&records[at - 1].digest));
    };
    vec![
        Scene::new("honest", bent(&orders, |_| {}), &[]),
        Scene::new("honest, signed per commit", bent(&commits, |_| {}), &[]),
        Scene::new(
            "a record is edited",
            bent(&orders, |made| replace(&mut made[12], "\"amount\":12", "\"amount\":99")),
            &["HASH_MISMATCH damage"],
        ),
        Scene::new(
            "a record is edited and digested anew",
            bent(&orders, |made| {
                replace(&mut made[12], "\"amount\":12", "\"amount\":99");
                redigest(made, 12);
            }),
            &["CHAIN_BROKEN damage", "ROOT_MISMATCH damage", "SIG_INVALID tampering"],
        ),
        Scene::new(
            "an edited record is made to fit, but not signed",
            bent(&orders, |made| {
                made.truncate(20);
                replace(&mut made[19], "\"amount\":19", "\"amount\":99");
                redigest(made, 19);
            }),
            &["SIG_INVALID tampering", "TAIL_MISSING damage"],
        ),
        Scene::new(
            "signatures are taken off",
            bent(&orders, |made| made[5..8].iter_mut().for_each(|made| made.signature = None)),
            &["UNSIGNED tampering"],
        ),
        Scene::new(
            "the signature of record 0 is taken off",
            bent(&commits, |made| made[0].signature = None),
            &["UNSIGNED tampering"],
        ),
        Scene::new(
            "the last signature is taken off",
            bent(&commits, |made| made[30].signature = None),
            &["UNSIGNED tampering"],
        ),
        Scene::new(
            "the last signature is taken off and so is the end",
            bent(&commits, |made| {
                made.truncate(23);
                made[22].signature = None;
            }),
            &["TAIL_MISSING damage"],
        ),
        Scene::new(
            "rules are changed, so what they demand is not certain",
            bent(&commits, |made| replace(&mut made[0], "\"commit\"", "\"record\"")),
            &["HASH_MISMATCH damage", "UNSIGNED damage"],
        ),
        Scene::new(
            "a stranger signs",
            bent(&orders, |made| made[7].signature = Some(Signer::new(9).record(&made[7].digest))),
            &["KEY_UNKNOWN damage"],
        ),
        Scene::new(
            "a stranger's signature does not even fit",
            bent(&orders, |made| made[7].signature = Some(Signer::new(9).record(&made[8].digest))),
            &["KEY_UNKNOWN damage", "SIG_INVALID tampering"],
        ),
        Scene::new(
            "a line is dropped",
            bent(&orders, |made| drop(made.remove(12))),
            &["CHAIN_BROKEN damage", "SEQ_GAP damage"],
        ),
        Scene::new(
            "a line is no line",
            {
                let text = String::from_utf8(orders.export()).unwrap();
                Source::Export(text.replacen("{\"alg\"", "{\"Alg\"", 1).into_bytes())
            },
            &["NOT_CANONICAL damage"],
        ),
        Scene::new(
            "a record is no record, and signed",
            {
                let mut ledger = orders.clone();
                ledger.records.truncate(10);
                replace(&mut ledger.records[9], "\"v\":1", "\"v\":2");
                let before = ledger.records[8].digest;
                let made = &mut ledger.records[9];
                made.digest = record_digest(&made.record, Some(&before));
                made.signature = Some(ledger.plan.signer.record(&made.digest));
                Source::Export(ledger.export())
            },
            &["NOT_CANONICAL tampering"],
        ),
        Scene::new(
            "time goes back",
            Source::Export(
                made(&Plan::new("orders"), |ledger| {
                    ledger.push_event(b"{}", 900);
                    ledger.push_event(b"{}", 899);
                })
                .export(),
            ),
            &["TIME_BACKWARDS tampering"],
        ),
        Scene::new(
            "a record is edited into the future",
            bent(&orders, |made| replace(&mut made[3], "\"time\":\"2026", "\"time\":\"2153")),
            &["HASH_MISMATCH damage", "TIME_BACKWARDS damage"],
        ),
        Scene::new(
            "a record of another ledger, signed",
            Source::Export(
                made(&Plan::new("orders"), |ledger| {
                    ledger.push_event(b"{}", 900);
                    let before = ledger.records[3].digest;
                    let made = ledger.records.last_mut().unwrap();
                    replace(made, "\"ledger\":\"orders\"", "\"ledger\":\"payroll\"");
                    made.digest = record_digest(&made.record, Some(&before));
                })
                .export(),
            ),
            &["CHAIN_BROKEN tampering"],
        ),
    ]
}

fn beginnings() -> Vec<Scene> {
    let plan = Plan::new("orders");
    let with = |change: &dyn Fn(&mut indelible_core::system::Creation)| {
        let mut creation = plan.creation();
        change(&mut creation);
        Source::Export(begun_with(&plan, &creation.to_canonical()).export())
    };
    let archived = r#"{"first_seq":0,"kind":"segment_archived","last_seq":1,"manifest_sha256":"0000000000000000000000000000000000000000000000000000000000000000","segment_sha256":"0000000000000000000000000000000000000000000000000000000000000000","vault":"v"}"#;
    let mut no_creation = Ledger::new(plan.clone());
    no_creation.grow(5);
    vec![
        Scene::new(
            "record 0 is of another server",
            with(&|creation| creation.origin = "other.example/orders".parse().unwrap()),
            &["CREATION_INVALID tampering"],
        ),
        Scene::new(
            "record 0 is of another ledger",
            with(&|creation| creation.origin = Plan::new("payroll").origin),
            &["CREATION_INVALID tampering"],
        ),
        Scene::new(
            "record 0 names a stranger's key",
            with(&|creation| creation.keys.push(Signer::new(9).key_id())),
            &["KEY_UNKNOWN damage"],
        ),
        Scene::new(
            "record 0 is an event",
            Source::Export(no_creation.export()),
            &["CREATION_INVALID tampering"],
        ),
        Scene::new(
            "record 0 is of another kind",
            Source::Export(begun_with(&plan, archived.as_bytes()).export()),
            &["CREATION_INVALID tampering"],
        ),
        Scene::new(
            "record 0 is of a kind that is not known",
            Source::Export(begun_with(&plan, br#"{"kind":"later"}"#).export()),
            &["CREATION_INVALID tampering"],
        )
        .unchecked(&[UncheckedCode::KindUnknown]),
        Scene::new(
            "record 0 is a creation without members",
            Source::Export(begun_with(&plan, br#"{"kind":"ledger_created"}"#).export()),
            &["CREATION_INVALID tampering"],
        ),
    ]
}

fn system_records() -> Vec<Scene> {
    let creation = String::from_utf8(Plan::new("orders").creation().to_canonical()).unwrap();
    vec![
        Scene::new("a second creation", system(&creation), &["CREATION_INVALID tampering"]),
        Scene::new(
            "a second creation without members",
            system(r#"{"kind":"ledger_created"}"#),
            &["CREATION_INVALID tampering"],
        ),
        Scene::new(
            "a segment_archived without members",
            system(r#"{"kind":"segment_archived"}"#),
            &["NOT_CANONICAL tampering"],
        ),
        Scene::new("a kind that is not known", system(r#"{"kind":"later"}"#), &[])
            .unchecked(&[UncheckedCode::KindUnknown]),
        Scene::new(
            "a kind that is not known, and need not be",
            system(r#"{"informative":true,"kind":"later"}"#),
            &[],
        ),
        Scene::new(
            "a kind that says it the wrong way",
            system(r#"{"informative":"true","kind":"later"}"#),
            &[],
        )
        .unchecked(&[UncheckedCode::KindUnknown]),
    ]
}

fn ends() -> Vec<Scene> {
    let orders = Plan::new("orders").ledger(30);
    let whole = orders.export();
    let empty = Ledger::new(Plan::new("orders"));
    let closed = |closing: &[u8]| Source::Export(file(&orders, &orders.records, closing));
    let stranger = Plan { signer: Signer::new(9), ..Plan::new("orders") };
    let mut bad = orders.head();
    bad = bad.replacen("\n31\n", "\n30\n", 1);
    let header = String::from_utf8(whole.clone()).unwrap();
    let mut long = whole[..whole.len() - closing_line(&orders.head()).len()].to_vec();
    long.extend(std::iter::repeat_n(b'x', LINE_BYTES_MAX));
    long.push(b'\n');
    vec![
        Scene::new("no bytes", Source::Export(Vec::new()), &["NOT_CANONICAL damage"]),
        Scene::new(
            "a header of a later version",
            Source::Export(header.replacen("\"v\":1}\n", "\"v\":2}\n", 1).into_bytes()),
            &[],
        )
        .unchecked(&[UncheckedCode::VersionUnknown]),
        Scene::new(
            "a header of version 0",
            Source::Export(header.replacen("\"v\":1}\n", "\"v\":0}\n", 1).into_bytes()),
            &["NOT_CANONICAL damage"],
        ),
        Scene::new("no records", Source::Export(empty.export()), &[])
            .unchecked(&[UncheckedCode::NothingThere]),
        Scene {
            wanted: Some("payroll"),
            ..Scene::new("not asked for", closed(&closing_line(&orders.head())), &[])
        }
        .unchecked(&[UncheckedCode::NotFound]),
        Scene::new(
            "cut inside of a line",
            Source::Export(whole[..whole.len() - 900].to_vec()),
            &["TAIL_MISSING damage"],
        ),
        Scene::new("no closing line", closed(b""), &["TAIL_MISSING damage"]),
        Scene::new("a line too long", Source::Export(long), &["NOT_CANONICAL damage"]),
        Scene::new(
            "closed for fewer records",
            closed(&closing_line(&orders.checkpoint(20))),
            &["CHECKPOINT_INVALID tampering"],
        ),
        Scene::new(
            "closed for more records",
            bent(&orders, |made| made.truncate(20)),
            &["TAIL_MISSING damage"],
        ),
        Scene::new(
            "closed with another root",
            closed(&closing_line(&orders.plan.checkpoint(31, orders.root(30)))),
            &["ROOT_MISMATCH tampering"],
        ),
        Scene::new(
            "closed by a stranger",
            closed(&closing_line(&stranger.checkpoint(31, orders.root(31)))),
            &["KEY_UNKNOWN damage"],
        ),
        Scene::new(
            "closed with a signature that does not fit",
            closed(&closing_line(&bad)),
            &["CHECKPOINT_INVALID damage"],
        ),
        Scene::new(
            "closed with a blank",
            closed(
                b"{\"checkpoint\":\"\" }
",
            ),
            &["NOT_CANONICAL damage"],
        ),
        Scene::new(
            "closed otherwise",
            closed(b"{\"checkpoint\":\"\",\"x\":1}\n"),
            &["NOT_CANONICAL damage"],
        ),
        Scene::new(
            "packed and cut",
            Source::Export({
                let packed = pack(&Plan::new("orders").ledger(4000).export());
                packed[..packed.len() - 9].to_vec()
            }),
            &["TAIL_MISSING damage"],
        ),
    ]
}

/// The same ledger with another history, signed with the same key.
pub fn rewritten(plan: &Plan, at: u64, events: u64) -> Ledger {
    let mut ledger = Ledger::new(plan.clone());
    ledger.create();
    ledger.grow(at);
    ledger.plan.event_bytes += 240;
    ledger.grow(events - at);
    ledger
}

fn heads() -> Vec<Scene> {
    let plan = Plan { event_bytes: 900, ..Plan::new("orders") };
    let honest = plan.ledger(6000);
    let forged = rewritten(&plan, 3, 6000);
    let doubled = |at: usize| {
        bent(&forged, |made| {
            let copy = made[at].clone();
            made.insert(at, copy);
        })
    };
    let small = Plan::new("orders").ledger(30);
    let stranger = Plan { signer: Signer::new(9), ..Plan::new("orders") };
    let other = Plan::new("payroll").ledger(5);
    vec![
        Scene::new("a head that it contains", Source::Export(small.export()), &[])
            .head(small.checkpoint(17)),
        Scene::new(
            "history is rewritten",
            Source::Export(forged.export()),
            &["ROOT_MISMATCH tampering"],
        )
        .head(honest.checkpoint(5)),
        Scene::new(
            "damage behind hides nothing",
            doubled(6),
            &["CHAIN_BROKEN damage", "ROOT_MISMATCH tampering", "SEQ_GAP damage"],
        )
        .head(honest.checkpoint(5)),
        Scene::new(
            "damage far behind hides nothing",
            doubled(700),
            &["CHAIN_BROKEN damage", "ROOT_MISMATCH tampering", "SEQ_GAP damage"],
        )
        .head(honest.checkpoint(586)),
        Scene::new(
            "damage before is not overlooked",
            doubled(3),
            &["CHAIN_BROKEN damage", "SEQ_GAP damage"],
        )
        .head(honest.checkpoint(5))
        .unchecked(&[UncheckedCode::HeadNotCompared]),
        Scene::new(
            "an edited record before a head",
            bent(&small, |made| made[12].digest.0[3] ^= 1),
            &["HASH_MISMATCH damage", "ROOT_MISMATCH damage", "SIG_INVALID damage"],
        )
        .head(small.checkpoint(17)),
        Scene::new("older than a head", Source::Export(small.export()), &["HEAD_BEHIND behind"])
            .head(honest_longer(&small)),
        Scene::new("a stranger's head", Source::Export(small.export()), &["KEY_UNKNOWN damage"])
            .head(stranger.checkpoint(31, small.root(31))),
        Scene::new(
            "a head that is none",
            Source::Export(small.export()),
            &["CHECKPOINT_INVALID damage"],
        )
        .head("rubbish".to_owned()),
        Scene::new("another ledger's head", Source::Export(small.export()), &[])
            .head(other.head())
            .unchecked(&[UncheckedCode::HeadNotCompared]),
        Scene::new("an empty head", Source::Export(small.export()), &[])
            .head(small.plan.checkpoint(0, indelible_core::merkle::empty_root())),
        Scene::new(
            "two heads, the older one first",
            Source::Export(small.export()),
            &["HEAD_BEHIND behind"],
        )
        .head(small.checkpoint(3))
        .head(honest_longer(&small)),
        Scene::new(
            "two heads, the older one last",
            Source::Export(small.export()),
            &["HEAD_BEHIND behind"],
        )
        .head(honest_longer(&small))
        .head(small.checkpoint(3)),
    ]
}

fn honest_longer(ledger: &Ledger) -> String {
    let mut longer = ledger.clone();
    longer.grow(10);
    longer.head()
}

pub fn orders_of(folder: &Path) -> PathBuf {
    folder.join("orders")
}

/// A vault of four segments whose files are bent.
fn bent_vault(bend: impl FnOnce(&Path, &[Manifest])) -> Source {
    let folder = tempfile::tempdir().unwrap();
    let manifests = Plan::new("orders").ledger(40).vault(folder.path(), &[10, 20, 30]);
    bend(&orders_of(folder.path()), &manifests);
    Source::Vault(folder)
}

/// A vault whose second and last segment its own operator signed, whatever it holds.
fn signed_vault(bend: impl FnOnce(&mut Segment)) -> Source {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Plan::new("orders").ledger(19);
    ledger.seal(folder.path(), 10);
    let mut segment = Segment::of(&ledger);
    bend(&mut segment);
    segment.write(folder.path(), &ledger.plan);
    Source::Vault(folder)
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

pub fn vaults() -> Vec<Scene> {
    [manifests(), segments(), lies()].into_iter().flatten().collect()
}

fn manifests() -> Vec<Scene> {
    let head = || Plan::new("orders").ledger(40).head();
    vec![
        Scene::new("honest", bent_vault(|_, _| {}), &[]).head(head()),
        Scene::new(
            "a manifest and its segment are gone",
            bent_vault(|orders, manifests| {
                fs::remove_file(orders.join(manifests[1].file_name())).unwrap();
            }),
            &["SEGMENT_MISSING damage"],
        )
        // A later manifest agrees with the first head; nothing can be held against the second.
        .head(head())
        .head(Plan::new("orders").ledger(40).checkpoint(25))
        .unchecked(&[UncheckedCode::HeadNotCompared]),
        Scene::new(
            "a manifest is spoilt",
            bent_vault(|orders, manifests| {
                edit(&orders.join(manifests[1].file_name()), |bytes| bytes.truncate(100));
            }),
            &["MANIFEST_INVALID damage"],
        ),
        Scene::new(
            "a signature of a manifest does not fit",
            bent_vault(|orders, manifests| {
                edit(&orders.join(manifests[1].file_name()), |bytes| {
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    let at = text.rfind("g0").or(text.rfind('A')).unwrap();
                    bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
                    // The last line ends in a base64 of 68 bytes; 30 from its end is within the signature.
                    *bytes = text.into_bytes();
                    let at = bytes.len() - 30;
                    bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
                });
            }),
            &["MANIFEST_INVALID damage"],
        ),
        Scene::new(
            "the first manifest is of a later version",
            bent_vault(|orders, manifests| {
                edit(&orders.join(manifests[0].file_name()), |bytes| {
                    let at = "indelible segment manifest v".len();
                    bytes[at] = b'2';
                });
            }),
            &[],
        )
        .unchecked(&[UncheckedCode::VersionUnknown, UncheckedCode::RulesUnknown]),
        Scene::new(
            "a manifest's name crosses a border",
            bent_vault(|orders, _| {
                let name = "00000000000000000000-00000000000000065536.manifest";
                fs::write(orders.join(name), b"").unwrap();
            }),
            &["MANIFEST_INVALID damage"],
        ),
        Scene::new(
            "a manifest has the name of another run",
            bent_vault(|orders, manifests| {
                let name = "00000000000000000010-00000000000000000018.manifest";
                fs::rename(orders.join(manifests[1].file_name()), orders.join(name)).unwrap();
            }),
            &["MANIFEST_INVALID tampering", "SEGMENT_MISSING damage"],
        ),
        Scene::new(
            "a manifest is almost named",
            bent_vault(|orders, manifests| {
                let name = manifests[3].file_name();
                fs::rename(orders.join(&name), orders.join(format!("{name}.old"))).unwrap();
            }),
            &[],
        )
        .unchecked(&[UncheckedCode::AlmostNamed]),
        Scene::new(
            "two manifests speak of the same records",
            bent_vault(|orders, _| {
                let other = tempfile::tempdir().unwrap();
                let manifests = Plan::new("orders").ledger(40).vault(other.path(), &[10, 15]);
                for name in [manifests[1].file_name(), manifests[1].object_name()] {
                    fs::copy(orders_of(other.path()).join(&name), orders.join(&name)).unwrap();
                }
            }),
            // The shorter one comes first, so it is in place and the longer one overlaps; the gap behind it is
            // one that the longer one speaks of.
            &["MANIFEST_INVALID tampering"],
        ),
        Scene::new(
            "a stranger's manifest beside a trusted one",
            bent_vault(|orders, _| {
                let other = tempfile::tempdir().unwrap();
                let plan = Plan { signer: Signer::new(9), ..Plan::new("orders") };
                let manifests = plan.ledger(40).vault(other.path(), &[10, 15]);
                for name in [manifests[1].file_name(), manifests[1].object_name()] {
                    fs::copy(orders_of(other.path()).join(&name), orders.join(&name)).unwrap();
                }
            }),
            &["KEY_UNKNOWN damage", "MANIFEST_INVALID damage"],
        ),
        Scene::new(
            "all is a stranger's",
            {
                let folder = tempfile::tempdir().unwrap();
                let plan = Plan { signer: Signer::new(9), ..Plan::new("orders") };
                plan.ledger(40).vault(folder.path(), &[10, 20]);
                Source::Vault(folder)
            },
            &["KEY_UNKNOWN damage"],
        ),
        Scene::new("no folder of a ledger", Source::Vault(tempfile::tempdir().unwrap()), &[])
            .unchecked(&[UncheckedCode::NothingThere]),
        Scene { wanted: Some("payroll"), ..Scene::new("not there", bent_vault(|_, _| {}), &[]) }
            .unchecked(&[UncheckedCode::NotFound]),
        Scene::new(
            "a link instead of a folder",
            bent_vault(|orders, _| {
                std::os::unix::fs::symlink(orders, orders.with_file_name("payroll")).unwrap();
            }),
            &[],
        )
        .head(Plan::new("payroll").ledger(3).head())
        .unchecked(&[UncheckedCode::Link, UncheckedCode::HeadNotCompared]),
        Scene::new(
            "the last manifest is gone",
            bent_vault(|orders, manifests| {
                fs::remove_file(orders.join(manifests[3].file_name())).unwrap();
            }),
            &["HEAD_BEHIND behind"],
        )
        .head(head()),
        Scene::new(
            "the last manifest is spoilt",
            bent_vault(|orders, manifests| {
                fs::write(orders.join(manifests[3].file_name()), b"").unwrap();
            }),
            &["MANIFEST_INVALID damage"],
        )
        .head(head())
        .unchecked(&[UncheckedCode::HeadNotCompared]),
        Scene::new("history is rewritten", rewritten_vault(None), &["ROOT_MISMATCH tampering"])
            .head(Plan::new("orders").ledger(40).checkpoint(5)),
        Scene::new(
            "history is rewritten, and damage behind hides nothing",
            rewritten_vault(Some(8)),
            &[
                "CHAIN_BROKEN damage",
                "MANIFEST_INVALID damage",
                "ROOT_MISMATCH tampering",
                "SEQ_GAP damage",
            ],
        )
        .head(Plan::new("orders").ledger(40).checkpoint(5)),
    ]
}

/// A vault with another history, and perhaps a line twice.
fn rewritten_vault(twice: Option<usize>) -> Source {
    let folder = tempfile::tempdir().unwrap();
    let forged = rewritten(&Plan::new("orders"), 3, 40);
    let manifests = forged.vault(folder.path(), &[10, 20]);
    if let Some(at) = twice {
        let mut records = forged.records[..10].to_vec();
        records.insert(at, records[at].clone());
        let lines: Vec<u8> = records.iter().flat_map(Made::line).collect();
        fs::write(orders_of(folder.path()).join(manifests[0].object_name()), pack(&lines)).unwrap();
    }
    Source::Vault(folder)
}

fn segments() -> Vec<Scene> {
    let object = |at: usize, change: fn(&mut Vec<u8>)| {
        bent_vault(move |orders, manifests| edit(&orders.join(manifests[at].object_name()), change))
    };
    let repacked = |at: usize, change: fn(&mut Vec<u8>)| {
        bent_vault(move |orders, manifests| {
            edit(&orders.join(manifests[at].object_name()), |bytes| {
                let mut plain = zstd::decode_all(bytes.as_slice()).unwrap();
                change(&mut plain);
                *bytes = pack(&plain);
            });
        })
    };
    let cut: fn(&mut Vec<u8>) = |bytes| bytes.truncate(bytes.len() / 2);
    vec![
        Scene::new(
            "a segment is gone",
            bent_vault(|orders, manifests| {
                fs::remove_file(orders.join(manifests[1].object_name())).unwrap();
            }),
            &["SEGMENT_MISSING damage"],
        ),
        Scene::new(
            "the last segment is cut inside of a frame",
            object(3, cut),
            &["MANIFEST_INVALID damage", "TAIL_MISSING damage"],
        ),
        Scene::new(
            "another segment is cut inside of a frame",
            object(1, cut),
            &["MANIFEST_INVALID damage", "SEQ_GAP damage"],
        ),
        Scene::new(
            "the last segment is cut inside of a line",
            repacked(3, |plain| plain.truncate(plain.len() - 20)),
            &["MANIFEST_INVALID damage", "NOT_CANONICAL damage", "TAIL_MISSING damage"],
        ),
        Scene::new(
            "another segment ends before its last line",
            repacked(1, |plain| {
                let at = plain[..plain.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
                plain.truncate(at + 1);
            }),
            &["MANIFEST_INVALID damage", "SEQ_GAP damage"],
        ),
        Scene::new(
            "a frame that says nothing is put before",
            object(2, |bytes| {
                let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7];
                *bytes = [&skippable[..], bytes].concat();
            }),
            &["MANIFEST_INVALID damage"],
        ),
        Scene::new(
            "a record is edited",
            repacked(1, |plain| {
                let text = String::from_utf8(plain.clone()).unwrap();
                *plain = text.replacen("\"amount\":14", "\"amount\":99", 1).into_bytes();
            }),
            &["HASH_MISMATCH damage", "MANIFEST_INVALID damage"],
        ),
    ]
}

fn lies() -> Vec<Scene> {
    let line = |segment: &Segment, at: usize| {
        segment.plain.split_inclusive(|byte| *byte == b'\n').nth(at).unwrap().to_vec()
    };
    vec![
        Scene::new(
            "another number of lines, and nothing else",
            signed_vault(|segment| {
                let more = line(segment, 9);
                segment.plain.extend(more);
                segment.repack();
            }),
            &["CHAIN_BROKEN tampering", "MANIFEST_INVALID tampering", "SEQ_GAP tampering"],
        ),
        Scene::new(
            "keys",
            signed_vault(|s| s.manifest.keys = [Signer::new(9).key_id()].into()),
            &["MANIFEST_INVALID tampering"],
        ),
        Scene::new(
            "plain hash",
            signed_vault(|s| s.manifest.plain.sha256.0[0] ^= 1),
            &["MANIFEST_INVALID tampering"],
        ),
        Scene::new(
            "plain size",
            signed_vault(|s| s.manifest.plain.size += 1),
            &["MANIFEST_INVALID tampering"],
        ),
        Scene::new(
            "last digest",
            signed_vault(|s| s.manifest.last_digest.0[0] ^= 1),
            &["MANIFEST_INVALID tampering"],
        ),
        Scene::new(
            "subtrees",
            signed_vault(|s| s.manifest.subtrees[0].0[0] ^= 1),
            &["ROOT_MISMATCH tampering"],
        ),
        Scene::new(
            "digest before",
            signed_vault(|s| s.manifest.first_prev.as_mut().unwrap().0[0] ^= 1),
            &["CHAIN_BROKEN tampering", "HASH_MISMATCH tampering"],
        ),
        Scene::new(
            "manifest before",
            signed_vault(|s| s.manifest.previous = Some(Sha256Hash([1; 32]))),
            &["MANIFEST_INVALID tampering"],
        ),
        Scene::new(
            "the last line is gone",
            signed_vault(|segment| {
                let last = line(segment, 9).len();
                segment.plain.truncate(segment.plain.len() - last);
                segment.repack();
            }),
            &["MANIFEST_INVALID tampering", "TAIL_MISSING tampering"],
        ),
        Scene::new(
            "a line is none",
            signed_vault(|segment| {
                segment.plain[1] = b'!';
                segment.repack();
            }),
            &["NOT_CANONICAL tampering"],
        ),
    ]
}
