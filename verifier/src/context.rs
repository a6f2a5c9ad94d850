//! What every worker needs to know.

use indelible_core::key::Trust;

/// Shared by all workers, never changed.
#[derive(Debug)]
pub(crate) struct Context {
    /// The keys that the auditor gave.
    pub(crate) trust: Trust,
    /// Findings that one piece of work may keep.
    pub(crate) findings_max: usize,
}
