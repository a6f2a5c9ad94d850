//! Replays a ledger from files and public keys alone.
//!
//! The verifier needs nothing from those whom it checks but their files: which keys count, and which
//! head must be reached, is said by the auditor. It links no database, no async runtime and no cloud.
//!
//! How a verification runs: a source ([vault](Verifier::vault), [export](Verifier::export), or a live
//! ledger that is [fed](Verifier::feed)) is cut into stretches. Workers check each stretch by itself:
//! canonical form, digest, signatures in bulk, leaves. One thread joins the stretches in order: chain,
//! time, runs without signature, tree, manifests, checkpoints, expected heads. What is wrong becomes a
//! [`Finding`] with a code; what could not be looked at becomes an [`Unchecked`]; only where there is
//! neither is the verdict [`Verdict::Good`].
//!
//! Files of strangers are read with bounded memory: nothing is held whole, every size has a limit, and
//! of a million findings a thousand are kept and all are counted.

mod blocks;
mod chunk;
pub mod compare;
mod context;
mod export;
mod findings;
pub mod keys;
mod ledger;
pub mod look;
mod pipeline;
mod progress;
pub mod receipt;
mod report;
mod signatures;
mod stretch;
mod vault;
mod verifier;

pub mod render;

pub use chunk::Chunk;
pub use findings::{Bounded, Finding, Findings, Unchecked};
pub use progress::{NoProgress, Progress};
pub use report::{
    FINDINGS_MAX_DEFAULT, FINDINGS_MAX_LIMIT, LedgerReport, Options, Report, Verdict,
};
pub use verifier::{JOBS_MAX, Verifier};
