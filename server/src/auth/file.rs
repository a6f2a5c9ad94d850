//! The files behind the tokens: written whole through a temporary file, never in place.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indelible_core::hash::Sha256Hash;
use indelible_ledger::folder::{FolderError, create_secret, replace_file};
use indelible_ledger::{Principal, Proof, Tenant};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    ADMIN_TOKEN_FILE, ADMIN_TOKEN_NAME, Grant, Scope, TOKENS_FILE, TOKENS_MAX, TokenError,
};

/// Random bytes in a token.
const TOKEN_ENTROPY_BYTES: usize = 32;
/// What every token begins with, so that scanners for leaked secrets can find it.
const TOKEN_PREFIX: &str = "indelible_";
/// Largest `tokens.json` in bytes: 800 for each token, some 300 more than one with a few ledgers takes.
const TOKENS_FILE_BYTES_MAX: u64 = 16_000_000;
/// Longest name of a token in bytes: it stands in tables, logs and records.
const TOKEN_NAME_BYTES_MAX: usize = 100;

/// A token as it stands in `tokens.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Who uses it; unique.
    pub name: String,
    /// SHA-256 of the token, hex.
    pub sha256: String,
    /// `append`, `read`, `admin`.
    pub scopes: Vec<String>,
    /// Ledger names, or prefixes ending in `*`; absent for all ledgers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledgers: Option<Vec<String>>,
    /// The tenant whom it writes for, whichever ledger it writes to; absent for that of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenList {
    tokens: Vec<Stored>,
}

impl Stored {
    /// The hash of the token, and what it allows.
    pub(super) fn grant(&self, dir: &Path) -> Result<([u8; 32], Grant), TokenError> {
        let invalid = |reason: String| TokenError::Invalid { path: dir.join(TOKENS_FILE), reason };
        let sha256 = Sha256Hash::from_hex(&self.sha256)
            .map_err(|error| invalid(format!("sha256 of `{}` is {error}", self.name)))?;
        let scopes = self
            .scopes
            .iter()
            .map(|text| {
                Scope::parse(text).ok_or_else(|| {
                    invalid(format!("`{text}` of `{}` is not append, read or admin", self.name))
                })
            })
            .collect::<Result<_, _>>()?;
        let principal = principal(&self.name, self.tenant.as_deref())
            .map_err(|error| invalid(format!("`{}`: {error}", self.name.escape_debug())))?;
        Ok((*sha256.as_bytes(), Grant { principal, scopes, ledgers: self.ledgers.clone() }))
    }
}

/// Who has a token of that name.
pub(super) fn principal(name: &str, tenant: Option<&str>) -> Result<Principal, TokenError> {
    let none = |error: indelible_ledger::PrincipalError| TokenError::Name(error.to_string());
    let tenant = tenant.map(Tenant::new).transpose().map_err(none)?;
    Principal::new(Proof::Token, name, tenant).map_err(none)
}

/// What shows that a file changed: inode (every change is a new file), size and time.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Stamp([Option<(u64, u64, i64, i64)>; 2]);

pub(super) fn stamp(dir: &Path) -> Stamp {
    Stamp([ADMIN_TOKEN_FILE, TOKENS_FILE].map(|name| {
        let meta = fs::metadata(dir.join(name)).ok()?;
        Some((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
    }))
}

/// The tokens of a data folder, the admin token not among them.
///
/// # Errors
/// [`TokenError`] when the file cannot be read or is not of this program's form.
pub fn list_tokens(dir: &Path) -> Result<Vec<Stored>, TokenError> {
    let path = dir.join(TOKENS_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TokenError::Io { path, error }),
    };
    let mut text = String::new();
    file.take(TOKENS_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| TokenError::Io { path: path.clone(), error })?;
    if text.len() as u64 > TOKENS_FILE_BYTES_MAX {
        let reason = format!("larger than {TOKENS_FILE_BYTES_MAX} bytes");
        return Err(TokenError::Invalid { path, reason });
    }
    let list: TokenList = serde_json::from_str(&text)
        .map_err(|error| TokenError::Invalid { path: path.clone(), reason: error.to_string() })?;
    if list.tokens.len() > TOKENS_MAX {
        let reason = format!("more than {TOKENS_MAX} tokens");
        return Err(TokenError::Invalid { path, reason });
    }
    // Records and logs tell principals by their names.
    let mut names = HashSet::with_capacity(list.tokens.len() + 1);
    names.insert(ADMIN_TOKEN_NAME);
    if let Some(twice) = list.tokens.iter().find(|stored| !names.insert(&stored.name)) {
        let reason = format!("two tokens are named `{}`", twice.name.escape_debug());
        return Err(TokenError::Invalid { path, reason });
    }
    Ok(list.tokens)
}

/// Makes a token, stores its hash and gives the token back: it cannot be shown again.
///
/// `ledgers` are names, or prefixes ending in `*`; `None` reaches all ledgers. `tenant` is whom it writes
/// for; `None` is the tenant of the ledger.
///
/// # Errors
/// [`TokenError::Name`] when the name is taken, empty or has control characters, when the tenant is none,
/// or when there are [`TOKENS_MAX`] already.
pub fn create_token(
    dir: &Path,
    name: &str,
    scopes: &[Scope],
    ledgers: Option<Vec<String>>,
    tenant: Option<&str>,
) -> Result<String, TokenError> {
    if name.is_empty() || name.len() > TOKEN_NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let reason = format!(
            "a token's name is 1 to {TOKEN_NAME_BYTES_MAX} bytes without control characters"
        );
        return Err(TokenError::Name(reason));
    }
    principal(name, tenant)?;
    if scopes.is_empty() {
        return Err(TokenError::Name("a token without a scope can do nothing".into()));
    }
    let _lock = lock(dir)?;
    let mut tokens = list_tokens(dir)?;
    if name == ADMIN_TOKEN_NAME || tokens.iter().any(|stored| stored.name == name) {
        return Err(TokenError::Name(format!("there is a token named `{name}` already")));
    }
    if tokens.len() >= TOKENS_MAX {
        return Err(TokenError::Name(format!("there are {TOKENS_MAX} tokens already")));
    }
    let token = random_token()?;
    tokens.push(Stored {
        name: name.to_owned(),
        sha256: Sha256Hash(Sha256::digest(token.as_bytes()).into()).to_hex(),
        scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        ledgers,
        tenant: tenant.map(str::to_owned),
    });
    write_list(dir, tokens)?;
    Ok(token)
}

/// Takes a token's rights away. Says whether there was one of that name.
///
/// # Errors
/// [`TokenError`] when the file cannot be read or written.
pub fn revoke_token(dir: &Path, name: &str) -> Result<bool, TokenError> {
    let _lock = lock(dir)?;
    let mut tokens = list_tokens(dir)?;
    let before = tokens.len();
    tokens.retain(|stored| stored.name != name);
    if tokens.len() == before {
        return Ok(false);
    }
    write_list(dir, tokens)?;
    Ok(true)
}

/// Two programs that change the list at once must not lose one change.
fn lock(dir: &Path) -> Result<File, TokenError> {
    let path = dir.join(".tokens.lock");
    let io = |error| TokenError::Io { path: path.clone(), error };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    file.lock().map_err(io)?;
    Ok(file)
}

fn write_list(dir: &Path, tokens: Vec<Stored>) -> Result<(), TokenError> {
    let path = dir.join(TOKENS_FILE);
    let mut text = serde_json::to_vec_pretty(&TokenList { tokens })
        .map_err(|error| TokenError::Invalid { path: path.clone(), reason: error.to_string() })?;
    text.push(b'\n');
    Ok(replace_file(&path, &text)?)
}

pub(super) fn read_admin_token(dir: &Path) -> Result<String, TokenError> {
    let path = dir.join(ADMIN_TOKEN_FILE);
    let io = |error| TokenError::Io { path: path.clone(), error };
    let file = File::open(&path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Exposed { path, mode });
    }
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).map_err(io)?;
    let token = text.trim().to_owned();
    if token.len() < TOKEN_ENTROPY_BYTES {
        let reason = "holds no token of at least 32 characters; delete it to get a new one at the next start";
        return Err(TokenError::Invalid { path, reason: reason.into() });
    }
    Ok(token)
}

pub(super) fn ensure_admin_token(dir: &Path) -> Result<(), TokenError> {
    let path = dir.join(ADMIN_TOKEN_FILE);
    if path.exists() {
        return Ok(());
    }
    let token = random_token()?;
    match create_secret(&path, format!("{token}\n").as_bytes()) {
        // Another process was faster.
        Ok(()) | Err(FolderError::Exists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn random_token() -> Result<String, TokenError> {
    let mut bytes = [0u8; TOKEN_ENTROPY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| TokenError::Random(error.to_string()))?;
    Ok(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
