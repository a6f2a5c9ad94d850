//! Keys, their names, and whom an auditor trusts for what.

use ed25519_dalek::SigningKey;
use indelible_core::key::{
    Algorithm, Ed25519Signature, KeyError, KeyId, PublicKey, RecordKey, Signature, Trust, VKey,
};
use indelible_core::name::Origin;
use proptest::prelude::*;

const GOLDEN: &str = include_str!("vectors/key.vkey");

fn key(seed: u8) -> PublicKey {
    PublicKey::from_bytes(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes()).unwrap()
}

fn origin(text: &str) -> Origin {
    Origin::new(text).unwrap()
}

#[test]
fn a_vkey_file_is_read_and_written_byte_for_byte() {
    let vkey = VKey::parse_file(GOLDEN).unwrap();
    assert_eq!(vkey.name(), "ledger.example");
    assert_eq!(*vkey.key(), RecordKey::Ed25519(key(1)));
    assert_eq!(vkey.note_key(), Some(&key(1)));
    assert_eq!(format!("{vkey}\n"), GOLDEN);
    assert_eq!(VKey::new("ledger.example", key(1)).unwrap(), vkey);
    assert_eq!(VKey::parse_file(GOLDEN.trim_end()), Ok(vkey));
}

#[test]
fn vkeys_of_other_implementations_are_read() {
    // The example of C2SP signed-note, and C2SP issue 99 whose base64 contains a '+'.
    for (text, name) in [
        (
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo",
        ),
        (
            "sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69+809da1a3+AWbguFjkYqYJ5m/nE3DIFtiEb/ED1UmaIqf+w3/bxCSn",
            "sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69",
        ),
    ] {
        let vkey: VKey = text.parse().unwrap();
        assert_eq!(vkey.name(), name);
        assert_eq!(vkey.to_string(), text);
    }
}

#[test]
fn a_vkey_that_is_not_whole_is_refused_with_the_reason() {
    let good = GOLDEN.trim_end();
    assert!(VKey::parse(good).is_ok());
    let name = |name: &str| good.replacen("ledger.example", name, 1);
    for (text, error) in [
        ("", KeyError::VKeyShape),
        ("ledger.example", KeyError::VKeyShape),
        ("ledger.example+9e004662", KeyError::VKeyShape),
        (&good[..good.len() - 4], KeyError::VKeyShape),
        (&good.replace("9e004662", "9E004662"), KeyError::VKeyShape),
        (&good.replace("9e004662", "9e00466"), KeyError::VKeyShape),
        (&good.replace("9e004662", "9e004663"), KeyError::VKeyHash),
        (&name("ledger.exemple"), KeyError::VKeyHash),
        (&name(""), KeyError::VKeyName),
        (&name("ledger example"), KeyError::VKeyName),
        (&name("ledger\u{a0}example"), KeyError::VKeyName),
        (&name("ledger\u{7}example"), KeyError::VKeyName),
        (&name(&"n".repeat(256)), KeyError::VKeyName),
        (&name(&"\u{e9}".repeat(128)), KeyError::VKeyName),
        (&name("ledger\u{2028}example"), KeyError::VKeyName),
        (&name("ledger\u{85}example"), KeyError::VKeyName),
        (&name("ledger\u{7f}example"), KeyError::VKeyName),
        (&name("ledger\nexample"), KeyError::VKeyName),
        (&good.replacen('+', "+ ", 1), KeyError::VKeyShape),
        (&good.replacen("9c", "9c=", 1), KeyError::VKeyShape),
        (&format!("{good}+"), KeyError::VKeyShape),
        // A '+' in the name moves the fields.
        (&name("led+ger"), KeyError::VKeyShape),
        // Base64 that begins with 0x04, the type of a witness.
        (&good.replace("+AYqI", "+BIqI"), KeyError::VKeyType(4)),
        (&format!("{good} "), KeyError::VKeyShape),
        (&format!(" {good}"), KeyError::VKeyName),
    ] {
        assert_eq!(VKey::parse(text), Err(error), "{text:?}");
    }
    // 255 bytes, not characters.
    let longest = "\u{e9}".repeat(127) + "n";
    let vkey = VKey::new(&longest, key(1)).unwrap();
    assert_eq!(VKey::parse(&vkey.to_string()), Ok(vkey));
    for file in ["\n", &format!("{good}\n\n"), &format!("{good}\r\n"), &format!("# me\n{good}\n")] {
        assert!(VKey::parse_file(file).is_err(), "{file:?}");
    }
}

#[test]
fn an_unfit_key_is_refused_even_in_a_well_made_vkey() {
    use sha2::Digest as _;
    let mut small = [0u8; 32];
    small[0] = 1;
    let hash = sha2::Sha256::new().chain_update(b"n\n\x01").chain_update(small).finalize();
    let text = format!(
        "n+{}+{}",
        hex::encode(&hash[..4]),
        indelible_core::encoding::base64(&[&[1u8][..], &small].concat())
    );
    assert_eq!(VKey::parse(&text), Err(KeyError::SmallOrder));
}

#[test]
fn a_vkey_is_trusted_for_its_own_name_and_a_server_for_its_ledgers() {
    let trusts = |name: &str, about: &str| VKey::new(name, key(1)).unwrap().trusts(&origin(about));
    assert!(trusts("a.example", "a.example/orders"));
    assert!(trusts("a.example/orders", "a.example/orders"));
    for (name, about) in [
        ("a.example", "b.example/orders"),
        ("a.example", "a.example.org/orders"),
        ("a.exampl", "a.example/orders"),
        ("a.example/", "a.example/orders"),
        ("a.example/orders", "a.example/payments"),
        ("a.example/orders", "a.example/orders.old"),
        ("a.example/order", "a.example/orders"),
        ("orders", "a.example/orders"),
        ("a.example:80", "a.example/orders"),
    ] {
        assert!(!trusts(name, about), "{name} must not speak for {about}");
    }
}

#[test]
fn an_auditor_with_rotated_keys_finds_each_by_id_where_it_is_trusted() {
    let old = VKey::new("a.example", key(1)).unwrap();
    let new = VKey::new("a.example", key(2)).unwrap();
    let other = VKey::new("b.example/logs", key(3)).unwrap();
    let trust: Trust = [old.clone(), new.clone(), other, old.clone()].into_iter().collect();
    assert_eq!(trust.vkeys().len(), 3, "the same vkey twice is one");
    let orders = origin("a.example/orders");
    let logs = origin("b.example/logs");
    assert!(trust.trusts(&key(1).key_id(), &orders));
    assert!(trust.trusts(&key(2).key_id(), &orders));
    assert!(!trust.trusts(&key(3).key_id(), &orders), "trusted for another ledger only");
    assert!(trust.trusts(&key(3).key_id(), &logs));
    assert!(!trust.trusts(&key(1).key_id(), &logs));
    assert!(!trust.trusts(&key(4).key_id(), &orders));
    assert_eq!(trust.note_keys(&orders).collect::<Vec<_>>(), [&key(1), &key(2)]);
    assert!(Trust::new().is_empty() && !Trust::new().trusts(&key(1).key_id(), &orders));
}

#[test]
fn a_key_id_has_one_spelling() {
    let id = key(1).key_id();
    let text = "ed25519:8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    assert_eq!(id.as_str(), text);
    assert_eq!(id.as_str().len(), KeyId::ED25519_LEN);
    assert_eq!(text.parse(), Ok(id.clone()));
    assert_eq!(id.public_key(), Some(*key(1).as_bytes()));
    for bad in [
        "",
        "ed25519:",
        &text[..71],
        &format!("{text}0"),
        &text.to_uppercase(),
        &text.replace("8a88", "8A88"),
        &text.replace("ed25519", "Ed25519"),
        &text.replace("ed25519", "ecdsa-p256"),
        &text.replace("ed25519", "-sha256"),
        &text.replace("ed25519", "rsa_sha256"),
        &text.replace("ed25519", &"a".repeat(33)),
        "ml-dsa-44:",
        &format!("ml-dsa-44:{}", "0".repeat(201)),
        &text.replace("8a88", "é88"),
    ] {
        assert_eq!(KeyId::new(bad), Err(KeyError::KeyId), "{bad:?}");
    }
    for (other, algorithm) in [
        (text.replace("ed25519", "rsa-sha256"), Some(Algorithm::RsaSha256)),
        (text.replace("ed25519", "hmac-sha256"), Some(Algorithm::HmacSha256)),
        (text.replace("ed25519:", "ecdsa-p256:02"), Some(Algorithm::EcdsaP256)),
        ("ml-dsa-44:0".to_owned(), None),
        (format!("{}:{}", "a".repeat(32), "0".repeat(200)), None),
    ] {
        let id = KeyId::new(&other).unwrap();
        assert_eq!((id.as_str(), id.algorithm()), (&*other, algorithm));
        assert_eq!(id.public_key(), None);
    }
}

#[test]
fn signatures_have_one_spelling() {
    let id = key(1).key_id();
    let signature = Signature::from(Ed25519Signature([0xfb; 64]));
    let text = signature.to_base64();
    assert_eq!(text.len(), Ed25519Signature::BASE64_LEN);
    assert_eq!(Signature::from_base64(&id, &text), Ok(signature));
    // 64 bytes leave four bits of the last character unused; they must be zero.
    let stray = text.replace("+w==", "+x==");
    assert_ne!(stray, text);
    let urlsafe = text.replace('+', "-");
    for bad in ["", text.trim_end_matches('='), &stray, &urlsafe, &format!("{text}\n")] {
        assert_eq!(Signature::from_base64(&id, bad), Err(KeyError::Signature), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn a_vkey_comes_back_from_its_text(
        name in "[a-z0-9./:_-]{1,255}",
        seed in 0..=255u8,
        changed in 0..400usize,
        by in 1..=127u8,
    ) {
        let vkey = VKey::new(&name, key(seed)).unwrap();
        let text = vkey.to_string();
        prop_assert_eq!(VKey::parse(&text), Ok(vkey.clone()));
        // Any one changed character makes it another vkey or, all but always, none.
        let mut bytes = text.into_bytes();
        let place = changed % bytes.len();
        bytes[place] = (bytes[place] + by) % 128;
        if let Ok(other) = VKey::parse(&String::from_utf8(bytes).unwrap()) {
            prop_assert_ne!(other, vkey);
        }
    }

    #[test]
    fn arbitrary_text_is_never_a_panic(text: String) {
        let _ = VKey::parse_file(&text);
        let _ = KeyId::new(&text);
        let _ = Signature::from_base64(&key(1).key_id(), &text);
    }
}
