//! Who may do what: bearer tokens with scopes.
//!
//! The first start writes `DIR/admin.token` (mode 0600), which may do everything. Further tokens are
//! in `DIR/tokens.json`, as SHA-256 hashes: whoever reads that file cannot use them. A token is 32
//! random bytes, so a plain hash is enough; slow password hashes guard against guessing, and there is
//! nothing to guess here.
//!
//! The server looks at the file's time and size every second, so a token that the program revokes
//! stops working without a restart.
//!
//! Whoever is found is a [`Principal`], which goes with everything that they ask of the engine.

mod file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use indelible_core::name::LedgerName;
use indelible_ledger::Principal;
use indelible_ledger::folder::FolderError;
use sha2::{Digest as _, Sha256};

pub use file::{Stored, create_token, list_tokens, revoke_token};

/// Name of the file that holds the first token, in the data folder.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";
/// Name of the file that holds the hashes of further tokens, in the data folder.
pub const TOKENS_FILE: &str = "tokens.json";
/// Tokens in the file. What a request costs does not depend on it; reading the file again after a change
/// does, and takes 20 ms or so for ten thousand.
pub const TOKENS_MAX: usize = 20_000;
/// The name of the first token, which no other may have: records and logs tell by it who it was.
const ADMIN_TOKEN_NAME: &str = "admin.token";
/// Longest token that is looked at, in bytes: more is hashed for nobody.
const TOKEN_BYTES_MAX: usize = 256;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Append events.
    Append,
    /// Read events, receipts, proofs and metrics.
    Read,
    /// Everything, also creating ledgers and archiving.
    Admin,
}

impl Scope {
    /// The name in `tokens.json` and in errors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Append, Self::Read, Self::Admin].into_iter().find(|scope| scope.as_str() == text)
    }
}

/// One token's rights.
#[derive(Debug, Clone)]
struct Grant {
    principal: Principal,
    scopes: Vec<Scope>,
    /// Ledgers, or prefixes ending in `*`; `None` is all of them.
    ledgers: Option<Vec<String>>,
}

/// Who sent a request, once its token was found.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Grant>);

impl Caller {
    /// Who it is, for the engine, for records and for logs.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The ledgers that the token is bound to, by name or by a prefix ending in `*`; `None` for all.
    pub(crate) fn bounds(&self) -> Option<&[String]> {
        self.0.ledgers.as_deref()
    }

    /// Whether the token has `scope`; admin has every scope.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.0.scopes.iter().any(|own| *own == scope || *own == Scope::Admin)
    }

    /// Whether the token reaches `ledger`.
    #[must_use]
    pub fn reaches(&self, ledger: &LedgerName) -> bool {
        self.0.ledgers.as_ref().is_none_or(|allowed| {
            allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => ledger.starts_with(prefix),
                None => **ledger == **pattern,
            })
        })
    }

    /// Whether the token is bound to some ledgers.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.0.ledgers.is_some()
    }
}

/// Why a request may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No `Authorization: Bearer` header.
    #[error(
        "this needs a token: send `Authorization: Bearer <token>`; the first one is in the data folder, in {ADMIN_TOKEN_FILE}"
    )]
    Missing,
    /// A token that is not known (any more).
    #[error("this token is not known here, or was revoked")]
    Unknown,
    /// The token lacks a scope.
    #[error("this token lacks the scope `{}`", .0.as_str())]
    Scope(Scope),
    /// The token is bound to other ledgers.
    #[error("this token is bound to other ledgers")]
    Ledger,
}

/// The tokens of a running server.
#[derive(Debug)]
pub struct Tokens {
    dir: PathBuf,
    grants: RwLock<Arc<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    /// By the SHA-256 of the token.
    ///
    /// Looking one up takes longer or shorter by how the hash of what was presented compares with the
    /// hashes that are stored, and that tells nothing that helps: who wanted to use it would have to find
    /// tokens whose hashes begin like a stored one, and would have found the token only with all of it. The
    /// map's own hash is keyed anew in each process, so nobody can choose tokens that fall into one place.
    grants: HashMap<[u8; 32], Arc<Grant>>,
    stamp: file::Stamp,
}

/// Why tokens could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] FolderError),
    /// The file is not what this program writes.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Others may read a secret.
    #[error("{} can be read by others (mode {mode:03o}); anyone who did may do everything. Run `chmod 600` on it, and replace it if in doubt", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A name that is taken or not allowed.
    #[error("{0}")]
    Name(String),
    /// The system has no random numbers.
    #[error("no random numbers from the system: {0}")]
    Random(String),
}

impl Tokens {
    /// Loads the tokens of a data folder; writes the admin token if there is none yet.
    ///
    /// # Errors
    /// [`TokenError`], for instance when others may read the admin token.
    pub fn open(dir: &Path) -> Result<Self, TokenError> {
        file::ensure_admin_token(dir)?;
        let loaded = load(dir)?;
        Ok(Self { dir: dir.to_owned(), grants: RwLock::new(Arc::new(loaded)) })
    }

    /// Reads the files again if they changed. On an error the tokens of before stay in force.
    ///
    /// # Errors
    /// [`TokenError`] when a changed file cannot be read.
    pub fn refresh(&self) -> Result<bool, TokenError> {
        if file::stamp(&self.dir) == self.current().stamp {
            return Ok(false);
        }
        let loaded = Arc::new(load(&self.dir)?);
        *self.grants.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(true)
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.grants.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Finds the caller of a request by the value of its `Authorization` header. The time that it takes
    /// does not depend on how many tokens there are.
    ///
    /// # Errors
    /// [`Denied::Missing`] and [`Denied::Unknown`].
    pub fn caller(&self, authorization: Option<&[u8]>) -> Result<Caller, Denied> {
        let token = authorization.and_then(bearer).ok_or(Denied::Missing)?;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Denied::Unknown);
        }
        let presented: [u8; 32] = Sha256::digest(token).into();
        let found = self.current().grants.get(&presented).cloned();
        found.map(Caller).ok_or(Denied::Unknown)
    }

    /// Finds the caller and checks that it may use `scope`, on `ledger` if one is named.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allow(
        &self,
        authorization: Option<&[u8]>,
        scope: Scope,
        ledger: Option<&LedgerName>,
    ) -> Result<Caller, Denied> {
        let caller = self.caller(authorization)?;
        if !caller.has(scope) {
            return Err(Denied::Scope(scope));
        }
        match ledger {
            Some(ledger) if !caller.reaches(ledger) => Err(Denied::Ledger),
            _ => Ok(caller),
        }
    }
}

/// The token of a header value; the scheme's name is case-insensitive (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    let token = rest.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn load(dir: &Path) -> Result<Loaded, TokenError> {
    // The stamp is taken first: a change while reading is then seen by the next look.
    let stamp = file::stamp(dir);
    let admin = Grant {
        principal: file::principal(ADMIN_TOKEN_NAME, None)?,
        scopes: vec![Scope::Admin],
        ledgers: None,
    };
    let sha256 = Sha256::digest(file::read_admin_token(dir)?.as_bytes()).into();
    let tokens = list_tokens(dir)?;
    let mut grants = HashMap::with_capacity(tokens.len() + 1);
    grants.insert(sha256, Arc::new(admin));
    for stored in tokens {
        let (sha256, grant) = stored.grant(dir)?;
        // Which of the two would be meant?
        if grants.insert(sha256, Arc::new(grant)).is_some() {
            let reason = format!("`{}` has the hash of another token", stored.name);
            return Err(TokenError::Invalid { path: dir.join(TOKENS_FILE), reason });
        }
    }
    Ok(Loaded { grants, stamp })
}

#[cfg(test)]
mod tests;
