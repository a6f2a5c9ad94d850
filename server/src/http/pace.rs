//! Whether a body comes fast enough, judged over a sliding window.
//!
//! An average over the whole time would let a client buy hours of trickling with a burst at the
//! beginning. So what arrives extends the time to the next byte, but never beyond one window from now: a
//! burst buys one window.

use std::time::{Duration, Instant};

use crate::config::Limits;

/// Seconds in which a client must be able to send once more what it makes the server hold: who holds
/// much must be quick. At 32 MiB these are 110 kB/s, and below 300 kB the configured rate is what counts.
const HELD_SECONDS: u64 = 300;

/// The progress of one body, or of one line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    due: Instant,
    window: Duration,
    rate_min: u64,
}

impl Pace {
    /// Of a body that is about to arrive.
    pub(super) fn new(limits: &Limits) -> Self {
        Self::since(Instant::now(), limits)
    }

    fn since(now: Instant, limits: &Limits) -> Self {
        let window = limits.body_stall_timeout;
        Self { due: now + window, window, rate_min: limits.body_rate_min.max(1) }
    }

    /// Time that is left for more to come.
    pub(super) fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Notes `bytes` that came, of a body of which `held` bytes are held.
    pub(super) fn came(&mut self, bytes: usize, held: usize) {
        self.came_at(Instant::now(), bytes, held);
    }

    fn came_at(&mut self, now: Instant, bytes: usize, held: usize) {
        let rate = self.rate_min.max(held as u64 / HELD_SECONDS);
        let earned = (bytes as u64).saturating_mul(1_000_000) / rate;
        // What comes after it was due came while nobody waited for it: the server had paused.
        let due = self.due.max(now) + Duration::from_micros(earned);
        self.due = due.min(now + self.window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many seconds a client is kept that sends `burst` at once and then `rate` bytes every second.
    fn kept(burst: usize, rate: usize) -> u64 {
        let begun = Instant::now();
        let limits = Limits {
            body_stall_timeout: Duration::from_secs(20),
            body_rate_min: 1024,
            ..Limits::default()
        };
        let mut pace = Pace::since(begun, &limits);
        let mut held = burst;
        pace.came_at(begun, burst, held);
        for second in 1..100_000 {
            let now = begun + Duration::from_secs(second);
            if now > pace.due || held > limits.body_bytes_max {
                return second;
            }
            held += rate;
            pace.came_at(now, rate, held);
        }
        u64::MAX
    }

    #[test]
    fn a_burst_buys_one_window_and_a_trickle_little_more() {
        assert_eq!(kept(31 << 20, 0), 21);
        assert_eq!(kept(0, 0), 21);
        assert!(kept(31 << 20, 240) < 30);
        assert!(kept(0, 1000) > 200, "nearly the rate is nearly enough");
        assert_eq!(kept(200 << 10, 1), 21);
    }

    #[test]
    fn who_keeps_up_the_rate_is_kept_and_who_holds_much_must_be_quicker() {
        assert!(kept(0, 1100) > 300);
        assert!(kept(20 << 20, 1100) < 30);
        // The body's own limit ends it.
        assert_eq!(kept(0, 1 << 20), 34);
    }
}
