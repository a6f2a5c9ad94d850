//! A note in a file is the note that was saved, whatever line ends it has.

use indelible_core::note::{SignedNote, from_file};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One run.
pub fn run(data: &[u8]) {
    let note = from_file(data);
    assert!(note.len() <= data.len() + 1, "it grew");
    if !data.starts_with(BYTE_ORDER_MARK) && SignedNote::parse(data).is_ok() {
        assert_eq!(note, data, "a note that was changed");
    }
    if SignedNote::parse(&note).is_err() {
        return;
    }
    // Saved by a program that ends lines with CR and LF, it is still the same.
    let mut saved = Vec::from(BYTE_ORDER_MARK);
    for byte in note.iter() {
        saved.extend_from_slice(if *byte == b'\n' { b"\r\n" } else { core::slice::from_ref(byte) });
    }
    assert_eq!(from_file(&saved), note, "another note");
}
