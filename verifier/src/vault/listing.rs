//! What lies in a vault, found without trusting names, kinds or numbers of files.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::io;

use indelible_core::name::{LedgerName, Seq};
use indelible_core::segment::{FileName, Run, TMP_PREFIX};

use super::folder::{Folder, Kind};

/// Ledgers in one vault. More than anybody has, and their names still fit into 20 MB.
pub(crate) const LEDGERS_MAX: usize = 100_000;

/// Manifests of one ledger: 2.6 * 10^11 records in whole segments, or one sealed every minute for eight
/// years. Their numbers take 64 MiB.
pub(crate) const MANIFESTS_MAX: usize = 4 << 20;

/// Digits of a sequence number in the name of a file.
const DIGITS: usize = 20;

/// The ledger folders of a vault, and what else was there.
#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    /// Names, sorted.
    pub(crate) names: Vec<String>,
    /// Links with the name of a ledger.
    pub(crate) links: Names,
    /// Folders that hold evidence, but have no name of a ledger.
    pub(crate) misnamed: Names,
    /// Folders of other names that could not be read, with the reason.
    pub(crate) unreadable: Names,
    /// What is no evidence.
    pub(crate) strange: Names,
    /// Whether there are more ledgers than [`LEDGERS_MAX`].
    pub(crate) too_many: bool,
}

/// Names that are spoken of: all counted, some kept.
#[derive(Debug, Default)]
pub(crate) struct Names {
    kept: Vec<String>,
    pub(crate) count: u64,
}

/// Names of one sort that are kept. The rest are like them.
const NAMES_KEPT: usize = 1000;

impl Names {
    fn push(&mut self, name: String) {
        self.count += 1;
        if self.kept.len() < NAMES_KEPT {
            self.kept.push(crate::limits::cut(name));
        }
    }

    /// What was kept, sorted.
    pub(crate) fn sorted(mut self) -> (Vec<String>, u64) {
        self.kept.sort_unstable();
        (self.kept, self.count)
    }
}

impl Ledgers {
    pub(crate) fn read(vault: &Folder, wants: impl Fn(&str) -> bool) -> io::Result<Self> {
        let mut found = Self::default();
        vault.list(|name, kind| {
            let ledger = name.to_str().filter(|name| LedgerName::is_valid(name));
            match (ledger, kind) {
                (Some(name), _) if !wants(name) => {}
                (Some(name), Kind::Folder) => {
                    found.too_many = found.names.len() >= LEDGERS_MAX;
                    if !found.too_many {
                        found.names.push(name.to_owned());
                    }
                }
                (Some(name), Kind::Link) => found.links.push(name.to_owned()),
                (None, Kind::Folder) => found.strange_folder(vault, name),
                _ => found.strange.push(format!("{name:?}")),
            }
            !found.too_many
        })?;
        found.names.sort_unstable();
        Ok(found)
    }

    /// A folder that cannot be a ledger's may be one that was renamed.
    fn strange_folder(&mut self, vault: &Folder, name: &OsStr) {
        let mut evidence = false;
        let listed = vault.folder(name).map_err(|error| error.to_string()).and_then(|folder| {
            let listed = folder.list(|name, _| {
                evidence = !matches!(Sort::of(name), Sort::Unfinished | Sort::Strange);
                !evidence
            });
            listed.map_err(|error| error.to_string())
        });
        match listed {
            Ok(()) if evidence => self.misnamed.push(format!("{name:?}")),
            Ok(()) => self.strange.push(format!("{name:?}")),
            Err(why) => self.unreadable.push(format!("{name:?}: {why}")),
        }
    }
}

/// The name of a manifest that names no run of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OddName {
    pub(crate) first: u128,
    pub(crate) last: u128,
}

impl OddName {
    pub(crate) fn file(self) -> String {
        format!("{:020}-{:020}.manifest", self.first, self.last)
    }
}

/// The name of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManifestName {
    Run(Run),
    Odd(OddName),
}

/// What a name in a ledger's folder is.
#[derive(Debug, PartialEq, Eq)]
enum Sort {
    Manifest(ManifestName),
    Segment,
    Unfinished,
    AlmostNamed,
    Strange,
}

impl Sort {
    fn of(name: &OsStr) -> Self {
        match name.to_str() {
            Some(text) if text.starts_with(TMP_PREFIX) => Self::Unfinished,
            Some(text) => match (manifest(text), FileName::parse(text)) {
                (Some(manifest), _) => Self::Manifest(manifest),
                (None, Some(_)) => Self::Segment,
                (None, None) if is_segment(text) => Self::Segment,
                (None, None) => Self::other(name),
            },
            None => Self::other(name),
        }
    }

    fn other(name: &OsStr) -> Self {
        if is_almost_named(name) { Self::AlmostNamed } else { Self::Strange }
    }
}

/// A name of twenty digits, a dash, twenty digits and `.manifest`.
fn manifest(name: &str) -> Option<ManifestName> {
    let (first, last) = numbers(name.strip_suffix(".manifest")?)?;
    let seq = |number: u128| u64::try_from(number).ok().and_then(|number| Seq::new(number).ok());
    let run = seq(first).zip(seq(last)).and_then(|(first, last)| Run::new(first, last));
    Some(run.map_or(ManifestName::Odd(OddName { first, last }), ManifestName::Run))
}

/// A name of twenty digits, a dash, twenty digits, sixteen hex digits and `.jsonl.zst`.
fn is_segment(name: &str) -> bool {
    let parts = name.strip_suffix(".jsonl.zst").and_then(|name| name.split_once('.'));
    let hex = |text: &str| {
        text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    parts.is_some_and(|(stem, packed)| numbers(stem).is_some() && hex(packed))
}

fn numbers(stem: &str) -> Option<(u128, u128)> {
    let (first, last) = stem.split_once('-')?;
    let number = |digits: &str| {
        let exact = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        if exact { digits.parse().ok() } else { None }
    };
    Some((number(first)?, number(last)?))
}

/// Whether a name that is not exactly a manifest's or a segment's was probably meant as one.
fn is_almost_named(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    let begins = name.split('-').next().is_some_and(|first| {
        first.chars().count() >= 16 && first.bytes().filter(u8::is_ascii_digit).count() >= 16
    });
    begins || name.contains("manifest") || name.contains(".jsonl") || name.ends_with(".zst")
}

/// The files of one ledger's folder.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The runs that have a manifest, sorted.
    pub(crate) runs: Vec<Run>,
    /// The names of manifests that name no run, sorted.
    odd: Vec<OddName>,
    /// How many segment files there are.
    pub(crate) objects: u64,
    /// Unfinished writes, which mean nothing.
    pub(crate) unfinished: u64,
    /// What is almost named like evidence.
    pub(crate) almost: Names,
    /// What is no evidence.
    pub(crate) strange: Names,
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
        found.runs.sort_unstable();
        found.odd.sort_unstable();
        Ok(found)
    }

    fn entry(&mut self, name: &OsStr) {
        match Sort::of(name) {
            Sort::Manifest(_) if self.count() >= MANIFESTS_MAX as u64 => self.too_many = true,
            Sort::Manifest(ManifestName::Run(run)) => self.runs.push(run),
            Sort::Manifest(ManifestName::Odd(odd)) => self.odd.push(odd),
            Sort::Segment => self.objects += 1,
            Sort::Unfinished => self.unfinished += 1,
            Sort::AlmostNamed => self.almost.push(shown(name)),
            Sort::Strange => self.strange.push(shown(name)),
        }
    }

    /// How many manifests there are.
    pub(crate) fn count(&self) -> u64 {
        (self.runs.len() + self.odd.len()) as u64
    }

    /// Whether no other manifest's name comes behind that of a run.
    pub(crate) fn is_last(&self, run: Run) -> bool {
        let numbers = (u128::from(run.first().get()), u128::from(run.last().get()));
        let odd_is_behind = self.odd.last().is_some_and(|odd| (odd.first, odd.last) >= numbers);
        self.runs.last() == Some(&run) && !odd_is_behind
    }

    /// The names of the manifests in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = ManifestName> {
        let mut runs = self.runs.iter().copied().peekable();
        let mut odd = self.odd.iter().copied().peekable();
        core::iter::from_fn(move || {
            let odd_is_next = match (runs.peek(), odd.peek()) {
                (Some(run), Some(odd)) => {
                    let numbers = (u128::from(run.first().get()), u128::from(run.last().get()));
                    (odd.first, odd.last).cmp(&numbers) == Ordering::Less
                }
                (None, Some(_)) => true,
                _ => false,
            };
            if odd_is_next {
                odd.next().map(ManifestName::Odd)
            } else {
                runs.next().map(ManifestName::Run)
            }
        })
    }
}

fn shown(name: &OsStr) -> String {
    let name: OsString = name.to_owned();
    name.into_string().unwrap_or_else(|name| format!("{name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_manifest_is_not_taken_for_rubbish() {
        for bad in [
            "00000000000000000000-00000000000000000099.manifes",
            "0000000000000000000-00000000000000000099.manifest",
            "00000000000000000000-00000000000000000099.0123456789ABCDEF.jsonl.zst",
            "00000000000000000000-00000000000000000099.Manifest",
            "old.manifest",
            "1234567890123456",
        ] {
            assert_eq!(Sort::of(bad.as_ref()), Sort::AlmostNamed, "{bad}");
        }
        for rubbish in ["README.md", ".DS_Store", "notes-2026.txt", "123456789012345-6"] {
            assert_eq!(Sort::of(rubbish.as_ref()), Sort::Strange, "{rubbish}");
        }
        assert_eq!(Sort::of(".tmp-x.manifest".as_ref()), Sort::Unfinished);
    }

    #[test]
    fn names_of_manifests_come_in_the_order_of_their_numbers() {
        let mut files = Files::default();
        for name in [
            "00000000000000000010-00000000000000000019.manifest",
            "99999999999999999999-99999999999999999999.manifest",
            "00000000000000000000-00000000000000065536.manifest",
            "00000000000000000000-00000000000000000009.manifest",
            "00000000000000000012-00000000000000000009.manifest",
        ] {
            files.entry(name.as_ref());
        }
        files.runs.sort_unstable();
        files.odd.sort_unstable();
        let first = |name| match name {
            ManifestName::Run(run) => (u128::from(run.first().get()), true),
            ManifestName::Odd(odd) => (odd.first, false),
        };
        let names: Vec<_> = files.names().map(first).collect();
        let last = 99_999_999_999_999_999_999;
        assert_eq!(names, [(0, true), (0, false), (10, true), (12, false), (last, false)]);
    }
}
