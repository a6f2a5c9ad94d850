//! Names that stand in URLs, file names, S3 keys and signed bytes. An invalid one cannot be built.

use core::fmt;
use core::ops::Deref;
use core::str::FromStr;

use crate::limits::{
    ID_BYTES_MAX, LEDGER_NAME_BYTES_MAX, ORIGIN_BYTES_MAX, SEQ_MAX, SERVER_NAME_BYTES_MAX,
};

/// Why a text is not a name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a ledger name.
    #[error(
        "a ledger name is 1 to {LEDGER_NAME_BYTES_MAX} characters of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
    )]
    Ledger,
    /// Not a server name.
    #[error(
        "a server name is 1 to {SERVER_NAME_BYTES_MAX} characters of a-z, 0-9, '.' and '-', beginning with a letter or digit, and may end in a port such as :8080"
    )]
    Server,
    /// Not an origin.
    #[error(
        "an origin is a server name, a slash and a ledger name, at most {ORIGIN_BYTES_MAX} bytes together"
    )]
    Origin,
    /// Not an event id.
    #[error("an event id is 1 to {ID_BYTES_MAX} bytes of UTF-8 without control characters")]
    EventId,
    /// Not a sequence number.
    #[error("a sequence number is an integer from 0 to {SEQ_MAX}")]
    Seq,
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:expr, $error:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks `text` and takes a copy of it.
            ///
            /// # Errors
            /// When `text` is not of the form that `docs/FORMAT.md` section 2 gives.
            pub fn new(text: &str) -> Result<Self, NameError> {
                if Self::is_valid(text) { Ok(Self(text.into())) } else { Err($error) }
            }

            /// Whether `text` is of the form, without taking a copy.
            #[must_use]
            pub fn is_valid(text: &str) -> bool {
                let check: fn(&str) -> bool = $check;
                check(text)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    };
}

text_type! {
    /// The name of a ledger, `[a-z0-9][a-z0-9._-]{0,127}`. A prefix up to the first dot can name a tenant.
    LedgerName, is_ledger_name, NameError::Ledger
}
text_type! {
    /// The name under which a server's ledgers stand: a host name, optionally with a port, no slash.
    ServerName, is_server_name, NameError::Server
}
text_type! {
    /// A ledger's name for the world, `<server name>/<ledger name>`: first line of its checkpoints (C2SP
    /// tlog-checkpoint) and key name of its signatures.
    Origin, is_origin, NameError::Origin
}
text_type! {
    /// What makes an event the same event when it is sent again: unique within a ledger, for ever.
    EventId, is_event_id, NameError::EventId
}

fn begins_well(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'a'..=b'z' | b'0'..=b'9'))
}

fn is_ledger_name(text: &str) -> bool {
    text.len() <= LEDGER_NAME_BYTES_MAX
        && begins_well(text)
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

fn is_server_name(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    text.len() <= SERVER_NAME_BYTES_MAX
        && begins_well(host)
        && host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
        && port.is_none_or(|port| {
            (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
        })
}

fn is_origin(text: &str) -> bool {
    text.len() <= ORIGIN_BYTES_MAX
        && text
            .split_once('/')
            .is_some_and(|(server, ledger)| is_server_name(server) && is_ledger_name(ledger))
}

fn is_event_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Origin {
    /// The origin of `ledger` on the server named `server`. Always valid: the parts' limits add up to
    /// [`ORIGIN_BYTES_MAX`].
    #[must_use]
    pub fn of(server: &ServerName, ledger: &LedgerName) -> Self {
        Self(format!("{server}/{ledger}").into())
    }

    /// The part before the slash.
    #[must_use]
    pub fn server(&self) -> &str {
        self.0.split_once('/').map_or("", |(server, _)| server)
    }

    /// The part after the slash, a ledger name.
    #[must_use]
    pub fn ledger(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, ledger)| ledger)
    }
}

/// A record's place in its ledger, counted from 0; at most 2^53 - 1, so that JSON carries it exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// The first record.
    pub const ZERO: Self = Self(0);

    /// Checks a number.
    ///
    /// # Errors
    /// [`NameError::Seq`] above 2^53 - 1.
    pub const fn new(number: u64) -> Result<Self, NameError> {
        if number <= SEQ_MAX { Ok(Self(number)) } else { Err(NameError::Seq) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next place; `None` after the last one there is.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        if self.0 < SEQ_MAX { Some(Self(self.0 + 1)) } else { None }
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seq {
    type Err = NameError;
    /// Decimal digits without sign or leading zeros.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && (text.len() == 1 || !text.starts_with('0'));
        let number = if plain { text.parse().ok() } else { None };
        number.ok_or(NameError::Seq).and_then(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_or_header_are_refused() {
        for bad in ["", ".", "..", "-a", "a/b", "A", "a b", "a\n", "é", &"a".repeat(129)] {
            assert_eq!(LedgerName::new(bad), Err(NameError::Ledger), "{bad:?}");
        }
        for good in ["a", "0", "tenant.orders", "a-b_c.d", &"a".repeat(128)] {
            assert_eq!(LedgerName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a/b", "a:", "a:123456", "a+b", "a b", ":80", "a:8:8"] {
            assert_eq!(ServerName::new(bad), Err(NameError::Server), "{bad:?}");
        }
        assert!(ServerName::new("ledger.example.com:8080").is_ok());
    }

    #[test]
    fn the_longest_origin_fits() {
        let server = ServerName::new(&"s".repeat(126)).unwrap();
        let ledger = LedgerName::new(&"l".repeat(128)).unwrap();
        let origin = Origin::of(&server, &ledger);
        assert_eq!(origin.len(), 255);
        assert_eq!(Origin::new(&origin).unwrap(), origin);
        assert_eq!((origin.server(), origin.ledger()), (&*server, &*ledger));
    }

    #[test]
    fn ids_refuse_control_characters_and_excess() {
        for bad in ["", "a\u{7f}", "a\nb", "\u{85}", &"x".repeat(129)] {
            assert_eq!(EventId::new(bad), Err(NameError::EventId), "{bad:?}");
        }
        assert!(EventId::new("order 17 / é").is_ok());
    }

    #[test]
    fn sequence_numbers_have_one_spelling() {
        for bad in ["", "+5", "05", "-1", " 1", "9007199254740992", "99999999999999999999"] {
            assert_eq!(bad.parse::<Seq>(), Err(NameError::Seq), "{bad:?}");
        }
        assert_eq!("9007199254740991".parse::<Seq>().unwrap().next(), None);
    }
}
