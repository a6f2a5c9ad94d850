//! A compressed export is judged as what Zstandard's own library finds in it; where that finds nothing
//! whole, it is not good. Bytes that are not compressed are, in frames that cut lines.

use std::borrow::Cow;
use std::fs;

use indelible_verifier::Verdict;

use crate::judged;
use crate::packed::{PLAIN_BYTES_MAX, is_packed, pack, unpack};

/// One run.
pub fn run(data: &[u8]) {
    let packed =
        if is_packed(data) { Cow::Borrowed(data) } else { pack(data, data.len() / 2).into() };
    // The same path for both, as reports name it.
    let folder = tempfile::tempdir().expect("a folder for the export");
    let path = folder.path().join("export");
    let judge = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("room for the export");
        judged::judge(&path)
    };
    let report = judge(&packed);
    match unpack(&packed) {
        // Frames in frames are no export, and are not unpacked twice.
        Ok(plain) if is_packed(&plain) => assert_ne!(report.verdict(), Verdict::Good),
        Ok(plain) if plain.len() > PLAIN_BYTES_MAX => {}
        Ok(plain) => {
            assert_eq!(judged::said(&report), judged::said(&judge(&plain)), "unpacked otherwise");
        }
        Err(error) => assert_ne!(report.verdict(), Verdict::Good, "good, and broken: {error}"),
    }
}
