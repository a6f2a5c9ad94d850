//! What the system refuses to give is not checked, and never called anything else: exit code 2.
//!
//! Root may read everything, so where these tests run as root the program runs as somebody else.

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use running::{program, vkey};
use serde_json::Value;
use support::Plan;

/// A user that owns nothing here, whether or not it has a name.
const NOBODY: u32 = 65_534;

/// Evidence that everybody may read, beside a copy of the program that everybody may run.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder };
        let ledger = Plan::new("orders").ledger(30);
        ledger.vault(&scene.path("vault"), &[12]);
        fs::write(scene.path("export"), ledger.export()).unwrap();
        fs::write(scene.path("receipt"), ledger.receipt(5, 31).to_json()).unwrap();
        fs::write(scene.path("head"), ledger.head()).unwrap();
        fs::write(scene.path("public.vkey"), format!("{}\n", vkey())).unwrap();
        fs::copy(program().get_program(), scene.path("program")).unwrap();
        scene.open_up(scene.folder.path());
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open_up(&self, path: &Path) {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| self.open_up(&entry.unwrap().path()));
        }
    }

    /// The one file of the vault's ledger whose name ends so and begins with `first`.
    fn of_ledger(&self, first: u64, end: &str) -> PathBuf {
        let names = fs::read_dir(self.path("vault/orders")).unwrap().map(|entry| entry.unwrap());
        let begin = format!("{first:020}-");
        let mut found = names.filter(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.starts_with(&begin) && name.ends_with(end)
        });
        found.next().unwrap().path()
    }

    /// Runs the program while nobody may read `refused`: exit code, codes of findings, codes of what was
    /// not checked.
    fn without(&self, refused: &Path, what: &str) -> (i32, Vec<String>, Vec<String>) {
        fs::set_permissions(refused, Permissions::from_mode(0o000)).unwrap();
        let mut command = Command::new(self.path("program"));
        command.args([what.as_ref(), self.path(what).as_os_str()]);
        command.args(["--json".as_ref(), "--key".as_ref(), self.path("public.vkey").as_os_str()]);
        command.args(["--head".as_ref(), self.path("head").as_os_str()]);
        if fs::metadata(self.folder.path()).unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().unwrap();
        self.open_up(refused);
        let json: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let codes = |list: &str| {
            let mut codes: Vec<_> = json[list].as_array().unwrap().iter().collect::<Vec<_>>();
            codes.sort_by_key(|one| one["code"].as_str().unwrap().to_owned());
            codes.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
        };
        (output.status.code().unwrap(), codes("findings"), codes("unchecked"))
    }

    #[track_caller]
    fn is_unchecked(&self, refused: &Path, what: &str, expected: &[&str]) {
        let (code, findings, unchecked) = self.without(refused, what);
        let unchecked: Vec<_> = unchecked.iter().map(String::as_str).collect();
        assert_eq!((code, findings), (2, Vec::new()), "{refused:?}: {unchecked:?}");
        assert_eq!(unchecked, expected, "{refused:?}");
    }
}

#[test]
fn what_may_not_be_read_is_not_checked_and_not_missing() {
    let scene = Scene::new();
    let both = ["HEAD_NOT_COMPARED", "UNREADABLE"];
    scene.is_unchecked(&scene.path("vault"), "vault", &both);
    scene.is_unchecked(&scene.path("vault/orders"), "vault", &both);
    scene.is_unchecked(&scene.of_ledger(12, ".manifest"), "vault", &both);
    scene.is_unchecked(&scene.path("export"), "export", &both);
    for what in ["vault", "export", "receipt"] {
        scene.is_unchecked(&scene.path("head"), what, &["UNREADABLE"]);
    }
    scene.is_unchecked(&scene.path("receipt"), "receipt", &["UNREADABLE"]);
}

#[test]
fn a_segment_that_may_not_be_read_leaves_the_signed_heads_comparable() {
    let scene = Scene::new();
    scene.is_unchecked(&scene.of_ledger(12, ".zst"), "vault", &["UNREADABLE"]);
}
