//! The rules against published vectors: RFC 8032, Wycheproof, and the cases of ed25519-speccheck that
//! tell verification rules apart.

use indelible_core::ed25519::{
    verify_bulk_raw, verify_bulk_report_raw, verify_raw, verify_strict_raw,
};
use indelible_core::key::PublicKey;
use serde_json::Value;

const SEED: [u8; 32] = [42; 32];

/// A vector file, or nothing where the vectors are not checked out beside the repository. In a check
/// that is to be relied on ($CI is set) they must be there.
fn load(name: &str) -> Option<Value> {
    let path = format!("{}/../../shared/vectors/ed25519/{name}", env!("CARGO_MANIFEST_DIR"));
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            let absent = format!("NOT TESTED: the vectors of {name} are absent ({error})");
            assert!(std::env::var_os("CI").is_none(), "{absent}");
            eprintln!("{absent}");
            None
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn the_vectors_of_rfc_8032_are_accepted() {
    // Section 7.1, tests 1 to 3: key, message, signature.
    for (key, message, signature) in [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let key: [u8; 32] = hex::decode(key).unwrap().try_into().unwrap();
        let message = hex::decode(message).unwrap();
        let signature: [u8; 64] = hex::decode(signature).unwrap().try_into().unwrap();
        assert!(verify_raw(&key, &message, &signature));
        assert!(verify_strict_raw(&key, &message, &signature));
        assert!(verify_bulk_raw(&key, &[(&message[..], &signature); 7], SEED));
        assert!(!verify_raw(&key, b"another", &signature));
    }
}

#[test]
fn speccheck_cases_are_judged_as_the_rules_say() {
    // By the table of ed25519-speccheck (order of A, order of R, which equation holds), the rule for
    // records and the strict rule:
    const EXPECTED: [(bool, bool, &str); 12] = [
        (false, false, "A of small order"),
        (false, false, "A of small order"),
        (true, false, "R of small order: only the strict rule minds"),
        (true, true, "A and R mixed, holds without the cofactor too"),
        (true, false, "holds with the cofactor only"),
        (true, false, "holds with the cofactor only; k must not be multiplied by 8 and reduced"),
        (false, false, "S above L"),
        (false, false, "S far above L"),
        (false, false, "R not canonical"),
        (false, false, "R not canonical, hashed as it stands"),
        (false, false, "A not canonical (and of small order)"),
        (false, false, "A not canonical (and of small order), hashed as it stands"),
    ];
    let Some(cases) = load("speccheck_cases.json") else { return };
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), EXPECTED.len());
    for (number, (case, (record, strict, why))) in cases.iter().zip(EXPECTED).enumerate() {
        let key: [u8; 32] = bytes(&case["pub_key"]).try_into().unwrap();
        let signature: [u8; 64] = bytes(&case["signature"]).try_into().unwrap();
        let message = bytes(&case["message"]);
        assert_eq!(verify_raw(&key, &message, &signature), record, "case {number}: {why}");
        assert_eq!(verify_strict_raw(&key, &message, &signature), strict, "case {number}: {why}");
        for copies in [1, 2, 5, 8, 200] {
            let items = vec![(&message[..], &signature); copies];
            let bulk = verify_bulk_raw(&key, &items, SEED);
            assert_eq!(bulk, record, "case {number}, {copies} times in bulk: {why}");
            let reported = verify_bulk_report_raw(&key, &items, SEED).len();
            assert_eq!(reported, if record { 0 } else { copies }, "case {number}: {why}");
        }
        // Every key of the set has a component of small order, but for the one of cases 6 and 7.
        assert_eq!(PublicKey::from_bytes(&key).is_ok(), matches!(number, 6 | 7), "case {number}");
    }
}

#[test]
fn wycheproof_results_hold_singly_strictly_and_in_bulk() {
    let Some(file) = load("wycheproof_ed25519_test.json") else { return };
    let mut seen = 0;
    for group in file["testGroups"].as_array().unwrap() {
        let key: [u8; 32] = bytes(&group["publicKey"]["pk"]).try_into().unwrap();
        PublicKey::from_bytes(&key).expect("the keys of Wycheproof are proper keys");
        let tests = group["tests"].as_array().unwrap();
        let of_right_length =
            |test: &Value| -> Option<[u8; 64]> { bytes(&test["sig"]).try_into().ok() };
        let good: Vec<(Vec<u8>, [u8; 64])> = tests
            .iter()
            .filter(|test| test["result"] == "valid")
            .map(|test| (bytes(&test["msg"]), of_right_length(test).unwrap()))
            .collect();
        for test in tests {
            seen += 1;
            let (id, valid) = (&test["tcId"], test["result"] == "valid");
            let Some(signature) = of_right_length(test) else {
                // The type of a signature already refuses it.
                assert!(!valid, "case {id}");
                continue;
            };
            let message = bytes(&test["msg"]);
            assert_eq!(verify_raw(&key, &message, &signature), valid, "case {id}");
            assert_eq!(verify_strict_raw(&key, &message, &signature), valid, "case {id}");
            let item = (&message[..], &signature);
            assert_eq!(verify_bulk_raw(&key, &[item], SEED), valid, "case {id}");
            // Among enough good ones (repeated where the group has few) that a sum is formed.
            let mut mixed: Vec<(&[u8], &[u8; 64])> = good
                .iter()
                .cycle()
                .take(if good.is_empty() { 0 } else { 9 })
                .map(|(m, s)| (&m[..], s))
                .collect();
            let place = mixed.len() / 2;
            mixed.insert(place, item);
            assert_eq!(verify_bulk_raw(&key, &mixed, SEED), valid, "case {id} among good ones");
            let bad: &[usize] = if valid { &[] } else { &[place] };
            assert_eq!(
                verify_bulk_report_raw(&key, &mixed, SEED),
                bad,
                "case {id} among good ones"
            );
        }
    }
    assert_eq!(seen, 151);
}
