//! The data folder: is it one, whose is it, is the key sound, is there room, who holds it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use indelible_core::key::VKey;
use indelible_ledger::Signer;
use indelible_ledger::folder::{DataFolder, FolderError};
use indelible_ledger::signer::LocalEd25519;

use super::{Finding, bad, database, good, look};
use crate::auth::ADMIN_TOKEN_FILE;
use crate::config::Config;
use crate::serve::{PUBLIC_KEY_FILE, SIGNING_KEY_FILE};

/// Less free space than this makes a disk full before anyone looks.
const FREE_BYTES_LOW: u64 = 1 << 30;
/// A server does not start to write with less.
const FREE_BYTES_NONE: u64 = 64 << 20;
/// Files written on another machine may be this far ahead.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

/// Whether a server is running on the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    Yes,
    No,
    Unknown,
}

/// Looks at everything in the folder.
pub(super) fn examine(config: &Config, deep: bool, findings: &mut Vec<Finding>) -> Running {
    let dir = config.data_dir.as_path();
    let shown = dir.display();
    let meta = match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => meta,
        Ok(_) => {
            findings.push(bad(
                "folder",
                format!("{shown} is not a folder"),
                "name another with --data",
            ));
            return Running::No;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let found = format!("{shown} does not exist");
            findings.push(look(
                "folder",
                found,
                format!("the first start makes it: indelible serve --data {shown}"),
            ));
            return Running::No;
        }
        Err(error) => {
            findings.push(bad(
                "folder",
                format!("{shown}: {error}"),
                "run this as the server's user",
            ));
            return Running::Unknown;
        }
    };
    findings.push(format_of(dir));
    findings.push(permissions(dir, &meta, config));
    findings.push(key(dir));
    findings.extend(signers(dir, config));
    findings.push(token(dir));
    let running = lock(dir, findings);
    if dir.join("db").exists() {
        database::examine(dir, config.open_timeout, deep, findings);
    }
    findings.push(space(dir));
    findings.push(clock(dir));
    findings.extend(held(dir));
    running
}

fn format_of(dir: &Path) -> Finding {
    let shown = dir.display();
    match DataFolder::check(dir) {
        Ok(()) => good("folder", format!("{shown} holds data of this version")),
        Err(FolderError::Missing { .. }) => look(
            "folder",
            format!("{shown} holds no data yet"),
            format!("the first start fills it: indelible serve --data {shown}"),
        ),
        Err(error) => bad("folder", error.to_string(), "a server does not start on it"),
    }
}

fn permissions(dir: &Path, meta: &fs::Metadata, config: &Config) -> Finding {
    let mode = meta.permissions().mode() & 0o777;
    let shown = dir.display();
    let access = config.data_access;
    let mine = rustix::process::geteuid().as_raw();
    let writable =
        rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    match writable {
        Err(error) => bad(
            "permissions",
            format!(
                "this user ({mine}) cannot write to {shown} (owner {}, mode {mode:03o}): {error}",
                meta.uid()
            ),
            "run as the owner, or make the folder writable; a read-only disk shows like this too",
        ),
        Ok(()) if !access.allows(mode) => bad(
            "permissions",
            format!("others may use {shown} (mode {mode:03o}), so a server does not start on it"),
            format!("{}, or allow it with data.mode", access.command(dir)),
        ),
        Ok(()) => match access.check(dir) {
            Ok(()) => good("permissions", format!("no more than is configured (mode {mode:03o})")),
            Err(error) => bad("permissions", error.to_string(), "a server does not start on it"),
        },
    }
}

fn key(dir: &Path) -> Finding {
    let path = dir.join(SIGNING_KEY_FILE);
    if !path.exists() {
        return look("key", "there is no signing.key yet", "the first start makes one");
    }
    let key = match LocalEd25519::load(&path) {
        Ok(key) => key.note_key(),
        Err(error) => {
            return bad("key", error.to_string(), "without its key a server does not start");
        }
    };
    let vkey_path = dir.join(PUBLIC_KEY_FILE);
    let vkey = fs::read_to_string(&vkey_path).ok().and_then(|text| VKey::parse_file(&text).ok());
    match vkey {
        Some(vkey) if vkey.note_key() == Some(&key) => {
            good("key", format!("{} as {}", key.key_id().as_str(), vkey.name()))
        }
        Some(_) => bad(
            "key",
            "public.vkey holds another key than signing.key",
            "find out who changed which; auditors have the public key",
        ),
        None => look(
            "key",
            "signing.key is sound, public.vkey is missing",
            "the next start writes it again",
        ),
    }
}

/// The signers beside the one of the data folder.
fn signers(dir: &Path, config: &Config) -> Vec<Finding> {
    // What is wrong with the folder's own key is said already.
    let Ok(own) = LocalEd25519::load(&dir.join(SIGNING_KEY_FILE)) else { return Vec::new() };
    let loaded = match crate::signers::load(own, &config.signers) {
        Ok(loaded) => loaded,
        Err(error) => {
            return vec![bad("signers", error.to_string(), "a server does not start with these")];
        }
    };
    if let Err(error) = loaded.check(dir) {
        return vec![bad("signers", error.to_string(), "a server does not start with these")];
    }
    let absent = loaded.absent.iter().map(|(name, path)| {
        look(
            "signers",
            format!("the key file {} of '{name}' is not there", path.display()),
            "its ledgers can only be read; put the key back and start the server again",
        )
    });
    let absent: Vec<Finding> = absent.collect();
    let there = config.signers.len() - absent.len();
    let mut findings = absent;
    if there > 0 {
        findings.push(good("signers", format!("{there} beside the data folder's own")));
    }
    findings
}

fn token(dir: &Path) -> Finding {
    let path = dir.join(ADMIN_TOKEN_FILE);
    match fs::metadata(&path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => bad(
            "admin token",
            format!(
                "{} can be read by others (mode {:03o})",
                path.display(),
                meta.permissions().mode() & 0o777
            ),
            format!("chmod 600 {}; replace it if in doubt", path.display()),
        ),
        Ok(_) => good("admin token", path.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            look("admin token", "there is none yet", "the first start makes one")
        }
        Err(error) => bad(
            "admin token",
            format!("{}: {error}", path.display()),
            "run this as the server's user",
        ),
    }
}

/// Asks for the locks that a server holds, for a moment and together with other askers.
fn lock(dir: &Path, findings: &mut Vec<Finding>) -> Running {
    match DataFolder::is_in_use(dir) {
        Ok(true) if dir.join("lock").exists() => {
            findings.push(good("lock", "a server is running on this folder"));
            Running::Yes
        }
        Ok(true) => {
            let advice = "stop the server; it takes nothing more, since somebody changes the folder under it";
            findings.push(bad(
                "lock",
                "a server is running, but its lock file was removed",
                advice,
            ));
            Running::Yes
        }
        Ok(false) => {
            findings.push(good("lock", "no server is running on this folder"));
            Running::No
        }
        Err(error @ FolderError::Permission { .. }) => {
            findings.push(look("lock", error.to_string(), "run this as the server's user"));
            Running::Unknown
        }
        Err(error) => {
            let advice =
                "some network file systems have no locks; a ledger belongs on a local disk";
            findings.push(bad("lock", error.to_string(), advice));
            Running::Unknown
        }
    }
}

fn space(dir: &Path) -> Finding {
    let free = match rustix::fs::statvfs(dir) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => return look("disk", error.to_string(), "free space could not be read"),
    };
    let found = format!("{:.1} GiB free", free as f64 / f64::from(1 << 30));
    if free < FREE_BYTES_NONE {
        bad("disk", found, "make room; a full disk stops the ledger, nothing is lost")
    } else if free < FREE_BYTES_LOW {
        look("disk", found, "make room soon; a full disk stops the ledger")
    } else {
        good("disk", found)
    }
}

/// A clock behind the files that it dated has been set back; the ledger would keep its old time.
fn clock(dir: &Path) -> Finding {
    let newest = ["head", "format", "lock"]
        .iter()
        .filter_map(|name| fs::metadata(dir.join(name)).ok()?.modified().ok())
        .max();
    let now = SystemTime::now();
    match newest.and_then(|newest| newest.duration_since(now + CLOCK_SLACK).ok()) {
        Some(ahead) => bad(
            "clock",
            format!("the clock is {} s behind the last write of the server", ahead.as_secs()),
            "set the clock; until then new records get the time of the last one",
        ),
        None => good("clock", "not behind the last write of the server"),
    }
}

/// A jump of the clock that the server saw and nobody has accepted.
fn held(dir: &Path) -> Option<Finding> {
    dir.join("clock.held").exists().then(|| {
        bad(
            "clock",
            "the clock jumped ahead while the server ran, and appends are refused",
            "set the clock right, or accept it: indelible clock accept",
        )
    })
}
