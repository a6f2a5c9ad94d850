//! What is not built upon: vaults of others, holes, changed objects, damaged databases.

use std::fs;
use std::os::unix::fs::symlink;

use indelible_archiver::{ArchiveError, PackError, Seal, VaultError};
use indelible_core::system::SignPer;
use indelible_ledger::ReadError;
use indelible_ledger::store::Space;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::common::{LEDGER, World, append, change, files, manifests};

/// A world whose vault has some segments, and new events that wait.
fn archived() -> World {
    let world = World::filled(100);
    world.archive(Seal::Now).unwrap();
    append(&world.engine, LEDGER, 50, 100);
    world
}

#[track_caller]
fn assert_foreign(run: Result<indelible_archiver::Summary, ArchiveError>, part: &str) {
    match run {
        Err(error @ ArchiveError::Foreign { .. }) => {
            assert!(error.to_string().contains(part), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_vault_of_another_history_is_refused() {
    let (world, other) = (archived(), World::filled(300));
    let before = files(&world.folder());
    let size = other.size();
    assert_foreign(other.archive_into(&world.vault(), Seal::Now), "not the one in the ledger");
    assert_eq!(files(&world.folder()), before);
    assert_eq!(other.size(), size);
}

#[test]
fn the_vault_of_another_key_is_refused() {
    let world = archived();
    let name = manifests(&world.folder()).pop().unwrap();
    change(&world.folder().join(name), |bytes| {
        // One digit of the signature's base64.
        let at = bytes.len() - 10;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    });
    assert_foreign(world.archive(Seal::Now), "manifest");
}

#[test]
fn a_vault_that_is_ahead_of_the_ledger_is_refused() {
    let world = World::filled(50);
    let old = world.copy(|_| {});
    append(&world.engine, LEDGER, 50, 100);
    world.archive(Seal::Now).unwrap();
    assert_foreign(old.archive_into(&world.vault(), Seal::Now), "older than its archive");
}

#[test]
fn a_hole_is_not_built_upon() {
    for victim in [".manifest", ".jsonl.zst"] {
        for which in [0, 1] {
            let world = archived();
            let names: Vec<_> =
                files(&world.folder()).into_keys().filter(|n| n.ends_with(victim)).collect();
            assert!(names.len() > 2);
            fs::remove_file(world.folder().join(&names[which])).unwrap();
            let before = files(&world.folder());
            let part = if victim == ".manifest" { "hole" } else { "is missing" };
            assert_foreign(world.archive(Seal::Now), part);
            assert_eq!(files(&world.folder()), before);
        }
    }
}

#[test]
fn a_changed_object_is_found_by_the_next_run() {
    for how in [0, 1, 2] {
        let world = archived();
        let name = files(&world.folder()).into_keys().rfind(|n| n.ends_with(".zst")).unwrap();
        change(&world.folder().join(&name), |bytes| match how {
            0 => bytes[100] ^= 1,
            1 => bytes.push(0),
            _ => bytes.truncate(bytes.len() - 1),
        });
        let run = world.archive(Seal::Now);
        let found = matches!(
            run,
            Err(ArchiveError::Vault(VaultError::Changed { .. } | VaultError::Strange { .. }))
        );
        assert!(found, "{run:?}");
    }
}

#[test]
fn links_pipes_and_folders_in_the_place_of_objects_are_refused() {
    for what in ["link", "pipe", "folder", "dangling"] {
        for victim in [".manifest", ".zst"] {
            let world = archived();
            let name = files(&world.folder()).into_keys().rfind(|n| n.ends_with(victim)).unwrap();
            let (path, aside) = (world.folder().join(&name), world.home.path().join("aside"));
            fs::rename(&path, &aside).unwrap();
            match what {
                "link" => symlink(&aside, &path).unwrap(),
                "dangling" => symlink("/nowhere", &path).unwrap(),
                "folder" => fs::create_dir(&path).unwrap(),
                _ => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
            }
            let run = world.archive(Seal::Now);
            let refused = matches!(run, Err(ArchiveError::Vault(VaultError::Strange { .. })));
            assert!(refused, "{what} for {name}: {run:?}");
        }
    }
}

#[test]
fn what_stands_where_an_object_is_to_be_written_is_never_overwritten() {
    for what in ["link", "file"] {
        let world = World::filled(20);
        let twin = world.copy(|_| {});
        twin.archive(Seal::Now).unwrap();
        fs::create_dir_all(world.folder()).unwrap();
        // The name of the first object is known: the same records make the same bytes.
        let name = files(&twin.folder()).into_keys().find(|n| n.ends_with(".zst")).unwrap();
        let (path, aside) = (world.folder().join(&name), world.home.path().join("aside"));
        fs::write(&aside, "precious").unwrap();
        if what == "link" {
            symlink(&aside, &path).unwrap();
        } else {
            fs::copy(&aside, &path).unwrap();
        }
        let run = world.archive(Seal::Now);
        let refused = matches!(run, Err(ArchiveError::Vault(VaultError::Differs { .. })));
        assert!(refused, "{run:?}");
        assert_eq!(fs::read(&aside).unwrap(), b"precious");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}

#[test]
fn a_link_in_the_place_of_the_ledgers_folder_is_not_followed() {
    let world = World::filled(20);
    let elsewhere = world.home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir(world.vault_path()).unwrap();
    symlink(&elsewhere, world.folder()).unwrap();
    let run = world.archive(Seal::Now);
    assert!(matches!(run, Err(ArchiveError::Vault(VaultError::Strange { .. }))), "{run:?}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn unfinished_files_and_those_of_others_do_not_matter() {
    let world = archived();
    let folder = world.folder();
    fs::write(folder.join(".tmp-0123456789abcdef"), "unfinished").unwrap();
    fs::write(folder.join(".tmp-somebody-elses"), "x").unwrap();
    fs::write(folder.join("README"), "x").unwrap();
    assert_eq!(world.archive(Seal::Now).unwrap().archived, world.size());
    assert!(!folder.join(".tmp-0123456789abcdef").exists(), "room for what counts");
    assert!(folder.join(".tmp-somebody-elses").exists() && folder.join("README").exists());
}

/// Flips one bit of every chosen row, each in a database of its own, and archives. Gives how many of
/// them the engine itself refused to read, how many the archiver found, and how many did not matter.
fn damage(world: &World, space: Space, places: usize) -> (usize, usize, usize) {
    let rows: Vec<_> = world.disk.contents().into_iter().filter(|(s, ..)| *s == space).collect();
    assert!(!rows.is_empty(), "{space:?} has no rows");
    let (mut refused, mut found, mut harmless) = (0, 0, 0);
    for (_, key, value) in &rows {
        for place in 0..places {
            let at = value.len() * place / places;
            let mut bad = value.clone();
            bad[at] ^= 1;
            let copy = world.copy(|disk| disk.tamper(space, key, Some(&bad)));
            match copy.archive(Seal::Now) {
                Err(ArchiveError::Engine(ReadError::Corrupt(_))) => refused += 1,
                Err(ArchiveError::Pack(PackError::Damaged { .. })) => found += 1,
                Ok(summary) => {
                    // Then the vault must be as if nothing had been changed.
                    copy.assert_good(summary.archived);
                    harmless += 1;
                }
                Err(error) => panic!("{space:?}, byte {at}: {error}"),
            }
        }
    }
    (refused, found, harmless)
}

#[test]
fn a_damaged_record_of_the_database_is_not_archived() {
    let world = World::new(SignPer::Record);
    append(&world.engine, LEDGER, 60, 200);
    let (refused, found, harmless) = damage(&world, Space::Bodies, 60);
    assert!(found > 20, "{found} found, {refused} refused by the engine");
    assert_eq!(harmless, 0);
}

#[test]
fn a_damaged_tree_is_never_signed_into_a_manifest() {
    let world = World::new(SignPer::Record);
    // A segment holds fewer of these than there are leaves between two places that are damaged, so that
    // every one of them lies in a tree that is signed.
    append(&world.engine, LEDGER, 700, 200);
    for space in [Space::Tiles, Space::Nodes] {
        let (refused, found, harmless) = damage(&world, space, 8);
        let seen = refused + found;
        assert!(seen > 10 && seen > 10 * harmless, "{space:?}: {seen} seen, {harmless} harmless");
    }
}
