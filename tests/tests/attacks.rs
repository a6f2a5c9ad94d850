//! Every attack that docs/GUARANTEES.md names, performed on real files: a real server wrote them, its
//! archiver shipped them, and the auditor's program must find what was done, with the right code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use indelible_core::name::Origin;
use indelible_tests::client::Event;
use indelible_tests::forge::{Export, Forger, Part, copy_folder, rechain, renumber, vault};
use indelible_tests::programs::{Ran, indelible_verify, run};
use indelible_tests::server::Setup;
use tempfile::TempDir;

/// Signed per record, and signed per commit.
const LEDGERS: [(&str, &str); 2] = [("orders", "record"), ("metrics", "commit")];
/// Segments of each ledger.
const SEGMENTS: u64 = 3;
/// Events of each segment, sent four at once.
const EVENTS: u64 = 16;

/// What an operator and an auditor have before anyone attacks.
struct Evidence {
    folder: TempDir,
    vkey: String,
}

impl Evidence {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn evidence() -> &'static Evidence {
    static EVIDENCE: OnceLock<Evidence> = OnceLock::new();
    EVIDENCE.get_or_init(collect)
}

fn events(segment: u64, request: u64) -> Vec<Event> {
    let event = |n: u64| {
        let n = segment * EVENTS + request * 4 + n;
        Event::new(format!("e{n}"), format!("{{\"amount\":{n},\"note\":\"payment number {n}\"}}"))
    };
    (0..4).map(event).collect()
}

/// Appends and archives in turns, keeps a checkpoint of each turn, and exports everything.
fn collect() -> Evidence {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = Setup::new(&path("data")).start().expect("the server starts");
    let mut client = server.client();
    for (ledger, sign_per) in LEDGERS {
        client.create(ledger, sign_per);
        for segment in 0..SEGMENTS {
            for request in 0..EVENTS / 4 {
                client.append(ledger, &events(segment, request));
            }
            let to = path("vault");
            server.cli(&["archive", ledger, "--to", to.to_str().unwrap()]).expect(0);
            fs::write(path(&format!("{ledger}.head{segment}")), client.checkpoint(ledger)).unwrap();
            if segment == 0 {
                copy_folder(&path("vault").join(ledger), &path("old-vault").join(ledger));
            }
        }
        let file = path(&format!("{ledger}.jsonl"));
        server.cli(&["export", ledger, "--out", file.to_str().unwrap()]).expect(0);
        let receipt = client.get(&format!("/v1/ledgers/{ledger}/events/7/receipt"));
        fs::write(path(&format!("{ledger}.receipt")), receipt.body).unwrap();
    }
    let vkey = server.vkey();
    server.stop();
    Evidence { folder, vkey }
}

/// The auditor's answer: exit code, verdict, and the codes of all findings.
#[derive(Debug)]
struct Audit {
    code: i32,
    codes: BTreeSet<String>,
    tail_unknown: bool,
    ran: Ran,
}

impl Audit {
    /// Tampering was found, with each of these codes among the findings.
    #[track_caller]
    fn finds(&self, codes: &[&str]) {
        assert_eq!(self.code, 1, "{:?}", self.ran);
        for code in codes {
            assert!(self.codes.contains(*code), "{code} is missing: {:#?}", self.ran);
        }
    }

    /// What is there is good, and ends before the head that was given.
    #[track_caller]
    fn is_behind(&self) {
        let codes: Vec<_> = self.codes.iter().map(|code| &**code).collect();
        assert_eq!((self.code, codes), (2, vec!["HEAD_BEHIND"]), "{:#?}", self.ran);
    }

    #[track_caller]
    fn is_good(&self) {
        assert_eq!((self.code, self.codes.len()), (0, 0), "{:#?}", self.ran);
    }
}

fn audit(what: &str, target: &Path, more: &[&str]) -> Audit {
    audit_with(what, target, &evidence().vkey, more)
}

fn audit_with(what: &str, target: &Path, key: &str, more: &[&str]) -> Audit {
    let target = target.to_str().unwrap();
    let ran = run(indelible_verify(), [&[what, target, "--key", key, "--json"], more].concat());
    let report = ran.json();
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let codes = findings.iter().filter_map(|finding| finding["code"].as_str());
    Audit {
        code: ran.code,
        codes: codes.map(str::to_owned).collect(),
        tail_unknown: report["tail_unknown"] == true,
        ran,
    }
}

/// A copy of the vault that an attack may spoil, and its ledger's segments.
fn copied(ledger: &str) -> (TempDir, Vec<Part>) {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&evidence().path("vault").join(ledger), &copy.path().join(ledger));
    let parts = vault(copy.path(), ledger);
    assert_eq!(parts.len() as u64, SEGMENTS);
    (copy, parts)
}

/// Attacks the middle segment of a copy of each ledger's vault and returns what the auditor says.
fn attack_segment(attack: impl Fn(&mut Part)) -> [Audit; 2] {
    LEDGERS.map(|(ledger, _)| {
        let (copy, mut parts) = copied(ledger);
        attack(&mut parts[1]);
        parts[1].overwrite();
        audit("vault", copy.path(), &[])
    })
}

/// Attacks a copy of each ledger's export and returns what the auditor says.
fn attack_export(attack: impl Fn(&mut Export)) -> [Audit; 2] {
    LEDGERS.map(|(ledger, _)| {
        let mut export = Export::read(&evidence().path(&format!("{ledger}.jsonl")));
        attack(&mut export);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("export.jsonl");
        export.write(&file);
        audit("export", &file, &[])
    })
}

/// The place of a record about a payment, away from the ends.
const VICTIM: usize = 6;

fn head(ledger: &str, segment: u64) -> String {
    evidence().path(&format!("{ledger}.head{segment}")).to_str().unwrap().to_owned()
}

#[test]
fn untouched_evidence_is_good_and_the_missing_head_is_mentioned() {
    let vault = audit("vault", &evidence().path("vault"), &[]);
    vault.is_good();
    assert!(vault.tail_unknown, "without a head the tail is unknown: {:#?}", vault.ran);
    for (ledger, _) in LEDGERS {
        for segment in 0..SEGMENTS - 1 {
            let more = ["--ledger", ledger, "--head", &head(ledger, segment)];
            audit("vault", &evidence().path("vault"), &more).is_good();
        }
        let last = head(ledger, SEGMENTS - 1);
        let export = evidence().path(&format!("{ledger}.jsonl"));
        let audited = audit("export", &export, &["--head", &last]);
        audited.is_good();
        assert!(!audited.tail_unknown);
        audit("receipt", &evidence().path(&format!("{ledger}.receipt")), &[]).is_good();
    }
}

#[test]
fn an_edited_record_is_found() {
    for audit in attack_segment(|part| part.rows[VICTIM].replace("payment", "gift")) {
        audit.finds(&["HASH_MISMATCH"]);
    }
    for audit in attack_export(|export| export.rows[VICTIM].replace("payment", "gift")) {
        audit.finds(&["HASH_MISMATCH"]);
    }
}

#[test]
fn an_edited_record_whose_bytes_are_no_record_any_more_is_found() {
    for audit in attack_segment(|part| part.rows[VICTIM].replace("\"amount\":", "\"amount\" ")) {
        audit.finds(&["NOT_CANONICAL"]);
    }
    for audit in attack_export(|export| export.rows[VICTIM].replace("\"amount\":", "\"amount\":0"))
    {
        audit.finds(&["NOT_CANONICAL"]);
    }
}

#[test]
fn an_edited_record_with_its_digest_recomputed_is_found() {
    let attack = |rows: &mut [indelible_tests::forge::Row]| {
        rows[VICTIM].replace("payment", "gift");
        let prev = rows[VICTIM - 1].digest;
        rechain(&mut rows[VICTIM..=VICTIM], Some(prev));
    };
    // Where the next record has a signature of its own, that shows its digest to be right and the link
    // to be wrong; where it has none, its digest merely does not fit.
    let [record, commit] = attack_segment(|part| attack(&mut part.rows));
    record.finds(&["SIG_INVALID", "CHAIN_BROKEN"]);
    commit.finds(&["HASH_MISMATCH", "ROOT_MISMATCH"]);
    let [record, commit] = attack_export(|export| attack(&mut export.rows));
    record.finds(&["SIG_INVALID", "CHAIN_BROKEN"]);
    commit.finds(&["HASH_MISMATCH", "ROOT_MISMATCH"]);
}

#[test]
fn an_edited_record_with_every_later_digest_recomputed_is_found() {
    let attack = |rows: &mut [indelible_tests::forge::Row]| {
        rows[VICTIM].replace("payment", "gift");
        let prev = rows[VICTIM - 1].digest;
        rechain(&mut rows[VICTIM..], Some(prev));
    };
    for audit in attack_segment(|part| attack(&mut part.rows)) {
        audit.finds(&["SIG_INVALID", "ROOT_MISMATCH", "MANIFEST_INVALID"]);
    }
    for audit in attack_export(|export| attack(&mut export.rows)) {
        audit.finds(&["SIG_INVALID", "ROOT_MISMATCH"]);
    }
}

#[test]
fn an_inserted_record_is_found() {
    // As it stands, and with all numbers and digests made to fit.
    for audit in attack_export(|export| export.rows.insert(VICTIM, export.rows[VICTIM].clone())) {
        audit.finds(&["SEQ_GAP", "CHAIN_BROKEN"]);
    }
    for audit in attack_export(|export| {
        let mut extra = export.rows[VICTIM].clone();
        extra.signature = None;
        extra.replace("\"id\":\"e", "\"id\":\"f");
        export.rows.insert(VICTIM, extra);
        renumber(&mut export.rows);
        rechain(&mut export.rows, None);
    }) {
        audit.finds(&["SIG_INVALID", "CHECKPOINT_INVALID"]);
    }
    // In a vault the manifest says how long the segment is, and no more of it is read.
    for audit in attack_segment(|part| part.rows.insert(VICTIM, part.rows[VICTIM].clone())) {
        audit.finds(&["MANIFEST_INVALID"]);
    }
}

#[test]
fn a_dropped_record_is_found() {
    for audit in attack_export(|export| drop(export.rows.remove(VICTIM))) {
        audit.finds(&["SEQ_GAP", "CHAIN_BROKEN"]);
    }
    for audit in attack_export(|export| {
        export.rows.remove(VICTIM);
        renumber(&mut export.rows);
        rechain(&mut export.rows, None);
    }) {
        audit.finds(&["SIG_INVALID"]);
    }
    for audit in attack_segment(|part| drop(part.rows.remove(VICTIM))) {
        audit.finds(&["SEQ_GAP", "MANIFEST_INVALID"]);
    }
}

#[test]
fn reordered_records_are_found() {
    for audit in attack_export(|export| export.rows.swap(VICTIM, VICTIM + 1)) {
        audit.finds(&["SEQ_GAP", "CHAIN_BROKEN"]);
    }
    for audit in attack_export(|export| {
        export.rows.swap(VICTIM, VICTIM + 1);
        renumber(&mut export.rows);
    }) {
        audit.finds(&["HASH_MISMATCH"]);
    }
    for audit in attack_segment(|part| part.rows.swap(VICTIM, VICTIM + 1)) {
        audit.finds(&["SEQ_GAP", "MANIFEST_INVALID"]);
    }
}

#[test]
fn a_removed_signature_is_found() {
    let [record, _] = attack_export(|export| export.rows[VICTIM].signature = None);
    record.finds(&["UNSIGNED"]);
    let [record, _] = attack_segment(|part| part.rows[VICTIM].signature = None);
    record.finds(&["UNSIGNED"]);
    // Signed per commit, the last record at least must be signed.
    for audit in attack_export(|export| export.rows.last_mut().unwrap().signature = None) {
        audit.finds(&["UNSIGNED"]);
    }
}

#[test]
fn a_segment_missing_from_the_middle_is_found() {
    for (ledger, _) in LEDGERS {
        let (copy, parts) = copied(ledger);
        parts[1].remove();
        audit("vault", copy.path(), &[]).finds(&["SEGMENT_MISSING"]);
        let (copy, parts) = copied(ledger);
        fs::remove_file(&parts[1].object).unwrap();
        audit("vault", copy.path(), &[]).finds(&["SEGMENT_MISSING"]);
    }
}

#[test]
fn a_cut_tail_is_found_by_who_has_a_head_and_only_by_him() {
    for (ledger, _) in LEDGERS {
        let (copy, parts) = copied(ledger);
        parts[2].remove();
        let without = audit("vault", copy.path(), &[]);
        without.is_good();
        assert!(without.tail_unknown, "what cannot be known is said: {:#?}", without.ran);
        let newest = head(ledger, SEGMENTS - 1);
        audit("vault", copy.path(), &["--head", &newest]).is_behind();

        let file = copy.path().join("cut.jsonl");
        let mut export = Export::read(&evidence().path(&format!("{ledger}.jsonl")));
        export.rows.truncate(export.rows.len() - 4);
        export.write(&file);
        // The export names its own head, so even without another the cut shows.
        audit("export", &file, &[]).finds(&["TAIL_MISSING"]);
    }
}

#[test]
fn swapped_segments_are_found() {
    for (ledger, _) in LEDGERS {
        let (copy, parts) = copied(ledger);
        let first = fs::read(&parts[1].object).unwrap();
        fs::copy(&parts[2].object, &parts[1].object).unwrap();
        fs::write(&parts[2].object, first).unwrap();
        audit("vault", copy.path(), &[]).finds(&["MANIFEST_INVALID"]);
    }
}

#[test]
fn a_segment_of_another_ledger_is_found() {
    let (copy, orders) = copied("orders");
    copy_folder(&evidence().path("vault").join("metrics"), &copy.path().join("metrics"));
    let metrics = vault(copy.path(), "metrics");
    orders[1].remove();
    let folder = orders[1].object.parent().unwrap();
    for file in [&metrics[1].object, &metrics[1].manifest_file] {
        fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    audit("vault", copy.path(), &[]).finds(&["MANIFEST_INVALID"]);
    // And a whole ledger under another's name.
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&evidence().path("vault").join("metrics"), &copy.path().join("orders"));
    audit("vault", copy.path(), &[]).finds(&["MANIFEST_INVALID"]);
}

#[test]
fn an_older_copy_is_found_by_who_has_a_newer_head() {
    for (ledger, _) in LEDGERS {
        let old = evidence().path("old-vault");
        audit("vault", &old, &["--ledger", ledger]).is_good();
        let newer = head(ledger, SEGMENTS - 1);
        audit("vault", &old, &["--ledger", ledger, "--head", &newer]).is_behind();
    }
}

/// The whole ledger without one payment's true text, in a new vault.
fn rewritten(ledger: &str, forger: &Forger) -> (TempDir, PathBuf) {
    let (copy, parts) = copied(ledger);
    let mut rows: Vec<_> = parts.iter().flat_map(|part| part.rows.clone()).collect();
    rows[VICTIM].replace("payment", "gift");
    forger.resign(&mut rows, None);
    forger.rewrite_vault(&parts, &rows);
    let origin: &Origin = &parts[0].manifest.origin;
    let mut export = Export::read(&evidence().path(&format!("{ledger}.jsonl")));
    export.checkpoint = forger.checkpoint(origin, &rows);
    export.rows = rows;
    let file = copy.path().join("export.jsonl");
    export.write(&file);
    (copy, file)
}

#[test]
fn history_signed_anew_with_the_stolen_key_is_found_by_who_has_a_head() {
    let thief = Forger::with_stolen_key(&evidence().path("data/signing.key"));
    for (ledger, _) in LEDGERS {
        let (copy, export) = rewritten(ledger, &thief);
        // Nobody can find it who kept nothing: the forgery is perfect.
        audit("vault", copy.path(), &["--ledger", ledger]).is_good();
        audit("export", &export, &[]).is_good();
        // Any head from after the payment does, the oldest too.
        let saved = head(ledger, 0);
        let more = ["--ledger", ledger, "--head", &saved];
        audit("vault", copy.path(), &more).finds(&["ROOT_MISMATCH"]);
        audit("export", &export, &["--head", &saved]).finds(&["ROOT_MISMATCH"]);
    }
}

#[test]
fn history_signed_with_a_key_that_the_auditor_did_not_give_is_found() {
    let forger = Forger::with_own_key();
    for (ledger, _) in LEDGERS {
        let (copy, export) = rewritten(ledger, &forger);
        audit("vault", copy.path(), &["--ledger", ledger]).finds(&["KEY_UNKNOWN"]);
        audit("export", &export, &[]).finds(&["KEY_UNKNOWN"]);
    }
    // The other way round: true evidence, but the auditor was given a wrong key.
    let wrong = forger.vkey("localhost");
    let vault = evidence().path("vault");
    audit_with("vault", &vault, &wrong, &[]).finds(&["KEY_UNKNOWN"]);
}

#[test]
fn a_receipt_changed_in_any_part_is_refused() {
    for (ledger, _) in LEDGERS {
        let text = fs::read_to_string(evidence().path(&format!("{ledger}.receipt"))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("receipt.json");
        let receipt: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut parts: Vec<String> = ["digest", "prev", "sig", "checkpoint"]
            .iter()
            .filter_map(|name| receipt[*name].as_str())
            .map(|value| value.lines().last().unwrap_or_default().to_owned())
            .collect();
        parts.push(receipt["proof"][0].as_str().unwrap().to_owned());
        parts.push("payment number".to_owned());
        for part in parts {
            // One character in the middle of it.
            let at = text.find(&part).unwrap_or_else(|| panic!("{part}")) + part.len() / 2;
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            fs::write(&file, changed).unwrap();
            let ran = run(
                indelible_verify(),
                ["receipt", file.to_str().unwrap(), "--key", &evidence().vkey, "--json"],
            );
            assert_eq!(ran.code, 1, "{part}: {ran:?}");
        }
    }
}
