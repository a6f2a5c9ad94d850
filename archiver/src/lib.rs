//! Cuts, packs and ships segments of a ledger into a vault.
//!
//! One run of [`Archiver::archive`] brings a vault up to date with a ledger and may be interrupted at
//! any point, by a crash too: the next run continues. It rests on three rules:
//!
//! 1. **The vault says what is archived.** No state is kept elsewhere. The last manifest in the vault
//!    is opened, its signature checked and compared with the database; archiving goes on behind it.
//! 2. **Nothing counts before it was read back.** A segment is created, read back and hashed; only then
//!    is its manifest created, and read back too. A segment without a manifest means nothing.
//! 3. **Nothing is shipped unchecked.** Chain, digests, signatures and the tree are recomputed while
//!    packing.
//!
//! The ledger itself records the segment too (`segment_archived`), but only when more is to be shipped:
//! the record is appended before the next segment is cut, which then holds it. So after a run nothing
//! follows in the ledger that the vault does not hold, a checkpoint taken then covers exactly what the
//! vault holds, and a second run over an unchanged ledger changes nothing. The last segment of a vault
//! always goes unrecorded.
//!
//! The work is blocking reads and writes between a few awaited signatures. Run it where blocking is
//! allowed. Packing, nearly all of it, is done by two threads that stand back behind the others.
//!
//! * `archiver`: one run, step by step; `task`: what all steps need; `cut`: where segments end; `pack`: a
//!   segment's bytes; `ahead`: packing several at once; `ship`: one segment's way; `stored`: reading it back;
//!   `resume`: where a vault stands; `turn`: who cuts next; `news`: what the ledger says about it.
//! * [`Vault`]: the storage; [`DirectoryVault`] is the one that there is.

mod ahead;
mod archiver;
mod cut;
mod error;
mod news;
mod pack;
mod progress;
mod resume;
mod ship;
mod stored;
mod task;
mod turn;
mod vault;

pub use archiver::{Archiver, Summary};
pub use cut::Seal;
pub use error::ArchiveError;
pub use pack::{PLAIN_BYTES_CUT, PackError};
pub use progress::{Progress, Silent};
pub use vault::{Claim, DirectoryVault, Upload, Vault, VaultError};
