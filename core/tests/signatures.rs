//! Signatures of every algorithm, good and bad, that another implementation made (OpenSSL, by
//! `vectors/signature_make.py`), and keys that must not be taken.

use indelible_core::hash::Digest;
use indelible_core::key::{
    Algorithm, HmacKey, KeyError, KeyId, NamedHmacKey, RecordKey, RecordSignature, Signature,
    SignatureCheck, Trust, VKey,
};
use indelible_core::name::Origin;
use serde_json::Value;

const VECTORS: &str = include_str!("vectors/signatures.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn digest() -> Digest {
    Digest::from_hex(text(&vectors(), "digest")).unwrap()
}

fn origin() -> Origin {
    Origin::new("ledger.example/orders").unwrap()
}

/// One of the golden keys, as an auditor is given it.
fn given(case: &Value) -> (RecordKey, Trust) {
    let (key, mut trust) = (text(case, "key"), Trust::new());
    match VKey::parse(key) {
        Ok(vkey) => {
            assert_eq!(vkey.to_string(), key, "written otherwise");
            trust.add(vkey.clone());
            (vkey.key().clone(), trust)
        }
        Err(error) => {
            assert_eq!(error, KeyError::Secret);
            let secret = NamedHmacKey::parse_file(key).unwrap();
            assert_eq!(secret.to_text(), key, "written otherwise");
            trust.add_secret(secret.clone());
            (secret.key().clone().into(), trust)
        }
    }
}

fn signature(key_id: &KeyId, base64: &str) -> RecordSignature {
    let signature = Signature::from_base64(key_id, base64).unwrap();
    RecordSignature { key_id: key_id.clone(), signature }
}

#[test]
fn signatures_of_every_algorithm_are_told_from_bad_ones() {
    let mut seen = Vec::new();
    for case in vectors()["signatures"].as_array().unwrap() {
        let (key, trust) = given(case);
        let id = key.key_id();
        assert_eq!(id.as_str(), text(case, "kid"));
        assert_eq!(id.algorithm(), Some(key.algorithm()));
        let good = signature(&id, text(case, "good"));
        assert_eq!(good.signature.to_base64(), text(case, "good"));
        assert_eq!(trust.check(&digest(), &good), SignatureCheck::Fits, "{id}");
        assert!(key.verify(&digest(), &good.signature), "{id}");
        let bad = case["bad"].as_object().unwrap();
        assert!(bad.len() >= 4);
        for (name, base64) in bad {
            let bad = signature(&id, base64.as_str().unwrap());
            assert_eq!(trust.check(&digest(), &bad), SignatureCheck::DoesNotFit, "{id}: {name}");
            assert!(!key.verify(&digest(), &bad.signature), "{id}: {name}");
        }
        seen.push(key.algorithm());
    }
    seen.sort_unstable();
    assert_eq!(seen, Algorithm::ALL, "an algorithm without a golden signature");
}

#[test]
fn what_an_id_spells_is_checked_without_the_key_and_what_it_only_names_is_not() {
    for case in vectors()["signatures"].as_array().unwrap() {
        let id = KeyId::new(text(case, "kid")).unwrap();
        let good = signature(&id, text(case, "good"));
        let bad = signature(&id, text(&case["bad"], "of another digest"));
        let nobody = Trust::new();
        let spelled = matches!(id.algorithm(), Some(Algorithm::Ed25519 | Algorithm::EcdsaP256));
        let expected = if spelled {
            [SignatureCheck::Fits, SignatureCheck::DoesNotFit]
        } else {
            [SignatureCheck::KeyMissing; 2]
        };
        assert_eq!([good, bad].map(|sig| nobody.check(&digest(), &sig)), expected, "{id}");
        assert!(!nobody.trusts(&id, &origin()));
    }
}

#[test]
fn an_unknown_algorithm_is_for_a_newer_program_and_a_signature_of_another_one_is_none() {
    let id = KeyId::new("ml-dsa-44:00").unwrap();
    let newer = RecordSignature { signature: Signature::new(&id, b"?").unwrap(), key_id: id };
    assert_eq!(Trust::new().check(&digest(), &newer), SignatureCheck::Newer);
    let vectors = vectors();
    let cases = vectors["signatures"].as_array().unwrap();
    for case in cases {
        let (key, trust) = given(case);
        for other in cases.iter().filter(|other| text(other, "kid") != text(case, "kid")) {
            let id = KeyId::new(text(other, "kid")).unwrap();
            let signature = signature(&id, text(other, "good")).signature;
            assert!(!key.verify(&digest(), &signature));
            let mixed = RecordSignature { key_id: key.key_id(), signature };
            assert_eq!(trust.check(&digest(), &mixed), SignatureCheck::DoesNotFit);
        }
    }
}

#[test]
fn a_key_is_trusted_for_its_origin_and_only_ed25519_for_notes() {
    let elsewhere = Origin::new("elsewhere.example/orders").unwrap();
    for case in vectors()["signatures"].as_array().unwrap() {
        let (key, trust) = given(case);
        assert!(trust.trusts(&key.key_id(), &origin()) && !trust.is_empty());
        assert!(!trust.trusts(&key.key_id(), &elsewhere));
        let notes = trust.note_keys(&origin()).count();
        let is_ed25519 = key.algorithm() == Algorithm::Ed25519;
        assert_eq!(notes, usize::from(is_ed25519));
        assert_eq!(trust.lacks_note_key(&origin()), !is_ed25519);
        assert!(!trust.lacks_note_key(&elsewhere));
    }
}

#[test]
fn keys_that_proper_key_generation_does_not_make_are_refused_with_the_reason() {
    let vectors = vectors();
    for case in vectors["keys_refused"].as_array().unwrap() {
        let error = VKey::parse(text(case, "vkey")).unwrap_err();
        // A library may refuse the smaller ones before their size is looked at.
        let expected = text(case, "error");
        let found = format!("{error:?}");
        assert!(found == expected, "{}: {found}, not {expected}", text(case, "name"));
    }
    for case in vectors["secrets_refused"].as_array().unwrap() {
        let error = NamedHmacKey::parse_file(text(case, "secret")).unwrap_err();
        assert_eq!(format!("{error:?}"), text(case, "error"), "{}", text(case, "name"));
    }
    let longest = vectors["kid_of_64_bytes"].as_array().unwrap();
    let key = NamedHmacKey::parse_file(longest[0].as_str().unwrap()).unwrap();
    assert_eq!(Some(key.key().key_id().as_str()), longest[1].as_str());
}

#[test]
fn a_secret_is_never_shown() {
    let key = HmacKey::new(&[0x5a; 32]).unwrap();
    let named = NamedHmacKey::new("ledger.example", key.clone()).unwrap();
    let mut trust = Trust::new();
    trust.add_secret(named.clone());
    for shown in [format!("{key:?}"), format!("{named:?}"), format!("{trust:?}")] {
        assert!(!shown.to_lowercase().contains("5a5a") && !shown.contains("WlpaWlpa"), "{shown}");
        assert!(!shown.contains("90, 90"), "{shown}");
    }
    assert_eq!(VKey::new("ledger.example", key), Err(KeyError::Secret));
}
