//! A vkey, a key id and a signature have one spelling each.

use indelible_core::key::{Algorithm, KeyId, NamedHmacKey, Signature, VKey};

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
        assert_eq!(id.public_key().is_some(), id.algorithm() == Some(Algorithm::Ed25519));
        assert!(id.as_str().starts_with(id.algorithm_name()));
    }
    if let Ok(secret) = NamedHmacKey::parse_file(text) {
        assert_eq!(secret.to_text(), line, "written otherwise");
    }
    for id in ids() {
        if let Ok(signature) = Signature::from_base64(&id, text) {
            assert_eq!(signature.to_base64(), text, "written otherwise");
        }
    }
}

/// One of each algorithm, and one that is not known.
fn ids() -> impl Iterator<Item = KeyId> {
    ["ed25519", "ecdsa-p256", "rsa-sha256", "hmac-sha256", "ml-dsa-44"].into_iter().map(|name| {
        let digits = if name == "ecdsa-p256" { 66 } else { 64 };
        KeyId::new(&format!("{name}:{}", "0".repeat(digits))).expect("a key id of its form")
    })
}
