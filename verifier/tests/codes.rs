//! Every attack and accident has exactly its codes and classes, whoever looks and however the bytes come.

#[path = "support/running.rs"]
mod running;
#[path = "support/scenes.rs"]
mod scenes;
mod support;

use std::collections::BTreeSet;

use indelible_core::code::{Class, Code, UncheckedCode};
use indelible_core::key::Trust;
use indelible_core::segment::Line;
use indelible_verifier::{Chunk, Options, Report, Verdict, Verifier, render};
use running::{assert_classes, export_with, timeless, trust, vault_with};
use scenes::{Scene, Source, exports, vaults};
use support::{Made, Plan, SERVER, Segment, Signer};

fn run(scene: &Scene, jobs: usize) -> Report {
    match &scene.source {
        Source::Export(bytes) => export_with(bytes, scene.options(jobs)),
        Source::Vault(folder) => vault_with(folder.path(), scene.options(jobs)),
    }
}

fn verdict(scene: &Scene) -> Verdict {
    let has = |class: Class| scene.found.iter().any(|found| found.ends_with(class.as_str()));
    match scene.found {
        _ if has(Class::Tampering) => Verdict::Tampered,
        _ if has(Class::Damage) => Verdict::Damaged,
        _ if has(Class::Behind) => Verdict::Behind,
        _ if !scene.unchecked.is_empty() => Verdict::Unchecked,
        _ => Verdict::Good,
    }
}

#[test]
fn every_scene_has_exactly_its_codes_classes_and_verdict() {
    let mut wrong = Vec::new();
    for scene in exports().into_iter().chain(vaults()) {
        let report = run(&scene, 1);
        let found = (running::classes(&report), running::unchecked(&report), report.verdict());
        let expected: Vec<String> = scene.found.iter().map(ToString::to_string).collect();
        let expected = (expected, scene.unchecked.to_vec(), verdict(&scene));
        if found != expected {
            wrong.push(format!("{}:\n   found {found:?}\n  wanted {expected:?}", scene.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_occurs_in_a_scene() {
    let mut codes: BTreeSet<String> = BTreeSet::new();
    let mut unchecked: BTreeSet<UncheckedCode> = BTreeSet::new();
    for scene in exports().into_iter().chain(vaults()) {
        codes.extend(scene.found.iter().map(|found| found.split(' ').next().unwrap().to_owned()));
        unchecked.extend(scene.unchecked);
    }
    assert_eq!(codes, Code::ALL.iter().map(|code| code.as_str().to_owned()).collect());
    // Too many lines, ledgers, and files that the system refuses have tests of their own.
    use UncheckedCode as U;
    let elsewhere = [U::TooMuchDamage, U::Limit, U::Unreadable];
    let all = U::ALL.into_iter().filter(|code| !elsewhere.contains(code));
    assert_eq!(unchecked, all.collect());
}

#[test]
fn nothing_depends_on_the_number_of_workers() {
    for scene in exports().into_iter().chain(vaults()) {
        let with = |jobs| {
            let mut json = timeless(&run(&scene, jobs));
            json["source"] = "".into();
            // The path of the export is another one each time.
            for item in json["unchecked"].as_array_mut().unwrap() {
                if item["what"].as_str().unwrap().starts_with('/') {
                    item["what"] = "".into();
                }
            }
            json
        };
        let one = with(1);
        for jobs in [2, 7, 64] {
            assert_eq!(one, with(jobs), "{} with {jobs} workers", scene.name);
        }
    }
}

/// The records of an export that has a header and a closing line, if all lines between are lines.
fn fed(bytes: &[u8]) -> Option<(Vec<Made>, Vec<u8>)> {
    let lines: Vec<&[u8]> = bytes.strip_suffix(b"\n")?.split(|byte| *byte == b'\n').collect();
    let (closing, rest) = lines.split_last()?;
    let (header, rest) = rest.split_first()?;
    if *header != br#"{"export":{"ledger":"orders","origin":"ledger.example.com/orders"},"v":1}"# {
        return None;
    }
    let records = rest.iter().map(|line| {
        let line = Line::parse(line).ok()?;
        let signature = line.signature.map(|(kid, signature)| {
            indelible_core::key::RecordSignature { key_id: kid.parse().unwrap(), signature }
        });
        Some(Made { record: line.record.to_vec(), digest: line.digest, signature })
    });
    let text = std::str::from_utf8(closing).ok()?;
    let closing: serde_json::Value = serde_json::from_str(text).ok()?;
    if text.contains(' ') && closing["checkpoint"] == "" || closing.get("x").is_some() {
        // How the closing line is spelt is nothing that a live ledger could get wrong.
        return None;
    }
    Some((records.collect::<Option<_>>()?, closing["checkpoint"].as_str()?.as_bytes().to_vec()))
}

fn chunk(records: &[Made]) -> Chunk {
    let mut chunk = Chunk::new();
    for made in records {
        chunk.push(&made.record, made.digest, made.signature.as_ref());
    }
    chunk
}

#[test]
fn nothing_depends_on_how_a_live_ledger_is_fed_and_it_is_judged_as_an_export_is() {
    let origin = Plan::new("orders").origin;
    let mut tried = 0;
    for scene in exports() {
        let Source::Export(bytes) = &scene.source else { continue };
        let Some((records, closing)) = fed(bytes) else { continue };
        if records.is_empty() {
            continue;
        }
        tried += 1;
        let feed = |size: usize| {
            let mut verifier = Verifier::new(trust(), scene.options(2));
            let mut live = verifier.live(&origin, 0);
            records.chunks(size).for_each(|records| live.feed(chunk(records)));
            live.close(&closing);
            timeless(&verifier.finish())
        };
        let whole = feed(usize::MAX);
        let exported = timeless(&run(&scene, 1));
        for member in ["findings", "unchecked", "verdict", "ledgers"] {
            assert_eq!(whole[member], exported[member], "{}, {member}", scene.name);
        }
        for size in [1, 2, 7, 64, 1000] {
            if records.len() / size < 2000 {
                assert_eq!(whole, feed(size), "{} in pieces of {size}", scene.name);
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

/// The trust of an auditor of two servers.
fn two_servers() -> Trust {
    [Signer::new(7).vkey(SERVER), Signer::new(7).vkey("other.example")].into_iter().collect()
}

#[test]
fn a_later_manifest_of_another_origin_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Plan::new("orders").ledger(19);
    ledger.seal(folder.path(), 10);
    // The same key signs for another server, and the auditor trusts it there, too.
    ledger.plan.origin = "other.example/orders".parse().unwrap();
    Segment::of(&ledger).write(folder.path(), &ledger.plan);
    let mut verifier = Verifier::new(two_servers(), Options { jobs: 1, ..Options::default() });
    verifier.vault(folder.path());
    let report = verifier.finish();
    assert_classes(&report, &["MANIFEST_INVALID tampering"]);
    assert_eq!(report.ledgers[0].origin.as_deref(), Some("ledger.example.com/orders"));
}

#[test]
fn the_number_of_lines_is_held_against_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Plan::new("orders").ledger(20);
    ledger.seal(folder.path(), 10);
    let next = ledger.records.pop().unwrap();
    let mut segment = Segment::of(&ledger);
    // The eleventh line continues the tenth in every way. Only the count speaks against it.
    segment.plain.extend(next.line());
    segment.repack();
    segment.manifest.last_digest = next.digest;
    segment.write(folder.path(), &ledger.plan);
    let report = running::vault(folder.path());
    assert_classes(&report, &["MANIFEST_INVALID tampering"]);
    let message = &report.findings.kept()[0].message;
    assert!(message.ends_with("differ in: count"), "{message}");
}

#[test]
fn a_session_that_is_not_ended_is_never_good() {
    let ledger = Plan::new("orders").ledger(20);
    let begun = |end: &dyn Fn(indelible_verifier::Live<'_>)| {
        let mut verifier = Verifier::new(trust(), Options::default());
        let mut live = verifier.live(&ledger.plan.origin, 0);
        live.feed(chunk(&ledger.records));
        end(live);
        // Another ledger that is fed properly does not make up for it.
        let mut live = verifier.live(&ledger.plan.origin, 0);
        live.feed(chunk(&ledger.records));
        live.close(ledger.head().as_bytes());
        verifier.finish()
    };
    let good = begun(&|live| live.close(ledger.head().as_bytes()));
    assert_eq!(good.verdict(), Verdict::Good, "{}", render::text(&good, None));
    for report in [begun(&|live| drop(live)), begun(&|live| std::mem::forget(live))] {
        assert_classes(&report, &["TAIL_MISSING damage"]);
    }
}

#[test]
fn damage_under_a_strangers_manifest_makes_nothing_behind_it_tampering() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Plan::new("orders").ledger(39);
    ledger.seal(folder.path(), 10);
    let mut middle = ledger.clone();
    middle.records.truncate(10);
    let mut segment = Segment::of(&middle);
    // Another digest is stated in one line, and the leaves follow from it.
    middle.records[4].digest.0[0] ^= 1;
    segment.plain = middle.records.iter().flat_map(Made::line).collect();
    segment.repack();
    ledger.seal(folder.path(), 10);
    segment.write(folder.path(), &Plan { signer: Signer::new(9), ..Plan::new("orders") });
    ledger.seal(folder.path(), 20);
    let expected = [
        "HASH_MISMATCH damage",
        "KEY_UNKNOWN damage",
        "ROOT_MISMATCH damage",
        "SIG_INVALID damage",
    ];
    let report = running::vault(folder.path());
    assert_classes(&report, &expected);
    let roots = report.findings.kept().iter().filter(|found| found.code == Code::RootMismatch);
    assert!(roots.into_iter().any(|found| found.first_seq == Some(20)));
}
