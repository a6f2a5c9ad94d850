//! Every attack that the design promises to show, performed on real files.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;
use std::path::Path;

use indelible_core::code::Code;
use indelible_core::hash::Sha256Hash;
use indelible_core::key::Trust;
use indelible_core::segment::{manifest_name, object_name};
use indelible_core::system::SignPer;
use indelible_verifier::{Options, Verdict, Verifier};
use running::{
    assert_codes, assert_found, assert_good, export, export_with, options, trust, vault,
    vault_with, with_head,
};
use support::{Ledger, Made, Plan, Segment, Signer, closing_line, files};

fn plan() -> Plan {
    Plan::new("orders")
}

/// An export of records that were bent, under the closing line of the honest ledger.
fn export_of(honest: &Ledger, records: &[Made]) -> Vec<u8> {
    let whole = honest.export();
    let header = whole.split_inclusive(|byte| *byte == b'\n').next().unwrap();
    let mut bytes = header.to_vec();
    records.iter().for_each(|made| bytes.extend(made.line()));
    bytes.extend(closing_line(&honest.head()));
    bytes
}

fn replace(made: &mut Made, from: &str, to: &str) {
    let text = String::from_utf8(made.record.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    made.record = text.replacen(from, to, 1).into_bytes();
}

#[test]
fn an_honest_vault_and_export_are_good_in_both_modes() {
    for plan in [plan(), plan().per_commit(5)] {
        let ledger = plan.ledger(40);
        let folder = tempfile::tempdir().unwrap();
        ledger.vault(folder.path(), &[7, 20, 31]);
        let report = vault_with(folder.path(), with_head(&ledger.head()));
        assert_good(&report);
        assert_eq!((report.records(), report.ledgers[0].segments), (41, 4));
        assert!(!report.tail_unknown);
        assert_good(&export_with(&ledger.export(), with_head(&ledger.checkpoint(17))));
        let packed = support::pack(&ledger.export());
        let report = export(&packed);
        assert_good(&report);
        assert!(report.tail_unknown);
        assert_eq!(report.ledgers[0].root, Some(ledger.root(41).to_base64()));
    }
}

#[test]
fn an_edited_record_is_one_finding() {
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    replace(&mut records[12], "\"amount\":12", "\"amount\":99");
    let report = export(&export_of(&ledger, &records));
    assert_codes(&report, &[Code::HashMismatch]);
    assert_eq!(report.findings.total(), 1);
    assert_eq!(report.findings.kept()[0].first_seq, Some(12));
}

#[test]
fn an_edited_record_with_a_recomputed_digest_breaks_signature_chain_and_root() {
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    replace(&mut records[12], "\"amount\":12", "\"amount\":99");
    records[12].digest =
        indelible_core::chain::record_digest(&records[12].record, Some(&records[11].digest));
    let report = export(&export_of(&ledger, &records));
    assert_codes(&report, &[Code::SigInvalid, Code::ChainBroken, Code::RootMismatch]);
    assert_eq!(report.findings.total(), 3);
}

#[test]
fn an_edited_digest_is_named_where_it_stands() {
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    records[12].digest.0[3] ^= 1;
    let report = export(&export_of(&ledger, &records));
    assert_codes(&report, &[Code::HashMismatch, Code::SigInvalid, Code::RootMismatch]);
    let about_records = report.findings.kept().iter().filter(|f| f.code != Code::RootMismatch);
    assert!(about_records.into_iter().all(|f| f.first_seq == Some(12)));
}

#[test]
fn an_edited_event_inside_a_commit_without_own_signatures_shows() {
    let ledger = plan().per_commit(8).ledger(30);
    let mut records = ledger.records.clone();
    replace(&mut records[11], "\"amount\":11", "\"amount\":99");
    assert_codes(&export(&export_of(&ledger, &records)), &[Code::HashMismatch]);
    records[11].digest =
        indelible_core::chain::record_digest(&records[11].record, Some(&records[10].digest));
    let report = export(&export_of(&ledger, &records));
    assert_codes(&report, &[Code::HashMismatch, Code::RootMismatch]);
}

#[test]
fn an_inserted_record_shows() {
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    let copy = records[12].clone();
    records.insert(13, copy);
    let report = export(&export_of(&ledger, &records));
    assert_codes(&report, &[Code::SeqGap, Code::ChainBroken]);
    // One that was made up, with a digest that fits and a signature from elsewhere.
    replace(&mut records[13], "\"amount\":12", "\"amount\":99");
    replace(&mut records[13], "\"seq\":12", "\"seq\":13");
    records[13].digest =
        indelible_core::chain::record_digest(&records[13].record, Some(&records[12].digest));
    let report = export(&export_of(&ledger, &records));
    assert_codes(&report, &[Code::SeqGap, Code::ChainBroken, Code::SigInvalid]);
}

#[test]
fn a_dropped_record_shows_as_a_gap() {
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    records.remove(12);
    let report = export(&export_of(&ledger, &records));
    assert_codes(&report, &[Code::SeqGap, Code::ChainBroken]);
    let gap = report.findings.kept().iter().find(|f| f.code == Code::SeqGap).unwrap();
    assert_eq!((gap.first_seq, gap.last_seq), (Some(12), Some(12)));
}

#[test]
fn a_dropped_record_with_all_later_numbers_changed_shows() {
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    records.remove(12);
    for (at, made) in records.iter_mut().enumerate().skip(12) {
        replace(made, &format!("\"seq\":{}", at + 1), &format!("\"seq\":{at}"));
    }
    let report = export(&export_of(&ledger, &records));
    assert_found(&report, Code::HashMismatch);
    assert_found(&report, Code::TailMissing);
}

#[test]
fn reordered_records_show() {
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    records.swap(12, 13);
    assert_codes(
        &export(&export_of(&ledger, &records)),
        &[Code::SeqGap, Code::ChainBroken, Code::TimeBackwards],
    );
}

#[test]
fn a_missing_last_record_under_the_same_checkpoint_is_a_missing_tail() {
    let ledger = plan().ledger(30);
    let report = export(&export_of(&ledger, &ledger.records[..28]));
    assert_codes(&report, &[Code::TailMissing]);
}

#[test]
fn an_older_export_is_behind_the_saved_head() {
    let old = plan().ledger(20);
    let mut new = old.clone();
    new.grow(10);
    assert_good(&export(&old.export()));
    assert_codes(&export_with(&old.export(), with_head(&new.head())), &[Code::HeadBehind]);
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
    assert!(report.notes.kept().iter().any(|note| note.contains("cut from the end")));
    assert_codes(&vault_with(folder.path(), with_head(&ledger.head())), &[Code::TailMissing]);
    assert_codes(
        &vault_with(folder.path(), with_head(&ledger.checkpoint(25))),
        &[Code::TailMissing],
    );
    assert_good(&vault_with(folder.path(), with_head(&ledger.checkpoint(15))));
}

#[test]
fn a_ledger_that_is_gone_altogether_shows_against_its_head() {
    let folder = tempfile::tempdir().unwrap();
    plan().ledger(5).vault(folder.path(), &[]);
    let gone = Plan::new("payroll").ledger(5);
    assert_codes(&vault_with(folder.path(), with_head(&gone.head())), &[Code::TailMissing]);
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
    assert_codes(&report, &[Code::ManifestInvalid, Code::CreationInvalid]);
    fs::rename(folder.path().join("payroll"), folder.path().join("Payroll of 2026")).unwrap();
    assert_eq!(vault(folder.path()).verdict(), Verdict::Unchecked);
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
        let mut verifier = Verifier::new(trust, options()).unwrap();
        verifier.vault(folder.path());
        let report = verifier.finish();
        if good { assert_good(&report) } else { assert_codes(&report, &[Code::KeyUnknown]) }
    }
}

#[test]
fn a_creation_that_names_a_stranger_as_key_shows() {
    let mut ledger = Ledger::new(plan());
    let mut creation = ledger.plan.creation();
    creation.keys.push(Signer::new(9).key_id());
    ledger.push_system(&creation.to_canonical(), 0);
    ledger.records[0].signature = Some(ledger.plan.signer.record(&ledger.records[0].digest));
    ledger.grow(3);
    assert_codes(&export(&ledger.export()), &[Code::KeyUnknown]);
}

#[test]
fn signatures_stripped_from_records_show_in_both_modes() {
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    records[5].signature = None;
    records[6].signature = None;
    let report = export(&export_of(&ledger, &records));
    assert_codes(&report, &[Code::Unsigned]);
    let finding = &report.findings.kept()[0];
    assert_eq!((finding.first_seq, finding.last_seq), (Some(5), Some(6)));

    let mut plan = plan().per_commit(4);
    plan.max_unsigned = 3;
    let ledger = plan.ledger(30);
    assert_good(&export(&ledger.export()));
    let mut records = ledger.records.clone();
    records[12].signature = None;
    assert_codes(&export(&export_of(&ledger, &records)), &[Code::Unsigned]);
    let mut records = ledger.records.clone();
    records[30].signature = None;
    assert_codes(&export(&export_of(&ledger, &records)), &[Code::Unsigned]);
}

#[test]
fn a_ledger_whose_rules_were_loosened_shows() {
    // Record 0 says `record`; somebody with the files alone says `commit` and strips signatures.
    let ledger = plan().ledger(30);
    let mut records = ledger.records.clone();
    replace(&mut records[0], "\"sign_per\":\"record\"", "\"sign_per\":\"commit\"");
    records[5].signature = None;
    let report = export(&export_of(&ledger, &records));
    assert_found(&report, Code::HashMismatch);
}

#[test]
fn a_run_without_signatures_is_seen_across_segments_and_chunks() {
    let mut plan = plan().per_commit(16);
    plan.max_unsigned = 15;
    let ledger = plan.ledger(60);
    let folder = tempfile::tempdir().unwrap();
    ledger.vault(folder.path(), &[24, 40]);
    assert_good(&vault(folder.path()));
    let mut strict = plan.clone();
    strict.max_unsigned = 14;
    let folder = tempfile::tempdir().unwrap();
    strict.ledger(60).vault(folder.path(), &[24, 40]);
    assert_codes(&vault(folder.path()), &[Code::Unsigned]);
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
fn a_ledger_that_does_not_begin_with_its_creation_shows() {
    let mut ledger = Ledger::new(plan());
    ledger.grow(5);
    assert_codes(&export(&ledger.export()), &[Code::CreationInvalid]);
    let mut ledger = Ledger::new(plan());
    ledger.plan.origin = Plan::new("payroll").origin;
    let creation = plan().creation().to_canonical();
    ledger.push_system(&creation, 0);
    ledger.records[0].signature = Some(ledger.plan.signer.record(&ledger.records[0].digest));
    assert_codes(&export(&ledger.export()), &[Code::CreationInvalid]);
    let mut twice = plan().ledger(3);
    twice.push_system(&creation, 5000);
    twice.records[4].signature = Some(twice.plan.signer.record(&twice.records[4].digest));
    assert_codes(&export(&twice.export()), &[Code::CreationInvalid]);
}

#[test]
fn time_that_goes_backwards_is_named_once() {
    let mut ledger = plan().ledger(10);
    ledger.push_event(b"{}", 1_000_000);
    ledger.push_event(b"{}", 999_999);
    ledger.push_event(b"{}", 999_999);
    for at in 11..14 {
        ledger.records[at].signature = Some(ledger.plan.signer.record(&ledger.records[at].digest));
    }
    let report = export(&ledger.export());
    assert_codes(&report, &[Code::TimeBackwards]);
    assert_eq!(report.findings.kept()[0].first_seq, Some(12));
    let folder = tempfile::tempdir().unwrap();
    ledger.vault(folder.path(), &[12]);
    assert_codes(&vault(folder.path()), &[Code::TimeBackwards]);
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

#[test]
fn a_head_that_no_trusted_key_signed_is_a_finding() {
    let ledger = plan().ledger(5);
    let strange = Plan { signer: Signer::new(9), ..plan() }.checkpoint(6, ledger.root(6));
    assert_codes(&export_with(&ledger.export(), with_head(&strange)), &[Code::KeyUnknown]);
    let mut bent = ledger.head().into_bytes();
    bent[30] ^= 1;
    let bent = String::from_utf8(bent).unwrap();
    assert_codes(&export_with(&ledger.export(), with_head(&bent)), &[Code::CheckpointInvalid]);
}

#[test]
fn a_live_ledger_is_fed_in_chunks() {
    for sign_per in [SignPer::Record, SignPer::Commit] {
        let plan = Plan { sign_per, commit: 50, event_bytes: 600, ..plan() };
        let ledger = plan.ledger(9000);
        let feed = |records: &[Made], options: Options, note: &str| {
            let mut verifier = Verifier::new(trust(), options).unwrap();
            verifier.begin(&plan.origin, records.len() as u64);
            let mut chunk = indelible_verifier::Chunk::new();
            for made in records {
                chunk.push(&made.record, made.digest, made.signature.as_ref());
                if chunk.is_full() {
                    verifier.feed(std::mem::take(&mut chunk));
                }
            }
            verifier.feed(chunk);
            verifier.end(note.as_bytes());
            verifier.finish()
        };
        let three = Options { jobs: 3, ..with_head(&ledger.checkpoint(4321)) };
        assert_good(&feed(&ledger.records, three.clone(), &ledger.head()));
        let mut bent = ledger.records.clone();
        let end = bent[5000].record.len() - 2;
        bent[5000].record[end] = b'2';
        assert_found(&feed(&bent, three.clone(), &ledger.head()), Code::NotCanonical);
        let behind = feed(
            &ledger.records[..4001],
            with_head(&ledger.checkpoint(4321)),
            &ledger.checkpoint(4001),
        );
        assert_codes(&behind, &[Code::HeadBehind]);
        let mut gap = ledger.records.clone();
        gap.drain(100..200);
        assert_found(&feed(&gap, three, &ledger.head()), Code::SeqGap);
    }
}
