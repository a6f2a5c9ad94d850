//! The signers of one engine, each with a name that configuration and creation of ledgers use.

use std::fmt;
use std::sync::Arc;

use indelible_core::key::KeyId;

use super::Signer;

/// Longer names fit into no table.
const NAME_BYTES_MAX: usize = 64;

/// What a signer is called within one server: `[a-z0-9][a-z0-9._-]*`, at most 64 bytes. It stands in no
/// record: ledgers know keys only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignerName(Arc<str>);

/// Why a text is no name of a signer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no name for a signer: 1 to {NAME_BYTES_MAX} of a-z, 0-9, '.', '_' and '-', beginning with a \
     letter or a digit"
)]
pub struct SignerNameError(String);

impl SignerName {
    /// The name of the one signer that every engine has.
    pub const DEFAULT: &'static str = "default";

    /// Checks a name.
    ///
    /// # Errors
    /// [`SignerNameError`].
    pub fn new(text: &str) -> Result<Self, SignerNameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let begins = text.bytes().next().is_some_and(plain);
        let rest = text.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'));
        if begins && rest && text.len() <= NAME_BYTES_MAX {
            Ok(Self(text.into()))
        } else {
            Err(SignerNameError(text.chars().take(NAME_BYTES_MAX + 1).collect()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SignerName {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why signers cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignersError {
    /// Two have one name.
    #[error("two signers are called '{0}'")]
    SameName(SignerName),
    /// Two have one key: nobody could tell whose ledgers are whose.
    #[error("the signers '{first}' and '{second}' have the same key {key_id}", key_id = .key_id.as_str())]
    SameKey {
        /// The one that was there.
        first: SignerName,
        /// The one that was added.
        second: SignerName,
        /// The key of both.
        key_id: KeyId,
    },
}

/// One or more signers. The first signs for every ledger that is created without naming another.
#[derive(Clone)]
pub struct Signers {
    default: Arc<dyn Signer>,
    others: Vec<(SignerName, Arc<dyn Signer>)>,
}

impl Signers {
    /// The signer for ledgers whose creator names none; it is called [`SignerName::DEFAULT`].
    #[must_use]
    pub fn new(default: Arc<dyn Signer>) -> Self {
        Self { default, others: Vec::new() }
    }

    /// One more.
    ///
    /// # Errors
    /// [`SignersError`] when the name or the key is taken.
    pub fn with(mut self, name: SignerName, signer: Arc<dyn Signer>) -> Result<Self, SignersError> {
        let key_id = signer.record_key().key_id();
        for (known, with) in self.named() {
            if known == name {
                return Err(SignersError::SameName(name));
            }
            if with.record_key().key_id() == key_id {
                return Err(SignersError::SameKey { first: known, second: name, key_id });
            }
        }
        self.others.push((name, signer));
        Ok(self)
    }

    /// The signer for ledgers whose creator names none.
    #[must_use]
    pub fn default_signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.default)
    }

    /// Each with its name, the default first.
    pub(crate) fn named(&self) -> impl Iterator<Item = (SignerName, Arc<dyn Signer>)> {
        let first = (SignerName::default(), Arc::clone(&self.default));
        std::iter::once(first).chain(self.others.iter().cloned())
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.named().map(|(name, _)| name)).finish()
    }
}
