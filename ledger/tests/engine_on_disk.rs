//! The engine on a real folder with RocksDB, and the signers that keep their key in one.

mod engine_support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_support::*;
use indelible_core::ed25519;
use indelible_core::hash::Digest;
use indelible_core::name::{Seq, ServerName};
use indelible_core::system::SignPer;
use indelible_ledger::folder::database;
use indelible_ledger::signer::KeyFileError;
use indelible_ledger::store::StoreOpener as _;
use indelible_ledger::store::rocks::{RocksConfig, RocksOpener};
use indelible_ledger::testing::{Failing, Lying, Slow, check_engine};
use indelible_ledger::{
    Direction, Engine, EngineConfig, LocalEd25519, OpenError, SignRequest, Signer,
};

fn config(folder: &Path) -> EngineConfig {
    EngineConfig::new(folder.join("data"), ServerName::new("test.example").unwrap())
}

fn check(folder: &Path) -> u64 {
    let store = RocksOpener::new(RocksConfig::new(database(&folder.join("data")))).open().unwrap();
    let checked = check_engine(&*store, &[signer().note_key()]).unwrap();
    store.close().unwrap();
    checked.records
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn what_is_written_to_a_folder_is_there_after_reopening_and_the_folder_is_locked_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(config(folder.path()), Arc::new(signer())).unwrap();
    create(&engine, "a", SignPer::Record);
    create(&engine, "b", SignPer::Commit);
    for round in 0..5 {
        for ledger in ["a", "b"] {
            let events = (0..400).map(|n| with_id(&format!("{round}-{n}"), n)).collect();
            append(&engine, ledger, events).unwrap();
        }
    }
    let second = Engine::open(config(folder.path()), Arc::new(signer())).unwrap_err();
    assert!(matches!(second, OpenError::Folder(_)), "{second}");
    let before = engine.range(&name("a"), Seq::ZERO, Direction::Forward, 5000, usize::MAX).unwrap();
    run(engine.close());
    assert_eq!(check(folder.path()), 2 * 2001);
    let begun = Instant::now();
    let engine = Engine::open(config(folder.path()), Arc::new(signer())).unwrap();
    // Far less on an idle machine.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let after = engine.range(&name("a"), Seq::ZERO, Direction::Forward, 5000, usize::MAX).unwrap();
    assert_eq!(before, after);
    assert!(append_one(&engine, "a", with_id("3-7", 7)).unwrap().duplicate);
    let receipt = engine.receipt(&name("b"), seq(1234)).unwrap().unwrap();
    receipt.verify(&trust(&engine, "b")).unwrap();
}

#[test]
fn an_old_copy_of_the_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(config(folder.path()), Arc::new(signer())).unwrap();
    create(&engine, "a", SignPer::Record);
    run(engine.close());
    let (db, backup) = (database(&folder.path().join("data")), folder.path().join("backup"));
    copy(&db, &backup);
    let engine = Engine::open(config(folder.path()), Arc::new(signer())).unwrap();
    append_one(&engine, "a", without_id(1)).unwrap();
    run(engine.close());
    fs::remove_dir_all(&db).unwrap();
    copy(&backup, &db);
    let error = Engine::open(config(folder.path()), Arc::new(signer())).unwrap_err();
    assert!(matches!(error, OpenError::HeadBehind { found: 1, expected: 2, .. }), "{error}");
}

/// One suite for every signer that tells the truth.
#[test]
fn every_honest_signer_signs_what_it_is_given_in_order_with_its_one_key() {
    let signers: [Arc<dyn Signer>; 4] = [
        Arc::new(signer()),
        Arc::new(Slow::new(signer(), Duration::from_millis(1))),
        Arc::new(Failing::new(signer())),
        Arc::new(Lying::new(signer())),
    ];
    for signer in signers {
        let digests: Vec<_> = (0..40).map(|n| Digest([n; 32])).collect();
        let mut requests: Vec<_> = digests.iter().map(SignRequest::Digest).collect();
        requests.push(SignRequest::Note("a text\n"));
        let signatures = run(signer.sign(&requests)).unwrap();
        assert_eq!(signatures.len(), requests.len());
        for (request, signature) in requests.iter().zip(&signatures) {
            assert!(ed25519::verify_strict(
                &signer.note_key(),
                request.message(),
                signature.ed25519().unwrap()
            ));
        }
        assert!(run(signer.sign(&[])).unwrap().is_empty());
        run(signer.health()).unwrap();
    }
}

#[test]
fn a_key_file_is_created_once_for_its_owner_alone_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing.key");
    let key = LocalEd25519::generate().unwrap();
    key.save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(LocalEd25519::load(&path).unwrap().note_key(), key.note_key());
    assert!(LocalEd25519::generate().unwrap().save(&path).is_err());
    assert_eq!(LocalEd25519::load(&path).unwrap().note_key(), key.note_key());
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = LocalEd25519::load(&path).map(drop).unwrap_err();
        assert!(matches!(error, KeyFileError::Permissions { .. }), "{error}");
    }
}

#[test]
fn key_files_of_another_kind_are_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    // PKCS#8 heads with the object identifiers of RSA, P-256 and X25519; RFC 8410's own Ed25519 example.
    let x25519 = "MC4CAQAwBQYDK2VuBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    let ed25519 = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    let pem = |label: &str, body: &str| {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    let twice = pem("PRIVATE KEY", ed25519).repeat(2);
    for (text, says) in [
        (pem("PRIVATE KEY", x25519), "X25519"),
        (pem("PRIVATE KEY", "MBMGByqGSM49AgEGCCqGSM49AwEH"), "elliptic curve"),
        (pem("PRIVATE KEY", "MA0GCSqGSIb3DQEBAQUA"), "RSA"),
        (pem("ENCRYPTED PRIVATE KEY", ed25519), "ENCRYPTED"),
        (pem("PUBLIC KEY", ed25519), "PUBLIC"),
        (pem("PRIVATE KEY", "!!!"), "base64"),
        (pem("PRIVATE KEY", "AAAA"), "not an Ed25519 key"),
        (twice, "more than one"),
        ("nothing".into(), "no BEGIN"),
        (format!("-----BEGIN PRIVATE KEY-----\n{ed25519}"), "no END"),
        ("x".repeat(100_000), "larger"),
    ] {
        let path = folder.path().join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = LocalEd25519::load(&path).map(drop).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
    let path = folder.path().join("good");
    fs::write(&path, pem("PRIVATE KEY", ed25519)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    // RFC 8410 section 10.1 gives the public key to this private key.
    let id = LocalEd25519::load(&path).unwrap().note_key().key_id();
    assert_eq!(
        id.as_str(),
        "ed25519:19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    );
    assert!(LocalEd25519::load(&folder.path().join("none")).is_err());
}
