//! A note that is read is written back to the byte, and nobody's signature is believed without a key.

use indelible_core::limits::NOTE_SIGNATURES_MAX;
use indelible_core::note::{SignedNote, is_text};

/// One run.
pub fn run(data: &[u8]) {
    let Ok(note) = SignedNote::parse(data) else { return };
    assert_eq!(note.to_string().as_bytes(), data);
    assert!(is_text(note.text()), "a text that could not have been signed");
    assert!((1..=NOTE_SIGNATURES_MAX).contains(&note.signatures().len()));
    assert!(note.verify([]).is_err(), "believed without a key");
}
