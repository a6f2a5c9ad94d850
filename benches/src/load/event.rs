//! Events that look like audit events, of an exact size, each unlike the others.

use std::fmt::Write as _;

/// A small generator (xorshift64*), so that runs are repeatable without a dependency.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Seeded; a zero seed is moved away from the fixed point.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// One event object of exactly `bytes` bytes (at least 256), its members not in canonical order, as
/// services send them.
#[must_use]
pub fn event(random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    let user = random.draw() % 100_000;
    let actions = ["payment.approve", "user.login", "record.read", "policy.update", "export.start"];
    let action = actions[(random.draw() % actions.len() as u64) as usize];
    let _ = write!(
        text,
        "{{\"type\":\"{action}\",\"actor\":{{\"id\":\"user-{user:05}\",\"ip\":\"10.{}.{}.{}\",\"mfa\":true}},\
         \"amount\":{}.25,\"success\":{},\"resource\":\"account/{:016x}\",\"trace\":\"{:016x}{:016x}\",\"note\":\"",
        random.draw() % 256,
        random.draw() % 256,
        random.draw() % 256,
        random.draw() % 100_000,
        !random.draw().is_multiple_of(8),
        random.draw(),
        random.draw(),
        random.draw(),
    );
    while text.len() + 2 < bytes {
        let left = bytes - 2 - text.len();
        let word = format!("{:x} ", random.draw());
        text.push_str(word.get(..left.min(word.len())).unwrap_or_default());
    }
    text.push_str("\"}");
    text
}

/// `count` lines of NDJSON, each an envelope around an event of `bytes` bytes.
#[must_use]
pub fn envelopes(seed: u64, count: usize, bytes: usize) -> Vec<String> {
    let mut random = Random::new(seed);
    (0..count).map(|_| format!("{{\"event\":{}}}", event(&mut random, bytes))).collect()
}
