//! A checkpoint has one text, and no note is believed without a key.

use indelible_core::checkpoint::Checkpoint;
use indelible_core::key::Trust;
use indelible_core::note::SignedNote;

/// One run.
pub fn run(data: &[u8]) {
    assert!(Checkpoint::open_any(data, &Trust::default()).is_err(), "believed without a key");
    let note = SignedNote::parse(data).ok();
    let texts = [note.as_ref().map(SignedNote::text), core::str::from_utf8(data).ok()];
    for text in texts.into_iter().flatten() {
        if let Ok(checkpoint) = Checkpoint::parse(text) {
            assert_eq!(checkpoint.body(), text);
        }
    }
}
