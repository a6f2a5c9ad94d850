//! Formats and mathematics of Indelible.
//!
//! Everything that a signature covers or a verifier recomputes is decided here and nowhere else:
//! canonical JSON, records, digests and their chain, the Merkle tree, signed notes, receipts,
//! segments and their manifests, keys and signature checks. `docs/FORMAT.md` describes the same bytes
//! in prose; the golden vectors in `core/tests/vectors/` hold both to it.
//!
//! What this crate is *not*: it opens no file and no socket, reads no clock and no random numbers,
//! starts no thread and awaits nothing. Callers bring bytes and get bytes, values or errors.
//!
//! A reader new to the code may follow one event: [`json`] makes it canonical, [`record`] wraps it,
//! [`chain`] digests it, [`merkle`] makes it a leaf, [`checkpoint`] names the tree, [`receipt`] and
//! [`segment`] carry it out of the building, [`ed25519`] and [`key`] check who signed it.

pub mod chain;
pub mod checkpoint;
pub mod code;
pub mod ed25519;
pub mod encoding;
pub mod hash;
pub mod json;
pub mod key;
pub mod limits;
pub mod manifest;
pub mod merkle;
pub mod name;
pub mod note;
pub mod receipt;
pub mod record;
pub mod segment;
pub mod sha256;
pub mod system;
pub mod text;
pub mod time;
