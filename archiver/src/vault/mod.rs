//! Where segments are kept: write-once storage outside of the server's reach.
//!
//! A vault is small on purpose. It creates objects and reads them back; it never changes or deletes
//! one. Whether an object counts is decided by the archiver, which reads every object back and checks
//! it before it goes on. A directory is the first kind; object stores with a retention lock fit the
//! same trait.

mod directory;

use std::io::Read;

use indelible_core::hash::Sha256Hash;
use indelible_core::name::LedgerName;
use indelible_core::segment::FileName;

pub use directory::DirectoryVault;

/// Why a vault could not do what was asked. What is in the vault is unchanged, except that an
/// unfinished write may remain, which no reader takes for evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// An object of that name is there and is another one.
    #[error(
        "{place} exists already with other content; a vault is never overwritten. Look at both before anything else: either another archiver writes here, or the object was changed"
    )]
    Differs {
        /// The object.
        place: String,
    },
    /// The object is not there.
    #[error("{place} is not there")]
    Missing {
        /// The object.
        place: String,
    },
    /// The object is not a plain file, or larger than it may be.
    #[error("{place} is not what it should be: {reason}")]
    Strange {
        /// The object.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The object, read back, is not what it was when it was written.
    #[error(
        "{place}, read back, is not what was written. Somebody changed it, or the storage cannot be trusted; check the vault with `indelible-verify vault`"
    )]
    Changed {
        /// The object.
        place: String,
    },
    /// Another archiver is writing there.
    #[error("another archiver is writing into {place}; try again when it is done")]
    Busy {
        /// The ledger's place in the vault.
        place: String,
    },
    /// Others than the owner may use it, more than was configured.
    #[error(
        "{place} is open to others (mode {mode:04o}), and a vault holds everybody's events; {command}, or allow it with archive.vault_mode"
    )]
    Exposed {
        /// The folder.
        place: String,
        /// Its permission bits.
        mode: u32,
        /// What mends it.
        command: String,
    },
    /// The storage failed.
    #[error("{place}: {source}")]
    Io {
        /// The object or folder.
        place: String,
        /// What the storage said.
        #[source]
        source: std::io::Error,
    },
}

/// Bytes to be stored, with what they must be afterwards.
pub struct Upload<'a> {
    /// The content, read once from its beginning.
    pub content: &'a mut dyn Read,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256Hash,
}

/// The right to be this process's only archiver of one ledger in one vault, until it is dropped. Ends with
/// the process, however that ends.
pub type Claim = Box<dyn Send>;

/// Write-once storage for segments and manifests.
///
/// Its methods block; a backend that speaks over a network brings its own runtime. What
/// [`create`](Vault::create) and [`list`](Vault::list) have answered must survive a power cut.
pub trait Vault: Send + Sync {
    /// What to call this vault in records and messages, at most 1,024 bytes.
    fn name(&self) -> String;

    /// The segments and manifests of `ledger`, in no particular order. Other files are left out: they
    /// are no evidence.
    ///
    /// # Errors
    /// When the vault cannot be read.
    fn list(&self, ledger: &LedgerName) -> Result<Vec<FileName>, VaultError>;

    /// Claims the ledger's place for writing, also removing what interrupted writes of others have left.
    /// Nothing is written for it: what keeps other processes from cutting elsewhere is `turn`.
    ///
    /// # Errors
    /// [`VaultError::Busy`] while somebody else has it.
    fn claim(&self, ledger: &LedgerName) -> Result<Claim, VaultError>;

    /// Creates `name` with the content of `upload`, durably, or finds that exactly that object is there
    /// already.
    ///
    /// # Errors
    /// [`VaultError::Differs`] when another object has the name. [`VaultError::Strange`] when the
    /// content that arrived is not the one announced.
    fn create(&self, ledger: &LedgerName, name: &str, upload: Upload<'_>)
    -> Result<(), VaultError>;

    /// Takes away an object whose name says that it is unfinished ([`TMP_PREFIX`]); it means nothing to a
    /// reader. A store that cannot delete leaves it.
    ///
    /// # Errors
    /// When the storage fails; an object that is not there is none.
    ///
    /// [`TMP_PREFIX`]: indelible_core::segment::TMP_PREFIX
    fn discard(&self, ledger: &LedgerName, name: &str) -> Result<(), VaultError>;

    /// Opens `name` for reading, at most `bytes_max` bytes long.
    ///
    /// # Errors
    /// [`VaultError::Missing`], or [`VaultError::Strange`] for a longer or irregular object.
    fn open(
        &self,
        ledger: &LedgerName,
        name: &str,
        bytes_max: u64,
    ) -> Result<Box<dyn Read + Send>, VaultError>;
}
