//! A file with a receipt is read as what its canonical form says, and as nothing else.

use indelible_core::json::{Limits, canonicalize};
use indelible_core::key::Trust;
use indelible_core::receipt::Receipt;

/// One run.
pub fn run(data: &[u8]) {
    let exact = Receipt::parse(data).ok();
    let Ok(receipt) = Receipt::from_file(data) else {
        assert!(exact.is_none(), "a receipt that is refused from a file");
        return;
    };
    assert!(exact.is_none_or(|exact| exact == receipt), "another receipt");
    let written = receipt.to_json();
    assert_eq!(Receipt::parse(&written).as_ref(), Ok(&receipt));
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let limits = Limits { bytes_max: text.len().max(written.len()), ..Limits::DOCUMENT };
    assert_eq!(canonicalize(text, limits), Ok(written), "not what the file says");
    assert!(receipt.verify(&Trust::default()).is_err(), "believed without a key");
}
