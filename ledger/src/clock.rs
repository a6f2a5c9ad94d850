//! Where times come from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indelible_core::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// A source of the current time. It may jump in any direction: the sequencer lets no ledger's time go
/// backwards, whatever a clock says.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;

    /// Time since some moment of the past, on a clock that nobody sets and that goes on while the machine
    /// sleeps. Tells how much of what [`Clock::now`] says has really passed.
    fn elapsed(&self) -> Duration;
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

    fn elapsed(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}

/// The last instant there is, to stand for all later ones.
const LAST: Timestamp = match Timestamp::from_micros(253_402_300_799_999_999) {
    Ok(time) => time,
    Err(_) => panic!("the last microsecond of 9999 is a valid time"),
};
