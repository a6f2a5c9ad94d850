//! A vkey, a key id and a signature have one spelling each.

use indelible_core::key::{KeyId, Signature, VKey};

/// One run.
pub fn run(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let line = text.strip_suffix('\n').unwrap_or(text);
    if let Ok(vkey) = VKey::parse_file(text) {
        assert_eq!(vkey.to_string(), line, "written otherwise");
        assert!(!line.contains('\n'), "more than a line");
    }
    if let Ok(id) = KeyId::new(text) {
        assert_eq!(id.as_str(), text);
        assert!(id.public_key().is_some());
    }
    if let Ok(signature) = Signature::from_base64(text) {
        assert_eq!(signature.to_base64(), text, "written otherwise");
    }
}
