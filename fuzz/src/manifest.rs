//! A manifest has one text, is checked before it is signed again, and is not believed without a key.

use indelible_core::key::Trust;
use indelible_core::manifest::Manifest;
use indelible_core::note::SignedNote;

/// One run.
pub fn run(data: &[u8]) {
    assert!(Manifest::open(data, &Trust::default()).is_err(), "believed without a key");
    let note = SignedNote::parse(data).ok();
    let texts = [note.as_ref().map(SignedNote::text), core::str::from_utf8(data).ok()];
    for text in texts.into_iter().flatten() {
        if let Ok(manifest) = Manifest::parse_text(text) {
            assert_eq!(manifest.signed_text().as_deref(), Ok(text), "written otherwise");
        }
    }
}
