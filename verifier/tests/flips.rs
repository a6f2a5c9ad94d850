//! Every byte of a small vault matters.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;

use indelible_core::code::Code;
use indelible_verifier::{HeadFile, Options, Verdict};
use proptest::prelude::*;
use running::{assert_good, codes, export, options, timeless, vault, vault_with};
use support::{Plan, files};

/// What a changed byte becomes: a neighbour of its value, another case, not ASCII, a line feed.
fn others(byte: u8) -> impl Iterator<Item = u8> {
    let mut values = vec![byte ^ 1, byte ^ 0x20, byte ^ 0x80, b'\n'];
    values.sort_unstable();
    values.dedup();
    values.into_iter().filter(move |value| *value != byte)
}

/// Codes that a single changed byte of a vault may lead to. Others would name a cause that is not there.
const OF_A_VAULT: [Code; 3] = [Code::ManifestInvalid, Code::KeyUnknown, Code::SegmentMissing];

/// Whether a byte is the number of the version in the title of a manifest.
fn is_version(file: &[u8], at: usize) -> bool {
    let title = indelible_core::manifest::TITLE.as_bytes();
    file.starts_with(title) && at + 1 == title.len()
}

#[test]
fn every_changed_byte_of_a_small_vault_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Plan::new("a").per_commit(2).ledger(7);
    ledger.vault(folder.path(), &[4]);
    assert_good(&vault(folder.path()));
    let allowed: Vec<&str> = OF_A_VAULT.iter().map(|code| code.as_str()).collect();
    let mut changes = 0;
    for path in files(folder.path()) {
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            for value in others(good[at]) {
                let mut bad = good.clone();
                bad[at] = value;
                fs::write(&path, bad).unwrap();
                let report = vault(folder.path());
                let where_ = format!("{}, byte {at} = {value:#04x}", path.display());
                changes += 1;
                if is_version(&good, at) && value.is_ascii_digit() {
                    // Not signed by anybody who is known: a newer program may know more.
                    assert_eq!(report.verdict(), Verdict::Unchecked, "{where_}");
                    continue;
                }
                assert_eq!(report.verdict().exit_code(), 1, "{where_}");
                assert!(
                    codes(&report).iter().any(|code| allowed.contains(code)),
                    "{where_}: {:?}",
                    codes(&report)
                );
            }
        }
        fs::write(&path, good).unwrap();
    }
    assert!(changes > 10_000, "{changes}");
    assert_good(&vault(folder.path()));
}

#[test]
fn every_changed_byte_of_a_small_export_is_found() {
    for plan in [Plan::new("a"), Plan::new("a").per_commit(3)] {
        let good = plan.ledger(5).export();
        assert_good(&export(&good));
        for at in 0..good.len() {
            for value in others(good[at]) {
                let mut bad = good.clone();
                bad[at] = value;
                let report = export(&bad);
                assert_eq!(report.verdict().exit_code(), 1, "byte {at} = {value:#04x}");
            }
        }
    }
}

#[test]
fn every_shortened_and_lengthened_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Plan::new("a").ledger(7);
    ledger.vault(folder.path(), &[4]);
    for path in files(folder.path()) {
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert_eq!(
                vault(folder.path()).verdict().exit_code(),
                1,
                "{}, {length}",
                path.display()
            );
        }
        for extra in [&b"\n"[..], b"x", b"\0", &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], &good] {
            fs::write(&path, [&good, extra].concat()).unwrap();
            assert_eq!(
                vault(folder.path()).verdict().exit_code(),
                1,
                "{} + {extra:?}",
                path.display()
            );
        }
        fs::write(&path, good).unwrap();
    }
    let good = ledger.export();
    for length in 0..good.len() {
        assert_eq!(export(&good[..length]).verdict().exit_code(), 1, "{length}");
    }
    for extra in [&b"\n"[..], b"x", &good, b"{\"checkpoint\":\"\"}\n"] {
        assert_eq!(export(&[&good, extra].concat()).verdict().exit_code(), 1);
    }
    let packed = support::pack(&good);
    for length in 0..packed.len() {
        assert_ne!(export(&packed[..length]).verdict(), Verdict::Good, "{length}");
    }
}

#[derive(Debug, Clone)]
enum Corruption {
    Flip(usize, usize, u8),
    Remove(usize),
    Truncate(usize, usize),
    Swap(usize, usize),
    Append(usize, Vec<u8>),
}

fn corruption() -> impl Strategy<Value = Corruption> {
    prop_oneof![
        4 => (any::<usize>(), any::<usize>(), 1..=255u8).prop_map(|(f, at, bits)| Corruption::Flip(f, at, bits)),
        1 => any::<usize>().prop_map(Corruption::Remove),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(f, at)| Corruption::Truncate(f, at)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(f, g)| Corruption::Swap(f, g)),
        1 => (any::<usize>(), proptest::collection::vec(any::<u8>(), 1..40)).prop_map(|(f, more)| Corruption::Append(f, more)),
    ]
}

fn corrupt(folder: &std::path::Path, corruption: &Corruption) {
    let files = files(folder);
    let path = |n: usize| files.get(n % files.len().max(1)).cloned();
    let change = |n: usize, act: &dyn Fn(&mut Vec<u8>)| {
        let Some(path) = path(n) else { return };
        let mut bytes = fs::read(&path).unwrap();
        act(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    match corruption {
        Corruption::Flip(n, at, bits) => change(*n, &|bytes| {
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at % length) {
                *byte ^= bits;
            }
        }),
        Corruption::Remove(n) => {
            if let Some(path) = path(*n) {
                fs::remove_file(path).unwrap();
            }
        }
        Corruption::Truncate(n, at) => change(*n, &|bytes| bytes.truncate(at % bytes.len().max(1))),
        Corruption::Swap(n, m) => {
            if let (Some(a), Some(b)) = (path(*n), path(*m)) {
                let (one, two) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
                fs::write(a, two).unwrap();
                fs::write(b, one).unwrap();
            }
        }
        Corruption::Append(n, more) => change(*n, &|bytes| bytes.extend_from_slice(more)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn one_worker_and_many_say_the_same(
        corruptions in proptest::collection::vec(corruption(), 0..4),
        findings_max in 1..30usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let a = Plan::new("a").ledger(60);
        a.vault(folder.path(), &[5, 9, 20, 33, 34, 50]);
        Plan::new("b").per_commit(3).ledger(30).vault(folder.path(), &[12, 25]);
        for corruption in &corruptions {
            corrupt(folder.path(), corruption);
        }
        let heads = vec![HeadFile::new("saved", a.checkpoint(40))];
        let with = |jobs| vault_with(folder.path(), Options { jobs, findings_max, heads: heads.clone(), ..options() });
        let one = with(1);
        for jobs in [2, 3, 8] {
            prop_assert_eq!(timeless(&one), timeless(&with(jobs)));
        }
        prop_assert!(one.findings.kept().len() <= findings_max);
        if corruptions.is_empty() {
            prop_assert_eq!(one.verdict(), Verdict::Good);
        }
    }

    #[test]
    fn an_export_is_judged_the_same_by_one_worker_and_many(
        places in proptest::collection::vec((any::<usize>(), 1..=255u8), 0..4),
    ) {
        let mut bytes = Plan { event_bytes: 6000, ..Plan::new("a") }.ledger(450).export();
        for (at, bits) in &places {
            let length = bytes.len();
            bytes[at % length] ^= bits;
        }
        let with = |jobs| {
            let mut json = timeless(&running::export_with(&bytes, Options { jobs, ..options() }));
            json["source"] = "".into();
            json
        };
        prop_assert_eq!(with(1), with(4));
    }
}
