//! Attacks on the records of a ledger, performed on real files.

#[path = "support/running.rs"]
mod running;
mod support;

use indelible_core::code::Code;
use indelible_core::system::SignPer;
use indelible_verifier::{Options, Verifier};
use running::{
    assert_codes, assert_found, assert_good, export, export_with, trust, vault, vault_with,
    with_head,
};
use support::{Ledger, Made, Plan, Signer, closing_line};

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
            let mut verifier = Verifier::new(trust(), options);
            let mut live = verifier.live(&plan.origin, records.len() as u64);
            let mut chunk = indelible_verifier::Chunk::new();
            for made in records {
                chunk.push(&made.record, made.digest, made.signature.as_ref());
                if chunk.is_full() {
                    live.feed(std::mem::take(&mut chunk));
                }
            }
            live.feed(chunk);
            live.close(note.as_bytes());
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
