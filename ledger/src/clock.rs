//! Where times come from.

use std::time::{SystemTime, UNIX_EPOCH};

use indelible_core::time::Timestamp;

/// A source of the current time. It may jump in any direction: the sequencer lets no ledger's time go
/// backwards, whatever a clock says.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// The system's clock. Before 1970 it is 1970, after 9999 it is 9999.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX);
        Timestamp::from_micros(micros).unwrap_or(LAST)
    }
}

/// The last instant there is, to stand for all later ones.
const LAST: Timestamp = match Timestamp::from_micros(253_402_300_799_999_999) {
    Ok(time) => time,
    Err(_) => panic!("the last microsecond of 9999 is a valid time"),
};
