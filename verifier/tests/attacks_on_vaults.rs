//! Attacks on the files of a vault, performed on real ones.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;
use std::path::Path;

use indelible_core::code::{Code, UncheckedCode};
use indelible_core::hash::Sha256Hash;
use indelible_core::key::Trust;
use indelible_core::segment::{manifest_name, object_name};
use indelible_verifier::{Options, Verdict, Verifier};
use running::{
    assert_classes, assert_codes, assert_found, assert_good, assert_unchecked, export, export_with,
    options, vault, vault_with, with_head,
};
use support::{Ledger, Plan, Segment, Signer, files};

fn plan() -> Plan {
    Plan::new("orders")
}

#[test]
fn a_tail_cut_from_a_vault_shows_against_a_saved_head_and_is_said_to_be_invisible_without() {
    let ledger = plan().ledger(40);
    let folder = tempfile::tempdir().unwrap();
    let manifests = ledger.vault(folder.path(), &[10, 20, 30]);
    for manifest in &manifests[2..] {
        fs::remove_file(folder.path().join("orders").join(manifest.file_name())).unwrap();
        fs::remove_file(folder.path().join("orders").join(manifest.object_name())).unwrap();
    }
    let report = vault(folder.path());
    assert_good(&report);
    assert!(report.tail_unknown);
    for (head, missing) in [(ledger.head(), 21), (ledger.checkpoint(25), 5)] {
        let report = vault_with(folder.path(), with_head(&head));
        assert_classes(&report, &["HEAD_BEHIND behind"]);
        assert_eq!(report.verdict(), Verdict::Behind);
        let finding = &report.findings.kept()[0];
        assert_eq!((finding.first_seq, finding.last_seq), (Some(20), Some(19 + missing)));
        assert!(finding.message.contains(&format!("{missing} records")), "{}", finding.message);
        assert_eq!(report.ledgers[0].known_to, None);
    }
    let report = vault_with(folder.path(), with_head(&ledger.checkpoint(15)));
    assert_good(&report);
    assert_eq!(report.ledgers[0].known_to, Some(15));
}

#[test]
fn a_ledger_that_is_gone_altogether_shows_against_its_head() {
    let folder = tempfile::tempdir().unwrap();
    plan().ledger(5).vault(folder.path(), &[]);
    let gone = Plan::new("payroll").ledger(5);
    let report = vault_with(folder.path(), with_head(&gone.head()));
    assert_classes(&report, &["HEAD_BEHIND behind"]);
    assert_eq!(report.verdict(), Verdict::Behind);
    // A head of an empty ledger says nothing.
    let empty = gone.plan.checkpoint(0, indelible_core::merkle::empty_root());
    assert_good(&vault_with(folder.path(), with_head(&empty)));
}

#[test]
fn a_removed_middle_segment_is_missing_by_its_range() {
    let ledger = plan().ledger(40);
    let folder = tempfile::tempdir().unwrap();
    let manifests = ledger.vault(folder.path(), &[10, 20, 30]);
    let orders = folder.path().join("orders");
    fs::remove_file(orders.join(manifests[1].object_name())).unwrap();
    let report = vault(folder.path());
    assert_codes(&report, &[Code::SegmentMissing]);
    assert_eq!(report.findings.kept()[0].file.as_deref(), Some(&*manifests[1].file_name()));
    fs::remove_file(orders.join(manifests[1].file_name())).unwrap();
    let report = vault(folder.path());
    assert_codes(&report, &[Code::SegmentMissing]);
    let finding = &report.findings.kept()[0];
    assert_eq!((finding.first_seq, finding.last_seq), (Some(10), Some(19)));
    fs::remove_file(orders.join(manifests[0].file_name())).unwrap();
    let report = vault(folder.path());
    assert_codes(&report, &[Code::SegmentMissing]);
    assert_eq!(report.findings.kept()[0].first_seq, Some(0));
}

#[test]
fn segments_that_changed_places_show() {
    let folder = tempfile::tempdir().unwrap();
    let orders = plan().ledger(20).vault(folder.path(), &[10]);
    let payroll = Plan::new("payroll").ledger(20).vault(folder.path(), &[10]);
    let a = folder.path().join("orders").join(orders[1].object_name());
    let b = folder.path().join("payroll").join(payroll[1].object_name());
    let (bytes_a, bytes_b) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
    fs::write(&a, bytes_b).unwrap();
    fs::write(&b, bytes_a).unwrap();
    let report = vault(folder.path());
    assert_found(&report, Code::ManifestInvalid);
    assert_found(&report, Code::ChainBroken);
    // Within one ledger, too.
    let a = folder.path().join("orders").join(orders[0].object_name());
    let bytes = fs::read(folder.path().join("payroll").join(payroll[0].object_name())).unwrap();
    fs::write(&a, bytes).unwrap();
    assert_found(&vault(folder.path()), Code::ManifestInvalid);
}

#[test]
fn a_second_ledger_spliced_into_the_first_shows() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    plan().ledger(19).vault(folder.path(), &[10]);
    let payroll = Plan::new("payroll").ledger(39).vault(other.path(), &[10, 20]);
    for name in [payroll[2].object_name(), payroll[2].file_name()] {
        fs::copy(
            other.path().join("payroll").join(&name),
            folder.path().join("orders").join(&name),
        )
        .unwrap();
    }
    assert_found(&vault(folder.path()), Code::ManifestInvalid);
}

#[test]
fn a_renamed_ledger_folder_shows() {
    let folder = tempfile::tempdir().unwrap();
    plan().ledger(20).vault(folder.path(), &[10]);
    fs::rename(folder.path().join("orders"), folder.path().join("payroll")).unwrap();
    let report = vault(folder.path());
    assert_classes(&report, &["MANIFEST_INVALID tampering"]);
    assert_unchecked(&report, &[UncheckedCode::NothingThere]);
    fs::rename(folder.path().join("payroll"), folder.path().join("Payroll of 2026")).unwrap();
    let report = vault(folder.path());
    assert_eq!(report.verdict(), Verdict::Unchecked);
    assert_unchecked(&report, &[UncheckedCode::AlmostNamed, UncheckedCode::NothingThere]);
}

/// The same ledger with another history, signed with the same key.
fn rewritten(at: u64, events: u64) -> Ledger {
    let mut ledger = Ledger::new(plan());
    ledger.create();
    ledger.grow(at);
    ledger.plan.event_bytes = 300;
    ledger.grow(events - at);
    ledger
}

#[test]
fn a_history_rewritten_with_the_stolen_key_shows_against_a_saved_head() {
    let honest = plan().ledger(40);
    let forged = rewritten(15, 40);
    let folder = tempfile::tempdir().unwrap();
    forged.vault(folder.path(), &[10, 20, 30]);
    assert_good(&vault(folder.path()));
    for size in [17, 20, 41] {
        let report = vault_with(folder.path(), with_head(&honest.checkpoint(size)));
        assert_codes(&report, &[Code::RootMismatch]);
        let report = export_with(&forged.export(), with_head(&honest.checkpoint(size)));
        assert_codes(&report, &[Code::RootMismatch]);
    }
    // What was saved before the change still agrees, as it should.
    assert_good(&vault_with(folder.path(), with_head(&honest.checkpoint(16))));
}

#[test]
fn a_manifest_replaced_with_the_stolen_key_breaks_the_chain_of_manifests() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let honest = plan().ledger(40).vault(folder.path(), &[10, 20, 30]);
    let forged = rewritten(15, 40).vault(other.path(), &[10, 20, 30]);
    let orders = folder.path().join("orders");
    fs::remove_file(orders.join(honest[1].object_name())).unwrap();
    for name in [forged[1].object_name(), forged[1].file_name()] {
        fs::copy(other.path().join("orders").join(&name), orders.join(&name)).unwrap();
    }
    let report = vault(folder.path());
    assert_codes(&report, &[Code::ManifestInvalid, Code::ChainBroken, Code::RootMismatch]);
}

#[test]
fn manifests_signed_by_a_stranger_are_of_an_unknown_key() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = Plan { signer: Signer::new(9), ..plan() };
    stranger.ledger(40).vault(folder.path(), &[10, 20, 30]);
    let report = vault(folder.path());
    assert_codes(&report, &[Code::KeyUnknown]);
    // One line for manifests, checkpoints, records and the creation each, not one for each record.
    assert!(report.findings.kept().len() <= 4, "{:?}", report.findings.kept());
    assert_eq!(report.findings.counts()[&Code::KeyUnknown], 4 + 4 + 41 + 1);
}

#[test]
fn a_key_counts_only_for_the_name_it_was_given_under() {
    let folder = tempfile::tempdir().unwrap();
    plan().ledger(10).vault(folder.path(), &[]);
    for (name, good) in [
        ("ledger.example.com", true),
        ("ledger.example.com/orders", true),
        ("ledger.example.com/payroll", false),
        ("other.example.com", false),
    ] {
        let trust: Trust = [Signer::new(7).vkey(name)].into_iter().collect();
        let mut verifier = Verifier::new(trust, options());
        verifier.vault(folder.path());
        let report = verifier.finish();
        if good { assert_good(&report) } else { assert_codes(&report, &[Code::KeyUnknown]) }
    }
}

#[test]
fn a_vault_may_end_inside_a_commit_only_on_a_segment_border() {
    let ledger = plan().per_commit(100).ledger(70_000);
    let border = indelible_core::limits::SEGMENT_RECORDS_MAX;
    assert!(ledger.records[border as usize - 1].signature.is_none());
    let folder = tempfile::tempdir().unwrap();
    ledger.clone().seal(folder.path(), border as usize);
    assert_good(&vault_with(folder.path(), with_head(&ledger.checkpoint(50_000))));
    let folder = tempfile::tempdir().unwrap();
    ledger.vault(folder.path(), &[border]);
    assert_good(&vault_with(folder.path(), with_head(&ledger.head())));
    let folder = tempfile::tempdir().unwrap();
    ledger.clone().seal(folder.path(), 50);
    assert_codes(&vault(folder.path()), &[Code::Unsigned]);
}

#[test]
fn only_the_ledgers_asked_for_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    let orders = plan().ledger(9).vault(folder.path(), &[]);
    let payroll = Plan::new("payroll").ledger(9);
    payroll.vault(folder.path(), &[5]);
    fs::remove_file(folder.path().join("orders").join(orders[0].object_name())).unwrap();
    let asked = |name: &str| {
        let ledgers = vec![name.parse().unwrap()];
        vault_with(folder.path(), Options { ledgers, ..with_head(&payroll.head()) })
    };
    assert_good(&asked("payroll"));
    assert_codes(&asked("orders"), &[Code::SegmentMissing]);
    assert_eq!(vault(folder.path()).ledgers.len(), 2);
}

#[test]
fn two_manifests_for_the_same_records_show() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    plan().ledger(39).vault(folder.path(), &[10, 20]);
    let overlapping = plan().ledger(39).vault(other.path(), &[10, 15]);
    for name in [overlapping[1].object_name(), overlapping[1].file_name()] {
        fs::copy(other.path().join("orders").join(&name), folder.path().join("orders").join(&name))
            .unwrap();
    }
    assert_found(&vault(folder.path()), Code::ManifestInvalid);
}

/// Lets `bend` change the second of two segments, signs its manifest with the real key, and writes it.
fn bent_segment(folder: &Path, bend: impl FnOnce(&mut Segment)) {
    let mut ledger = plan().ledger(19);
    ledger.seal(folder, 10);
    let mut segment = Segment::of(&ledger);
    bend(&mut segment);
    segment.write(folder, &ledger.plan);
}

#[test]
fn an_edited_record_is_named_however_much_larger_its_segment_became() {
    for bytes in [1usize, 100, 20_000, 900_000] {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = plan().ledger(19);
        let mut records = ledger.records.clone();
        ledger.seal(folder.path(), 10);
        let manifest = ledger.seal(folder.path(), 10);
        // Text that does not pack well.
        let noise: String = (0..bytes as u64)
            .map(|n| char::from(b'a' + (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8 % 26))
            .collect();
        let record = String::from_utf8(records[14].record.clone()).unwrap();
        let edited = record.replacen("\"pay\"", &format!("\"{noise}\""), 1);
        assert_ne!(record, edited);
        records[14].record = edited.into_bytes();
        let lines: Vec<u8> = records[10..20].iter().flat_map(|made| made.line()).collect();
        let object = folder.path().join("orders").join(manifest.object_name());
        fs::write(object, support::pack(&lines)).unwrap();
        let report = vault(folder.path());
        assert_codes(&report, &[Code::ManifestInvalid, Code::HashMismatch]);
        let named = report.findings.kept().iter().find(|found| found.code == Code::HashMismatch);
        assert_eq!(named.unwrap().first_seq, Some(14));
    }
}

/// What is bent, how, and the codes that must be among what is found.
type Lie = (&'static str, fn(&mut Segment), &'static [Code]);

#[test]
fn lies_in_a_manifest_signed_with_the_real_key_show() {
    let lies: [Lie; 7] = [
        ("nothing", |_| {}, &[]),
        ("keys", |s| s.manifest.keys = [Signer::new(9).key_id()].into(), &[Code::ManifestInvalid]),
        ("last digest", |s| s.manifest.last_digest.0[0] ^= 1, &[Code::ManifestInvalid]),
        ("subtrees", |s| s.manifest.subtrees[0].0[0] ^= 1, &[Code::RootMismatch]),
        (
            "first prev",
            |s| s.manifest.first_prev.as_mut().unwrap().0[0] ^= 1,
            &[Code::HashMismatch, Code::ChainBroken],
        ),
        ("previous", |s| s.manifest.previous = Some(Sha256Hash([1; 32])), &[Code::ManifestInvalid]),
        ("plain hash", |s| s.manifest.plain.sha256.0[0] ^= 1, &[Code::ManifestInvalid]),
    ];
    for (name, bend, expected) in lies {
        let folder = tempfile::tempdir().unwrap();
        bent_segment(folder.path(), bend);
        let report = vault(folder.path());
        eprintln!("{name}");
        if expected.is_empty() {
            assert_good(&report)
        } else {
            assert_found(&report, expected[0])
        }
        for code in expected {
            assert_found(&report, *code);
        }
    }
}

#[test]
fn the_end_of_a_segment_that_is_gone_shows() {
    let folder = tempfile::tempdir().unwrap();
    bent_segment(folder.path(), |segment| {
        let mut lines: Vec<_> = segment.plain.split_inclusive(|b| *b == b'\n').collect();
        lines.pop();
        segment.plain = lines.concat();
        segment.repack();
    });
    assert_found(&vault(folder.path()), Code::TailMissing);
    let folder = tempfile::tempdir().unwrap();
    bent_segment(folder.path(), |segment| {
        segment.plain.pop();
        segment.repack();
    });
    assert_found(&vault(folder.path()), Code::NotCanonical);
    let folder = tempfile::tempdir().unwrap();
    bent_segment(folder.path(), |segment| {
        segment.packed.truncate(segment.packed.len() - 3);
        segment.state_contents();
    });
    assert_found(&vault(folder.path()), Code::ManifestInvalid);
}

#[test]
fn what_means_nothing_is_not_held_against_a_vault() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = plan().ledger(19);
    ledger.vault(folder.path(), &[10]);
    let orders = folder.path().join("orders");
    let leftover = object_name(support::seq(20), support::seq(29), &Sha256Hash([4; 32]));
    fs::write(orders.join(leftover), b"half").unwrap();
    fs::write(orders.join(".tmp-12345"), b"half").unwrap();
    fs::write(orders.join("README"), b"hello").unwrap();
    fs::write(folder.path().join("README"), b"hello").unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    let report = vault(folder.path());
    assert_good(&report);
    assert!(report.notes.total() >= 4, "{:?}", report.notes);
}

#[test]
fn a_file_that_is_almost_evidence_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    plan().ledger(19).vault(folder.path(), &[10]);
    let name = manifest_name(support::seq(10), support::seq(19));
    let orders = folder.path().join("orders");
    fs::rename(orders.join(&name), orders.join(format!("{name}.old"))).unwrap();
    assert_eq!(vault(folder.path()).verdict(), Verdict::Unchecked);
}

#[test]
fn what_is_not_there_is_never_good() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(vault(folder.path()).verdict(), Verdict::Unchecked);
    assert_eq!(vault(&folder.path().join("none")).verdict(), Verdict::Unchecked);
    fs::create_dir(folder.path().join("orders")).unwrap();
    assert_eq!(vault(folder.path()).verdict(), Verdict::Unchecked);
    let folder = tempfile::tempdir().unwrap();
    plan().ledger(5).vault(folder.path(), &[]);
    let ledgers = vec!["payroll".parse().unwrap()];
    let report = vault_with(folder.path(), Options { ledgers, ..options() });
    assert_eq!(report.verdict(), Verdict::Unchecked);
    assert_found(&export(b""), Code::NotCanonical);
    assert!(!files(folder.path()).is_empty());
}
