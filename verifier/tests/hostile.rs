//! Vaults that want to hurt: they cost bounded memory and end in a clear finding.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use indelible_core::code::{Code, UncheckedCode};
use indelible_core::limits::LINE_BYTES_MAX;
use indelible_core::manifest::Content;
use indelible_verifier::Verdict;
use running::{
    assert_codes, assert_found, assert_good, assert_unchecked, exit_code, export, vault, vkey,
};
use serde_json::Value;
use support::{Ledger, Plan, Segment, pack};

/// Address space that the program gets, in KiB: less than the 400 MiB that it may use at most.
const MEMORY_KIB: u32 = 380 << 10;

/// Runs the program with little memory; without it, it would be killed or panic.
fn run_small(arguments: &[&str]) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\""))
        .arg(env!("CARGO_BIN_EXE_indelible-verify"))
        .args(arguments)
        .args(["--jobs", "2", "--json", "--key", &vkey().to_string()])
        .env("MALLOC_ARENA_MAX", "2")
        .output()
        .unwrap()
}

#[track_caller]
fn found_by_program(path: &Path, what: &str, code: Code) -> Value {
    let output = run_small(&[what, path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(exit_code(&output), 1, "{output:?}");
    assert!(text.contains(code.as_str()), "no {code} in {text}");
    serde_json::from_str(&text).unwrap()
}

/// A second segment that its own operator signed: whatever it holds, the manifest agrees.
fn signed_segment(folder: &Path, bend: impl FnOnce(&mut Segment)) {
    let mut ledger = Plan::new("orders").ledger(19);
    ledger.seal(folder, 10);
    let mut segment = Segment::of(&ledger);
    bend(&mut segment);
    segment.write(folder, &ledger.plan);
}

/// Zstandard of `mebibytes` of one byte, which takes a few kilobytes.
fn bomb(byte: u8, mebibytes: usize, window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    let block = vec![byte; 1 << 20];
    (0..mebibytes).for_each(|_| encoder.write_all(&block).unwrap());
    encoder.finish().unwrap()
}

/// Zstandard of `mebibytes` made of one piece again and again.
fn bomb_of(piece: &[u8], mebibytes: usize) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let block = piece.repeat((1 << 20) / piece.len());
    (0..mebibytes).for_each(|_| encoder.write_all(&block).unwrap());
    encoder.finish().unwrap()
}

#[test]
fn a_bomb_behind_an_honest_manifest_is_left_soon() {
    let record = Plan::new("orders").ledger(19).records[12].line();
    let long = [&[b'x'; 64 << 10][..], b"\n"].concat();
    for (name, packed, code) in [
        ("empty lines", bomb(b'\n', 900, 20), Code::ManifestInvalid),
        ("one line", bomb(b'a', 900, 20), Code::NotCanonical),
        ("long lines", bomb_of(&long, 900), Code::ManifestInvalid),
        ("a record again and again", bomb_of(&record, 900), Code::ManifestInvalid),
    ] {
        let folder = tempfile::tempdir().unwrap();
        signed_segment(folder.path(), |segment| {
            segment.packed = packed;
            segment.manifest.packed = Content::of(&segment.packed);
        });
        let report = found_by_program(folder.path(), "vault", code);
        // Of ten records in the manifest and millions in the segment.
        let records = report["ledgers"][0]["records"].as_u64().unwrap();
        assert!(records < 10_100, "{name}: {records}");
    }
}

#[test]
fn a_segment_that_goes_on_for_a_terabyte_of_nothing_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = Plan::new("orders").ledger(19).vault(folder.path(), &[10]);
    let path = folder.path().join("orders").join(manifests[1].object_name());
    fs::File::options().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    found_by_program(folder.path(), "vault", Code::ManifestInvalid);
}

#[test]
fn a_bomb_that_its_manifest_admits_to_is_given_up() {
    for (byte, code) in [(b'\n', Code::NotCanonical), (b'a', Code::NotCanonical)] {
        let folder = tempfile::tempdir().unwrap();
        signed_segment(folder.path(), |segment| {
            segment.packed = bomb(byte, 20, 20);
            segment.manifest.packed = Content::of(&segment.packed);
            segment.manifest.plain.size = 20 << 20;
        });
        found_by_program(folder.path(), "vault", code);
    }
}

#[test]
fn a_window_of_half_a_gigabyte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    signed_segment(folder.path(), |segment| {
        segment.packed = bomb(b'a', 9, 29);
        segment.manifest.packed = Content::of(&segment.packed);
    });
    found_by_program(folder.path(), "vault", Code::ManifestInvalid);
}

#[test]
fn an_export_with_a_line_of_a_gigabyte_is_not_read_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.zst");
    let mut plain = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let ledger = Plan::new("orders").ledger(5);
    let export = ledger.export();
    plain.write_all(&export[..export.len() - closing_len(&ledger)]).unwrap();
    let block = vec![b'{'; 1 << 20];
    (0..1024).for_each(|_| plain.write_all(&block).unwrap());
    fs::write(&path, plain.finish().unwrap()).unwrap();
    found_by_program(&path, "export", Code::NotCanonical);
}

fn closing_len(ledger: &Ledger) -> usize {
    support::closing_line(&ledger.head()).len()
}

#[test]
fn an_export_of_a_billion_empty_lines_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.zst");
    let export = Plan::new("orders").ledger(5).export();
    let mut packed = pack(&export);
    packed.extend(bomb(b'\n', 1000, 20));
    fs::write(&path, packed).unwrap();
    found_by_program(&path, "export", Code::NotCanonical);
}

#[test]
fn a_hundred_thousand_manifests_that_are_none_cost_little() {
    let folder = tempfile::tempdir().unwrap();
    let orders = folder.path().join("orders");
    fs::create_dir(&orders).unwrap();
    for n in 0..100_000u64 {
        fs::File::create(orders.join(format!("{n:020}-{n:020}.manifest"))).unwrap();
    }
    let output = run_small(&["vault", folder.path().to_str().unwrap()]);
    assert_eq!(exit_code(&output), 1, "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\"findings_total\": 100000"));
    assert!(text.len() < 1 << 20, "{}", text.len());
}

#[test]
fn a_manifest_of_a_gigabyte_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = Plan::new("orders").ledger(19).vault(folder.path(), &[10]);
    let path = folder.path().join("orders").join(manifests[0].file_name());
    fs::File::options().write(true).open(path).unwrap().set_len(1 << 30).unwrap();
    found_by_program(folder.path(), "vault", Code::ManifestInvalid);
}

/// Something that is no file, and how it is made at a path; the real file is at the other.
type MakeInstead = (&'static str, fn(&Path, &Path));

#[test]
fn links_pipes_and_folders_are_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let manifests = Plan::new("orders").ledger(19).vault(folder.path(), &[10]);
    let orders = folder.path().join("orders");
    let kinds: [MakeInstead; 4] = [
        ("link", |path, real| symlink(real, path).unwrap()),
        ("dangling link", |path, _| symlink("/nowhere/at/all", path).unwrap()),
        ("pipe", |path, _| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("folder", |path, _| fs::create_dir(path).unwrap()),
    ];
    for (name, code) in [
        (manifests[0].file_name(), Code::ManifestInvalid),
        (manifests[1].object_name(), Code::SegmentMissing),
    ] {
        let path = orders.join(&name);
        let real = elsewhere.path().join(&name);
        fs::rename(&path, &real).unwrap();
        for (kind, make) in kinds {
            make(&path, &real);
            let report = vault(folder.path());
            assert_found(&report, code);
            eprintln!("{name} as a {kind}: {}", report.findings.kept()[0].message);
            if kind == "folder" {
                fs::remove_dir(&path).unwrap()
            } else {
                fs::remove_file(&path).unwrap()
            }
        }
        fs::rename(&real, &path).unwrap();
    }
    fs::rename(&orders, elsewhere.path().join("orders")).unwrap();
    symlink(elsewhere.path().join("orders"), &orders).unwrap();
    assert_eq!(vault(folder.path()).verdict(), Verdict::Unchecked);
}

#[test]
fn deep_nesting_and_huge_numbers_are_refused_with_a_reason() {
    let ledger = Plan::new("orders").ledger(5);
    let whole = ledger.export();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let record = String::from_utf8(ledger.records[3].record.clone()).unwrap();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for bad in [
        record.replace("\"amount\":3", &format!("\"amount\":{deep}")),
        record.replace("\"amount\":3", "\"amount\":9007199254740993"),
        record.replace("\"amount\":3", "\"amount\":1e999"),
        record.replace("\"seq\":3", "\"seq\":18446744073709551615"),
        record.replace("\"seq\":3", "\"seq\":9007199254740991"),
        record.replace("\"amount\":3", "\"amount\":3,\"amount\":3"),
        record.replace("\"v\":1", "\"v\":2"),
    ] {
        let mut made = ledger.records[3].clone();
        made.record = bad.into_bytes();
        let line = made.line();
        let mut bytes: Vec<u8> = lines[..4].concat();
        bytes.extend(line);
        bytes.extend(lines[5..].concat());
        assert_eq!(export(&bytes).verdict().exit_code(), 1);
    }
}

#[test]
fn a_line_just_over_the_limit_is_named() {
    let ledger = Plan::new("orders").ledger(3);
    let whole = ledger.export();
    let cut = whole.len() - closing_len(&ledger);
    let mut bytes = whole[..cut].to_vec();
    bytes.extend(std::iter::repeat_n(b'x', LINE_BYTES_MAX));
    bytes.push(b'\n');
    bytes.extend(&whole[cut..]);
    assert_found(&export(&bytes), Code::NotCanonical);
}

#[test]
fn names_that_are_not_utf8_are_told_apart_from_nothing() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    Plan::new("orders").ledger(5).vault(folder.path(), &[]);
    fs::write(folder.path().join("orders").join(OsStr::from_bytes(b"\xff\x1b[2J")), b"").unwrap();
    let output = running::run(&["vault", folder.path().to_str().unwrap()]);
    assert_eq!(exit_code(&output), 0, "{output:?}");
    assert!(!output.stdout.contains(&0x1b));
    let strange = folder.path().join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&strange).unwrap();
    assert_good(&vault(folder.path()));
    fs::write(strange.join("a.manifest"), b"").unwrap();
    assert_unchecked(&vault(folder.path()), &[UncheckedCode::AlmostNamed]);
}

#[test]
fn a_segment_may_be_several_frames() {
    let folder = tempfile::tempdir().unwrap();
    signed_segment(folder.path(), |segment| {
        let (a, b) = segment.plain.split_at(segment.plain.len() / 3);
        segment.packed = [pack(a), pack(b)].concat();
        segment.manifest.packed = Content::of(&segment.packed);
    });
    assert_codes(&vault(folder.path()), &[]);
}

/// What a run of the program took.
struct Cost {
    seconds: f64,
    peak_kib: u64,
}

/// Clock ticks in a second, in which the system counts what a process used.
const TICKS: f64 = 100.0;

/// Runs the program, as JSON and as text, and measures it. The exit code must be `exit`.
fn cost(arguments: &[&str], exit: i32) -> Cost {
    let mut worst = Cost { seconds: 0.0, peak_kib: 0 };
    for form in [&["--json"][..], &[]] {
        let mut printed = tempfile::tempfile().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_indelible-verify"))
            .args(arguments)
            .args(form)
            .args(["--key", &vkey().to_string()])
            .stdout(printed.try_clone().unwrap())
            .spawn()
            .unwrap();
        worst.seconds = worst.seconds.max(watch(child.id(), &mut worst.peak_kib));
        assert_eq!(child.wait().unwrap().code(), Some(exit), "{arguments:?}");
        let bytes = std::io::Seek::seek(&mut printed, std::io::SeekFrom::End(0)).unwrap();
        assert!(bytes < 64 << 20, "{bytes} bytes are printed");
    }
    worst
}

/// Waits until a child has ended, without reaping it, and gives the seconds of CPU it used. Its largest
/// memory is looked at meanwhile.
fn watch(pid: u32, peak_kib: &mut u64) -> f64 {
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let high = high.and_then(|high| high.trim().strip_suffix(" kB")?.parse().ok());
        *peak_kib = (*peak_kib).max(high.unwrap_or(0));
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        if fields[0] == "Z" {
            let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
            return (ticks(11) + ticks(12)) / TICKS;
        }
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
}

#[track_caller]
fn bounded(name: &str, cost: &Cost, seconds: f64, peak_mib: u64) {
    let peak = cost.peak_kib >> 10;
    eprintln!("{name}: {:.2} s of CPU, {peak} MiB", cost.seconds);
    assert!(cost.seconds < seconds, "{name}: {} s", cost.seconds);
    assert!(peak < peak_mib, "{name}: {peak} MiB");
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.zst");
    fs::write(&path, pack(bytes)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn manifests_with_long_names_of_signers_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let orders = folder.path().join("orders");
    let mut ledger = Plan::new("orders").ledger(0);
    ledger.seal(folder.path(), 1);
    let real = fs::read_dir(&orders).unwrap().map(|entry| entry.unwrap().path());
    let manifest = real.into_iter().find(|path| path.extension().unwrap() == "manifest").unwrap();
    let text = fs::read_to_string(&manifest).unwrap();
    let (text, _) = text.rsplit_once("\n\n").unwrap();
    let note = format!("{text}\n\n\u{2014} {} AAAAAAA=\n", "n".repeat(61_000));
    for n in 0..1200u64 {
        fs::write(orders.join(format!("{n:020}-{n:020}.manifest")), &note).unwrap();
    }
    let path = folder.path().to_str().unwrap().to_owned();
    bounded("long names", &cost(&["vault", &path], 1), 5.0, 120);
    bounded("long names", &cost(&["vault", &path, "--max-findings", "100000"], 1), 5.0, 120);
}

#[test]
fn a_hundred_thousand_empty_folders_cost_little() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..100_000 {
        fs::create_dir(folder.path().join(format!("ledger-{n}"))).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let output = run_small(&["vault", path]);
    assert_eq!(exit_code(&output), 2, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn one_record_again_and_again_is_left_soon() {
    let ledger = Plan::new("orders").ledger(5);
    let whole = ledger.export();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let again = lines[3].repeat(1_000_000);
    let (_folder, path) = written(&[&lines[..5].concat()[..], &again, lines[6]].concat());
    bounded("one record", &cost(&["export", &path], 1), 8.0, 160);
    let output = run_small(&["export", &path]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("TOO_MUCH_DAMAGE"), "{text}");
}

#[test]
fn wrong_signatures_are_left_soon() {
    let ledger = Plan::new("orders").ledger(1);
    let whole = ledger.export();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    // A signature of record 1 under the digest of no record.
    let mut made = ledger.records[1].clone();
    made.digest.0[0] ^= 1;
    let (_folder, path) = written(&[lines[0], lines[1], &made.line().repeat(200_000)].concat());
    bounded("wrong signatures", &cost(&["export", &path], 1), 6.0, 160);
    let stranger = support::Signer::new(9);
    made.signature = Some(stranger.record(&ledger.records[0].digest));
    let (_folder, path) = written(&[lines[0], lines[1], &made.line().repeat(200_000)].concat());
    bounded("a stranger's wrong signatures", &cost(&["export", &path], 1), 6.0, 160);
}

#[test]
fn a_vault_of_strangers_is_left_soon() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { signer: support::Signer::new(9), ..Plan::new("orders") };
    for name in ["a", "b", "c", "d"] {
        let plan = Plan { origin: Plan::new(name).origin, ..plan.clone() };
        let mut ledger = plan.ledger(0);
        ledger.seal(folder.path(), 1);
        ledger.grow(20_000);
        let line = ledger.records[7].line();
        let mut segment = Segment::of(&ledger);
        segment.plain = line.repeat(20_000);
        segment.repack();
        segment.write(folder.path(), &plan);
    }
    bounded("strangers", &cost(&["vault", folder.path().to_str().unwrap()], 1), 20.0, 300);
}

#[test]
fn many_workers_do_not_take_more_memory_than_a_few() {
    let plan = Plan { event_bytes: 1_000_000, ..Plan::new("orders") };
    let (_folder, path) = written(&plan.ledger(400).export());
    bounded("long lines", &cost(&["export", &path, "--jobs", "256"], 0), 60.0, 400);
}

#[test]
fn a_list_of_findings_as_long_as_it_may_be_takes_bounded_memory() {
    let ledger = Plan::new("orders").ledger(9_000);
    let text = String::from_utf8(ledger.export()).unwrap();
    let (_folder, path) = written(text.replace("\"by\":\"user", "\"by\":\"abcd").as_bytes());
    bounded("findings", &cost(&["export", &path, "--max-findings", "100000"], 1), 20.0, 300);
}

#[test]
fn behind_ten_thousand_damaged_lines_nothing_is_looked_at_whatever_the_pieces() {
    let ledger = Plan::new("orders").ledger(10_400);
    let text = String::from_utf8(ledger.export()).unwrap();
    let (_folder, path) = written(text.replace("\"by\":\"user", "\"by\":\"abcd").as_bytes());
    let report = |jobs: &str| {
        let output = running::run(&["export", &path, "--json", "--jobs", jobs]);
        let mut json: Value = serde_json::from_slice(&output.stdout).unwrap();
        for clock in ["elapsed_ms", "records_per_second", "bytes"] {
            json[clock] = Value::Null;
        }
        json
    };
    let one = report("1");
    assert_eq!(one["findings_total"], 10_000);
    // Record 0 is not damaged, and every other is.
    assert_eq!(one["records"], 10_001);
    assert_eq!(one["unchecked"][0]["code"], "TOO_MUCH_DAMAGE");
    for jobs in ["2", "7", "64"] {
        let many = report(jobs);
        assert_eq!(one["ledgers"], many["ledgers"]);
        assert_eq!(one["findings"], many["findings"]);
        assert_eq!(one["unchecked"], many["unchecked"]);
    }
}

#[test]
fn a_ledger_of_a_vault_that_is_damaged_all_over_is_looked_at_no_further() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Plan::new("orders").ledger(30_000);
    let manifests = ledger.vault(folder.path(), &[11_000, 20_000]);
    let first = folder.path().join("orders").join(manifests[0].object_name());
    let plain = zstd::decode_all(fs::read(&first).unwrap().as_slice()).unwrap();
    let plain = String::from_utf8(plain).unwrap().replace("\"by\":\"user", "\"by\":\"abcd");
    fs::write(&first, pack(plain.as_bytes())).unwrap();
    fs::remove_file(folder.path().join("orders").join(manifests[2].object_name())).unwrap();
    let report = vault(folder.path());
    running::assert_classes(&report, &["HASH_MISMATCH damage", "MANIFEST_INVALID damage"]);
    assert_unchecked(&report, &[UncheckedCode::TooMuchDamage]);
    assert_eq!(report.unchecked.total(), 1);
    assert_eq!(report.records(), 10_001);
    // The manifests still lead to the root that the ledger has.
    let root = ledger.root(ledger.size()).to_base64();
    assert!(report.ledgers[0].root.is_none() || report.ledgers[0].root == Some(root));
}
