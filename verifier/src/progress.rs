//! How far a verification is.

/// Somebody who wants to see it.
pub trait Progress {
    /// What comes next: `what` of `total` records. 0 when it is not known how many.
    fn expect(&self, what: &str, total: u64);
    /// So many records more were checked.
    fn advance(&self, records: u64);
    /// Nothing comes any more.
    fn done(&self);
}

/// Nobody.
#[derive(Debug)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn expect(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn done(&self) {}
}
