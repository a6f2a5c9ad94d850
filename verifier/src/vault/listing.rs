//! What lies in a vault, found without trusting names, kinds or numbers of files.

use std::ffi::OsStr;
use std::io;

use indelible_core::name::LedgerName;
use indelible_core::segment::{FileName, Run, TMP_PREFIX};

use super::folder::{Folder, Kind};

/// Ledgers in one vault. More than anybody has, and their names still fit into 100 MB.
pub(crate) const LEDGERS_MAX: usize = 100_000;

/// Manifests of one ledger: 2.6 * 10^11 records in whole segments, or one sealed every minute for eight
/// years. Their numbers take 64 MiB.
pub(crate) const MANIFESTS_MAX: usize = 4 << 20;

/// Entries of a folder with a strange name that are looked at to tell evidence from rubbish.
const STRANGE_LOOKED_AT: usize = 10_000;

/// The ledger folders of a vault, and what else was there.
#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    /// Names, sorted.
    pub(crate) names: Vec<String>,
    /// What looks like evidence and was not read: what, and why.
    pub(crate) unread: Vec<(String, String)>,
    /// What is no evidence.
    pub(crate) strange: Vec<String>,
    /// Whether there are more ledgers than [`LEDGERS_MAX`].
    pub(crate) too_many: bool,
}

/// Strange names that are listed; the rest are as strange.
const STRANGE_LISTED: usize = 100;

impl Ledgers {
    pub(crate) fn read(vault: &Folder, wanted: &[LedgerName]) -> io::Result<Self> {
        let mut found = Self::default();
        vault.list(|name, kind| {
            let ledger = name.to_str().filter(|name| LedgerName::new(name).is_ok());
            match (ledger, kind) {
                (Some(name), _) if !wanted.is_empty() && !wanted.iter().any(|w| **w == *name) => {}
                (Some(name), Kind::Folder) => {
                    found.too_many = found.names.len() >= LEDGERS_MAX;
                    if !found.too_many {
                        found.names.push(name.to_owned());
                    }
                }
                (Some(name), Kind::Other(what)) => {
                    found.unread(name.to_owned(), format!("a {what} is not followed"));
                }
                (None, Kind::Folder) => found.strange_folder(vault, name),
                _ => found.strange(format!("{name:?} in the vault is not a ledger's folder")),
            }
            !found.too_many
        })?;
        found.names.sort_unstable();
        Ok(found)
    }

    /// A folder that cannot be a ledger's may be one that was renamed.
    fn strange_folder(&mut self, vault: &Folder, name: &OsStr) {
        let holds_evidence = name.to_str().map(|name| {
            let mut looked_at = 0;
            let mut evidence = false;
            vault.folder(name).map_err(|error| error.to_string()).and_then(|folder| {
                let listed = folder.list(|name, _| {
                    looked_at += 1;
                    evidence = looks_like_evidence(name);
                    !evidence && looked_at < STRANGE_LOOKED_AT
                });
                listed.map(|()| evidence).map_err(|error| error.to_string())
            })
        });
        match holds_evidence {
            Some(Ok(false)) => {
                self.strange(format!("{name:?} in the vault is not a ledger's folder"))
            }
            Some(Ok(true)) => {
                let why = "it holds segments, but its name is not one that a ledger can have";
                self.unread(format!("{name:?}"), why.to_owned());
            }
            Some(Err(error)) => self.unread(format!("{name:?}"), error),
            None => self.unread(format!("{name:?}"), "its name is not UTF-8".to_owned()),
        }
    }

    fn unread(&mut self, what: String, why: String) {
        if self.unread.len() < STRANGE_LISTED {
            self.unread.push((what, why));
        }
    }

    fn strange(&mut self, what: String) {
        if self.strange.len() < STRANGE_LISTED {
            self.strange.push(what);
        }
    }
}

/// The files of one ledger's folder.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The runs that have a manifest, sorted.
    pub(crate) manifests: Vec<Run>,
    /// How many segment files there are.
    pub(crate) objects: u64,
    /// Unfinished writes, which mean nothing.
    pub(crate) unfinished: u64,
    /// What looks like evidence by its name and is none that can be read.
    pub(crate) unread: Vec<String>,
    /// What is no evidence.
    pub(crate) strange: Vec<String>,
    /// Whether there are more manifests than [`MANIFESTS_MAX`].
    pub(crate) too_many: bool,
}

impl Files {
    pub(crate) fn read(folder: &Folder) -> io::Result<Self> {
        let mut found = Self::default();
        folder.list(|name, _| {
            found.entry(name);
            !found.too_many
        })?;
        found.manifests.sort_unstable();
        Ok(found)
    }

    fn entry(&mut self, name: &OsStr) {
        match name.to_str().map(|text| (text, FileName::parse(text))) {
            Some((_, Some(FileName::Manifest { run }))) => {
                self.too_many = self.manifests.len() >= MANIFESTS_MAX;
                if !self.too_many {
                    self.manifests.push(run);
                }
            }
            Some((_, Some(FileName::Object { .. }))) => self.objects += 1,
            Some((text, None)) if text.starts_with(TMP_PREFIX) => self.unfinished += 1,
            _ if looks_like_evidence(name) => list(&mut self.unread, name),
            _ => list(&mut self.strange, name),
        }
    }
}

fn list(names: &mut Vec<String>, name: &OsStr) {
    if names.len() < STRANGE_LISTED {
        names.push(format!("{name:?}"));
    }
}

/// Whether a name that is not exactly a manifest's or a segment's was probably meant as one.
fn looks_like_evidence(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    let begins = name.split('-').next().is_some_and(|first| {
        first.len() >= 16 && first.bytes().filter(u8::is_ascii_digit).count() >= 16
    });
    begins || name.contains("manifest") || name.contains(".jsonl") || name.ends_with(".zst")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_manifest_is_not_taken_for_rubbish() {
        let good = "00000000000000000000-00000000000000000099.manifest";
        for bad in [
            "00000000000000000000-00000000000000000099.manifes",
            "0000000000000000000-00000000000000000099.manifest",
            "00000000000000000000-00000000000000065536.manifest",
            "00000000000000000000-00000000000000000099.0123456789ABCDEF.jsonl.zst",
            "old.manifest",
        ] {
            assert!(FileName::parse(bad).is_none(), "{bad}");
            assert!(looks_like_evidence(bad.as_ref()), "{bad}");
        }
        assert!(FileName::parse(good).is_some());
        for rubbish in ["README.md", ".DS_Store", "notes-2026.txt"] {
            assert!(!looks_like_evidence(rubbish.as_ref()), "{rubbish}");
        }
    }
}
