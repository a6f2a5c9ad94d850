//! The data folder: what is taken into use, what is refused, and in which words.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use indelible_core::hash::Digest;
use indelible_ledger::folder::{DataFolder, FolderError, HeadFile, create_secret, read_head};
use indelible_ledger::rows::CommitNumber;
use indelible_ledger::store::rocks::{RocksBeside, RocksConfig, RocksOpener};
use indelible_ledger::store::{StoreError, StoreOpener};
use tempfile::TempDir;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn head(commit: u64) -> HeadFile {
    HeadFile { commit: CommitNumber(commit), digest: Digest([7; 32]) }
}

#[test]
fn a_new_folder_is_private_and_says_its_version() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("deep/data");
    let folder = DataFolder::open(&data).unwrap();
    assert!(folder.is_new());
    assert_eq!(fs::read(data.join("format")).unwrap(), b"indelible data 2\n");
    assert_eq!(
        (mode(&data), mode(&data.join("format")), mode(&data.join("lock"))),
        (0o700, 0o600, 0o600)
    );
    assert!(matches!(DataFolder::open(&data), Err(FolderError::Locked { .. })));
    DataFolder::check(&data).unwrap();
    drop(folder);
    assert!(!DataFolder::open(&data).unwrap().is_new());
}

#[test]
fn a_folder_of_a_newer_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("format"), "indelible data 3\n").unwrap();
    fs::write(dir.path().join("other"), "").unwrap();
    let error = DataFolder::open(dir.path()).unwrap_err();
    assert!(matches!(error, FolderError::NewerFormat { found: 3, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("version 3") && text.contains("newer program"), "{text}");
    assert!(matches!(DataFolder::check(dir.path()), Err(FolderError::NewerFormat { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_folder_from_before_the_first_release_is_refused_with_a_clear_word() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("format"), "indelible data 1\n").unwrap();
    fs::write(dir.path().join("head"), "{\"commit\":1}").unwrap();
    for error in
        [DataFolder::open(dir.path()).unwrap_err(), DataFolder::check(dir.path()).unwrap_err()]
    {
        assert!(matches!(error, FolderError::OlderFormat { found: 1, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("version 1") && text.contains("before the first release"), "{text}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing was changed");
}

#[test]
fn a_format_file_that_says_something_else_is_damage() {
    let long = "x".repeat(1000);
    let texts = [
        "",
        "indelible data 2",
        "indelible data 02\n",
        "indelible data \n",
        "indelible data 2\n\n",
        "indelible data -2\n",
        &long,
    ];
    for text in texts {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("format"), text).unwrap();
        let error = DataFolder::open(dir.path()).unwrap_err();
        assert!(matches!(error, FolderError::Damaged { .. }), "{text:?}: {error}");
    }
}

#[test]
fn what_is_not_a_data_folder_is_not_taken_over() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    let error = DataFolder::open(dir.path()).unwrap_err();
    assert!(matches!(error, FolderError::NotOurs { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    for path in [file.clone(), file.join("below")] {
        let error = DataFolder::open(&path).unwrap_err();
        assert!(matches!(error, FolderError::NotAFolder { .. }), "{error}");
    }
    assert!(matches!(DataFolder::check(&file), Err(FolderError::NotAFolder { .. })));
    assert!(matches!(DataFolder::check(dir.path()), Err(FolderError::NotOurs { .. })));
    let missing = dir.path().join("missing");
    assert!(matches!(DataFolder::check(&missing), Err(FolderError::Missing { .. })));
    assert!(!missing.exists());
}

#[test]
fn an_interrupted_first_start_and_the_root_of_a_disk_are_begun_again() {
    let dir = TempDir::new().unwrap();
    for name in ["lock", "format.tmp", "format.x7.tmp"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    assert!(matches!(DataFolder::check(dir.path()), Err(FolderError::Missing { .. })));
    assert!(DataFolder::open(dir.path()).unwrap().is_new());
}

#[test]
fn the_head_file_holds_the_newest_head_and_is_read_strictly() {
    let dir = TempDir::new().unwrap();
    let folder = DataFolder::open(dir.path()).unwrap();
    assert_eq!(folder.read_head().unwrap(), None);
    // What a crash left of an earlier try must not matter.
    fs::write(dir.path().join("head.tmp"), "half of a he").unwrap();
    let writer = folder.begin_head(head(1)).unwrap();
    for commit in [2, 3, 300] {
        writer.write(&head(commit)).unwrap();
        // Before any flush: another process sees it, this one may die.
        assert_eq!(folder.read_head().unwrap(), Some(head(commit)));
        writer.flush().unwrap();
    }
    assert_eq!(read_head(dir.path()).unwrap(), Some(head(300)));
    let path = dir.path().join("head");
    assert_eq!((mode(&path), fs::metadata(&path).unwrap().len()), (0o600, 3 * 4096));
    drop(folder.begin_head(head(300)).unwrap());
    let good = String::from_utf8(fs::read(&path).unwrap()).unwrap();
    let other = HeadFile { digest: Digest([8; 32]), ..head(300) };
    let mut two = good.clone().into_bytes();
    two[8192..][..120].copy_from_slice(&other.to_slot());
    let bad = [
        String::new(),
        format!("{good}\n"),
        good.replace("0300", "+300"),
        good.replace("0300", "0301"),
        good.replace("head 2", "head 1"),
        good.replace("0707", "0708"),
        good.replace('\n', " "),
        good[..4096].to_owned(),
        "\0".repeat(3 * 4096),
        "{\"commit\":300,\"digest\":\"07\",\"v\":1}".into(),
        "x".repeat(50_000),
        String::from_utf8(two).unwrap(),
    ];
    for text in bad {
        fs::write(&path, &text).unwrap();
        let error = folder.read_head().unwrap_err();
        assert!(matches!(error, FolderError::Damaged { .. }), "{text}: {error}");
    }
}

#[test]
fn secrets_are_private_complete_and_never_replaced() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("signing.key");
    create_secret(&path, b"secret").unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"secret".to_vec(), 0o600));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = create_secret(&path, b"other").unwrap_err();
    assert!(matches!(error, FolderError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"secret");
    let link = dir.path().join("link");
    symlink(dir.path().join("nowhere"), &link).unwrap();
    assert!(matches!(create_secret(&link, b"x"), Err(FolderError::Exists { .. })));
}

#[test]
fn a_database_with_key_spaces_of_a_later_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("db");
    let config = RocksConfig::new(&path);
    RocksOpener::new(config.clone()).open().unwrap().close().unwrap();
    let mut options = rocksdb::Options::default();
    options.create_missing_column_families(true);
    let names = ["default", "m", "l", "h", "b", "i", "d", "t", "n", "c", "z"];
    drop(rocksdb::DB::open_cf(&options, &path, names).unwrap());
    let error = RocksOpener::new(config.clone()).open().err().unwrap();
    assert!(matches!(&error, StoreError::NewerFormat(text) if text.contains("'z'")), "{error:?}");
    let error = RocksBeside::open(&config).err().unwrap();
    assert!(matches!(error, StoreError::NewerFormat(_)), "{error:?}");
}

#[test]
fn a_reader_of_no_database_is_told_so_and_creates_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("db");
    let error = RocksBeside::open(&RocksConfig::new(&path)).err().unwrap();
    assert!(matches!(error, StoreError::Io(_)), "{error:?}");
    assert!(!path.exists());
}

#[test]
fn a_reader_beside_writes_nothing() {
    let dir = TempDir::new().unwrap();
    let config = RocksConfig::new(dir.path().join("db"));
    let store = RocksOpener::new(config.clone()).open().unwrap();
    let files = || {
        let entries = fs::read_dir(&config.path).unwrap().map(Result::unwrap);
        let mut files: Vec<_> =
            entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().len())).collect();
        files.sort();
        files
    };
    let before = files();
    drop(RocksBeside::open(&config).unwrap());
    assert_eq!(files(), before);
    store.close().unwrap();
}
