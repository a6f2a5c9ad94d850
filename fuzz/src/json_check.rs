//! The check passes exactly the fixed points of the writer, and members are slices of the text.

use indelible_core::json::{Limits, canonicalize, check_canonical};

/// One run.
pub fn run(data: &[u8]) {
    let limits = Limits::RECORD;
    let fixed = canonicalize(data, limits).is_ok_and(|written| written == data);
    match check_canonical(data, limits) {
        Ok(members) => {
            assert!(fixed, "passed, but not a fixed point");
            if members.is_object() {
                let parts: Vec<_> = members
                    .iter()
                    .map(|(name, value)| [&b"\""[..], name, b"\":", value].concat())
                    .collect();
                assert_eq!([&b"{"[..], &parts.join(&b","[..]), b"}"].concat(), data);
            }
        }
        Err(error) => {
            assert!(!fixed, "a fixed point was refused: {error}");
            assert!(error.offset <= data.len());
        }
    }
}
