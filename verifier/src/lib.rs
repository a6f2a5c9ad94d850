//! Replays a ledger from files and public keys alone.
//!
//! The verifier needs nothing from those whom it checks but their files: which keys count, and which
//! head must be reached, is said by the auditor. It links no database, no async runtime and no cloud.
//!
//! How a verification runs: a source ([vault](Verifier::vault), [export](Verifier::export), or a
//! [live ledger](Verifier::live) that is fed) is cut into batches of lines. Workers find out what is to be
//! known of each line by itself: layout, canonical form, digest, signature, leaf. One thread goes through
//! the result in order and judges it (`docs/FORMAT.md` section 8), so that what is said never depends on
//! the number of workers or on how the lines were cut. What is wrong becomes a [`Finding`] with a code and
//! a class; what was not checked becomes an [`Unchecked`]; only where there is neither is the verdict
//! [`Verdict::Good`]. How far a ledger was checked can be [written down](ReplayState) and gone on from.
//!
//! Files of strangers are read with bounded memory and work: nothing is held whole, every size has a
//! limit, of a million findings a thousand are kept and all are counted, and behind ten thousand damaged
//! lines no more are looked at, which is said.

pub mod affected;
mod blocks;
mod chunk;
pub mod compare;
mod export;
mod findings;
mod frames;
mod heads;
pub mod inputs;
pub mod keys;
mod ledger;
mod limits;
mod lines;
mod live;
pub mod look;
mod pipeline;
mod progress;
pub mod receipt;
mod replay;
mod report;
mod signatures;
mod state;
mod vault;
mod verifier;

pub mod render;

pub use chunk::Chunk;
pub use findings::{Bounded, Finding, Findings, Unchecked};
pub use heads::HeadFile;
pub use limits::JOBS_MAX;
pub use live::Live;
pub use progress::{NoProgress, Progress};
pub use report::{
    FINDINGS_MAX_DEFAULT, FINDINGS_MAX_LIMIT, LedgerReport, Options, Report, Verdict,
};
pub use state::{ReplayState, Rules, StateError};
pub use verifier::Verifier;
