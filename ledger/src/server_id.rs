//! The ids that the engine makes: UUIDs of version 7 that it recognises as its own.
//!
//! Such an id needs no row and no look-up before it is used: it is new by construction. When a client
//! later asks for it, its time says where to look (`docs/STORAGE.md` section 3).
//!
//! The 74 bits that RFC 9562 section 5.7 leaves free are a counter of 18 bits, which keeps the ids of
//! one process apart for 262,144 ids in a row, far more than one millisecond can hold; 40 random bits,
//! so that no client can guess an id that is still on its way; and a tag of 16 bits computed from all
//! the others, by which all but one in 65,536 foreign UUIDs are told apart without reading anything.

use indelible_core::name::EventId;
use indelible_core::time::Timestamp;

const COUNTER_BITS: u32 = 18;
const RANDOM_BITS: u32 = 40;
const TAG_BITS: u32 = 16;
const VERSION_7: u64 = 7;
const VARIANT: u64 = 0b10;

/// Length of the text form.
const TEXT_LEN: usize = 36;

/// An id made by the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ServerId {
    high: u64,
    low: u64,
}

impl ServerId {
    /// The id for a record of the time `time`. `counter` and `random` are cut to their bits.
    pub(crate) fn new(time: Timestamp, counter: u64, random: u64) -> Self {
        let millis = time.micros() / 1000;
        let counter = counter & ((1 << COUNTER_BITS) - 1);
        let random = random & ((1 << RANDOM_BITS) - 1);
        // 58 bits: 12 beside the version, 46 beside the variant, then the tag.
        let free = counter << RANDOM_BITS | random;
        let low_free_bits = u64::BITS - 2 - TAG_BITS;
        let high = millis << 16 | VERSION_7 << 12 | free >> low_free_bits;
        let low = VARIANT << 62 | (free & ((1 << low_free_bits) - 1)) << TAG_BITS;
        Self { high, low: low | u64::from(tag(high, low)) }
    }

    /// Reads the text form; `None` for every id that cannot have been made by an engine.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: &[u8; TEXT_LEN] = text.as_bytes().try_into().ok()?;
        let mut value = 0u128;
        for (place, &byte) in text.iter().enumerate() {
            if matches!(place, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return None,
            };
            value = value << 4 | u128::from(digit);
        }
        let (high, low) = ((value >> 64) as u64, value as u64);
        let tag_mask = (1u64 << TAG_BITS) - 1;
        let ours = high >> 12 & 0xf == VERSION_7
            && low >> 62 == VARIANT
            && low & tag_mask == u64::from(tag(high, low & !tag_mask));
        ours.then_some(Self { high, low })
    }

    /// The first and the last instant that a record with this id can have.
    pub(crate) fn times(self) -> Option<(Timestamp, Timestamp)> {
        let millis = self.high >> 16;
        let first = Timestamp::from_micros(millis * 1000).ok()?;
        Some((first, Timestamp::from_micros(millis * 1000 + 999).ok()?))
    }

    /// The lower-case text form with hyphens.
    pub(crate) fn to_text(self) -> [u8; TEXT_LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let value = u128::from(self.high) << 64 | u128::from(self.low);
        let mut text = [b'-'; TEXT_LEN];
        let mut shift = 128;
        for (place, byte) in text.iter_mut().enumerate() {
            if !matches!(place, 8 | 13 | 18 | 23) {
                shift -= 4;
                *byte = DIGITS[(value >> shift) as usize & 15];
            }
        }
        text
    }

    /// The id as any other event id.
    pub(crate) fn to_event_id(self) -> EventId {
        let text = self.to_text();
        // 36 digits and hyphens are a valid id, so neither step can fail.
        let text = std::str::from_utf8(&text).unwrap_or_default();
        EventId::new(text).unwrap_or_else(|_| unreachable!("hex digits and hyphens are an id"))
    }
}

/// Mixes all bits of both words into 16 (the finalizer of SplitMix64). No secret is in it: it only has
/// to be rare that somebody else's UUID fits.
fn tag(high: u64, low: u64) -> u16 {
    let mut mixed = high ^ low.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) as u16
}

/// Makes ids: counts, and draws random bits from the system in large pieces.
#[derive(Default)]
pub(crate) struct ServerIds {
    counter: u64,
    random: Vec<u8>,
}

impl ServerIds {
    const POOL_BYTES: usize = 8192;
    const BYTES_PER_ID: usize = 8;

    /// Makes sure that the next `count` ids have their random bits.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<(), getrandom::Error> {
        let needed = count * Self::BYTES_PER_ID;
        if self.random.len() < needed {
            self.random.resize(needed.max(Self::POOL_BYTES), 0);
            getrandom::fill(&mut self.random).inspect_err(|_| self.random.clear())?;
        }
        Ok(())
    }

    /// The next id. Its random bits must have been reserved.
    pub(crate) fn next(&mut self, time: Timestamp) -> ServerId {
        self.counter = self.counter.wrapping_add(1);
        let bytes = self.random.split_last_chunk::<{ Self::BYTES_PER_ID }>();
        let random = bytes.map_or(0, |(_, bytes)| u64::from_be_bytes(*bytes));
        self.random.truncate(self.random.len().saturating_sub(Self::BYTES_PER_ID));
        ServerId::new(time, self.counter, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_recognised_and_tells_its_millisecond(
            micros in 0u64..253_402_300_799_999_999, counter: u64, random: u64,
        ) {
            let time = Timestamp::from_micros(micros).unwrap();
            let id = ServerId::new(time, counter, random);
            let text = id.to_event_id();
            prop_assert_eq!(ServerId::parse(&text), Some(id));
            let (first, last) = id.times().unwrap();
            prop_assert!(first <= time && time <= last);
            prop_assert_eq!(&text[14..15], "7");
            prop_assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        }

        #[test]
        fn an_id_with_any_digit_changed_is_not_recognised_or_another(
            random: u64, place in 0usize..36, digit in 0u8..16,
        ) {
            let id = ServerId::new(Timestamp::from_micros(1_795_238_040_123_456).unwrap(), 1, random);
            let mut text = id.to_text();
            text[place] = char::from_digit(digit.into(), 16).unwrap() as u8;
            let parsed = std::str::from_utf8(&text).ok().and_then(ServerId::parse);
            prop_assert!(parsed == Some(id) && text == id.to_text() || parsed != Some(id));
        }
    }

    #[test]
    fn foreign_uuids_are_nearly_all_told_apart() {
        let mut taken = 0;
        for number in 0..100_000u64 {
            let low = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !(3 << 62) | 2 << 62;
            let foreign = ServerId { high: 0x019a_a4c5_7f3b_7000 | number & 0xfff, low };
            let text = foreign.to_text();
            taken += usize::from(ServerId::parse(std::str::from_utf8(&text).unwrap()).is_some());
        }
        assert!(taken < 20, "{taken} of 100,000");
    }

    #[test]
    fn ids_of_one_process_differ() {
        let time = Timestamp::from_micros(0).unwrap();
        let mut ids = ServerIds::default();
        ids.reserve(10_000).unwrap();
        let made: std::collections::HashSet<_> = (0..10_000).map(|_| ids.next(time)).collect();
        assert_eq!(made.len(), 10_000);
    }
}
