//! What was checked, so that it can be told from everything else: sizes and SHA-256.
//!
//! A vault is named by one hash over its manifests; each manifest states the hash of its segment, and
//! the check has compared the two. Who wants to see the same number needs no program of ours:
//! `cd VAULT; sha256sum */*.manifest | sha256sum` with names in the order of their bytes (`LC_ALL=C`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use indelible_core::hash::Sha256Hash;
use indelible_core::limits::MANIFEST_BYTES_MAX;
use indelible_core::name::LedgerName;
use indelible_core::segment::FileName;
use sha2::{Digest as _, Sha256};

use crate::render::{Input, counted};
use crate::vault::folder::{Folder, Kind};

/// Manifests that a vault's hash is made over: 17 * 10^9 records in whole segments. Their names take
/// some 30 MB.
const MANIFESTS_MAX: usize = 1 << 18;

/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 18;

/// Size and hash of bytes that were read already.
#[must_use]
pub fn of_bytes(what: impl Into<String>, bytes: &[u8]) -> Input {
    let hash = Sha256Hash(Sha256::digest(bytes).into());
    Input {
        what: what.into(),
        size: Some(bytes.len() as u64),
        sha256: Some(hash.to_hex()),
        remark: String::new(),
    }
}

/// Size and hash of a file. One that is no regular file can be read only once and is not hashed.
#[must_use]
pub fn of_file(path: &Path) -> Input {
    let mut input =
        Input { what: path.display().to_string(), size: None, sha256: None, remark: String::new() };
    match hash_file(path) {
        Ok(Some((size, hash))) => {
            input.size = Some(size);
            input.sha256 = Some(hash.to_hex());
        }
        Ok(None) => "it is no regular file, and was read only once".clone_into(&mut input.remark),
        Err(error) => input.remark = format!("not hashed: {error}"),
    }
    input
}

fn hash_file(path: &Path) -> io::Result<Option<(u64, Sha256Hash)>> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some((size, Sha256Hash(hash.finalize().into())))),
            Ok(count) => {
                size += count as u64;
                hash.update(buffer.get(..count).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The manifests and segments of a vault; of `ledgers` only, unless there are none.
#[must_use]
pub fn of_vault(path: &Path, ledgers: &[LedgerName]) -> Vec<Input> {
    let mut sum = Sum::default();
    let result = Folder::open(path).and_then(|vault| sum.vault(&vault, ledgers));
    let manifests = format!("{} in {}", counted(sum.manifests as u64, "manifest"), path.display());
    let remark = match result {
        Err(error) => format!("not hashed: {error}"),
        Ok(()) if sum.too_many => format!("not hashed: there are more than {MANIFESTS_MAX}"),
        Ok(()) if sum.unread > 0 => format!("not hashed: {} could not be read", sum.unread),
        Ok(()) => {
            "the SHA-256 of what sha256sum prints for them, in the order of their names".into()
        }
    };
    let hashed = !remark.starts_with("not");
    let hash = Sha256Hash(sum.hash.finalize().into());
    vec![
        Input {
            what: manifests,
            size: Some(sum.manifest_bytes),
            sha256: hashed.then(|| hash.to_hex()),
            remark,
        },
        Input {
            what: format!("{} in {}", counted(sum.segments, "segment"), path.display()),
            size: Some(sum.segment_bytes),
            sha256: None,
            remark: "each manifest states the SHA-256 of its segment, and both were compared"
                .into(),
        },
    ]
}

#[derive(Default)]
struct Sum {
    hash: Sha256,
    manifests: usize,
    manifest_bytes: u64,
    segments: u64,
    segment_bytes: u64,
    unread: u64,
    too_many: bool,
}

impl Sum {
    fn vault(&mut self, vault: &Folder, ledgers: &[LedgerName]) -> io::Result<()> {
        let wanted = |name: &str| {
            LedgerName::is_valid(name)
                && (ledgers.is_empty() || ledgers.iter().any(|ledger| **ledger == *name))
        };
        let mut names = Vec::new();
        vault.list(|name, kind| {
            if let (Some(name), Kind::Folder) = (name.to_str().filter(|name| wanted(name)), kind) {
                names.push(name.to_owned());
            }
            names.len() < MANIFESTS_MAX
        })?;
        names.sort_unstable();
        for name in &names {
            match vault.folder(name.as_ref()) {
                Ok(folder) => self.ledger(&folder, name)?,
                Err(_) => self.unread += 1,
            }
            if self.too_many {
                break;
            }
        }
        Ok(())
    }

    fn ledger(&mut self, folder: &Folder, ledger: &str) -> io::Result<()> {
        let (mut manifests, mut segments) = (Vec::new(), Vec::new());
        let room = MANIFESTS_MAX.saturating_sub(self.manifests);
        folder.list(|name, _| {
            match name.to_str().and_then(|name| Some((name, FileName::parse(name)?))) {
                Some((name, FileName::Manifest { .. })) => manifests.push(name.to_owned()),
                Some((name, FileName::Object { .. })) => segments.push(name.to_owned()),
                None => {}
            }
            manifests.len() + segments.len() < room * 2
        })?;
        self.too_many = manifests.len() + segments.len() >= room * 2;
        manifests.sort_unstable();
        for name in &manifests {
            self.manifests += 1;
            let Ok(bytes) = folder.read(name, MANIFEST_BYTES_MAX) else {
                self.unread += 1;
                continue;
            };
            self.manifest_bytes += bytes.len() as u64;
            let hash = Sha256Hash(Sha256::digest(&bytes).into());
            self.hash.update(format!("{}  {ledger}/{name}\n", hash.to_hex()));
        }
        for name in &segments {
            if let Ok((_, size)) = folder.file(name) {
                self.segments += 1;
                self.segment_bytes = self.segment_bytes.saturating_add(size);
            }
        }
        Ok(())
    }
}
