//! The one time format: RFC 3339 in UTC with exactly six digits of fraction.

use core::fmt;
use core::str::FromStr;

const MICROS_PER_SECOND: u64 = 1_000_000;
const SECONDS_PER_DAY: u64 = 86_400;
/// 9999-12-31T23:59:59.999999Z in microseconds since 1970.
const MICROS_MAX: u64 = 253_402_300_799_999_999;

/// An instant from 1970 to 9999 in microseconds, printed as `2026-11-21T05:14:00.123456Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// A text is not `YYYY-MM-DDTHH:MM:SS.ffffffZ`, or an instant lies outside of 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written YYYY-MM-DDTHH:MM:SS.ffffffZ, in UTC, from 1970 to 9999")]
pub struct TimeError;

impl Timestamp {
    /// Length of the text form in bytes.
    pub const TEXT_LEN: usize = 27;

    /// From microseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// When the instant lies after the year 9999.
    pub const fn from_micros(micros: u64) -> Result<Self, TimeError> {
        if micros <= MICROS_MAX { Ok(Self(micros)) } else { Err(TimeError) }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The text form, ASCII.
    #[must_use]
    pub fn to_text(self) -> [u8; Self::TEXT_LEN] {
        let seconds = self.0 / MICROS_PER_SECOND;
        let (year, month, day) = civil_from_days(seconds / SECONDS_PER_DAY);
        let of_day = seconds % SECONDS_PER_DAY;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        put(&mut text[11..13], of_day / 3600);
        put(&mut text[14..16], of_day / 60 % 60);
        put(&mut text[17..19], of_day % 60);
        put(&mut text[20..26], self.0 % MICROS_PER_SECOND);
        text
    }

    /// Reads the text form and nothing else: no other fraction, no offset, no leap second.
    ///
    /// # Errors
    /// [`TimeError`] for any other text.
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        let text: &[u8; Self::TEXT_LEN] = text.try_into().map_err(|_| TimeError)?;
        let year = number(&text[0..4])?;
        let month = number(&text[5..7])?;
        let day = number(&text[8..10])?;
        let (hour, minute, second) =
            (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
        let fraction = number(&text[20..26])?;
        if year < 1970
            || !(1..=12).contains(&month)
            || day < 1
            || hour > 23
            || minute > 59
            || second > 59
        {
            return Err(TimeError);
        }
        let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY
            + hour * 3600
            + minute * 60
            + second;
        let time = Self::from_micros(seconds * MICROS_PER_SECOND + fraction)?;
        // Writing it again catches what the fields alone cannot show: the separators and days such as
        // 31 April, which would come back as another date.
        if time.to_text() == *text { Ok(time) } else { Err(TimeError) }
    }
}

fn put(field: &mut [u8], mut value: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn number(field: &[u8]) -> Result<u64, TimeError> {
    field.iter().try_fold(0u64, |sum, byte| {
        if byte.is_ascii_digit() { Ok(sum * 10 + u64::from(byte - b'0')) } else { Err(TimeError) }
    })
}

/// Days since 1970 to (year, month, day) of the proleptic Gregorian calendar. Counts years from March,
/// so that the leap day is the last of its year.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_text().iter().try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants_have_their_known_text() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_795_238_040_123_456, "2026-11-21T05:14:00.123456Z"),
            (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
            (MICROS_MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            let time = Timestamp::from_micros(micros).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for bad in [
            "2026-11-21T05:14:00Z",
            "2026-11-21T05:14:00.12345Z",
            "2026-11-21T05:14:00.123456+00:00",
            "2026-11-21 05:14:00.123456Z",
            "2026-11-21t05:14:00.123456z",
            "2026-04-31T00:00:00.000000Z",
            "2100-02-29T00:00:00.000000Z",
            "1969-12-31T23:59:59.999999Z",
            "2026-13-01T00:00:00.000000Z",
            "2016-12-31T23:59:60.000000Z",
            "+026-11-21T05:14:00.123456Z",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(TimeError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_instant_are_one_to_one(micros in 0..=MICROS_MAX) {
            let time = Timestamp::from_micros(micros).unwrap();
            prop_assert_eq!(Timestamp::parse(&time.to_text()), Ok(time));
        }
    }
}
