//! The rules for Ed25519 signatures, written out in Python, against the vectors that tell rules apart.

use std::fs;

use indelible_tests::programs::repository;
use serde_json::{Value, json};

use crate::python::Python;

/// A file of vectors, or nothing where they do not lie beside the repository; in CI they must.
fn load(name: &str) -> Option<Value> {
    let path = repository().join("../shared/vectors/ed25519").join(name);
    match fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "the vectors of {name} are absent ({error})");
            eprintln!("NOT CHECKED: the vectors of {name} are absent ({error})");
            None
        }
    }
}

/// What Python says of a signature: by the rule's text, and as it verifies with a key that it takes.
#[track_caller]
fn is_judged(answer: &Value, record: bool, strict: bool, usable: bool, why: &str) {
    let by_the_text = json!({"record": record, "strict": strict});
    assert_eq!(answer["by_the_text"], by_the_text, "{why}");
    assert_eq!(answer["usable"], usable, "{why}");
    if usable {
        assert_eq!(answer["verified"], by_the_text, "{why}");
    }
}

#[test]
fn speccheck_cases_are_judged_by_python_as_by_core() {
    // The rule for records, and the strict rule; the reasons stand in the tests of indelible-core.
    const EXPECTED: [(bool, bool); 12] = [
        (false, false),
        (false, false),
        (true, false),
        (true, true),
        (true, false),
        (true, false),
        (false, false),
        (false, false),
        (false, false),
        (false, false),
        (false, false),
        (false, false),
    ];
    let Some(file) = load("speccheck_cases.json") else { return };
    let questions: Vec<Value> = file
        .as_array()
        .unwrap()
        .iter()
        .map(|case| json!([case["pub_key"], case["message"], case["signature"]]))
        .collect();
    assert_eq!(questions.len(), EXPECTED.len());
    let answers = Python::program().ask("ed25519", &questions);
    for (number, (answer, (record, strict))) in answers.iter().zip(EXPECTED).enumerate() {
        // All other keys have a component of small order.
        let usable = matches!(number, 6 | 7);
        is_judged(answer, record, strict, usable, &format!("case {number}"));
    }
}

#[test]
fn wycheproof_results_hold_in_python() {
    let Some(file) = load("wycheproof_ed25519_test.json") else { return };
    let mut questions = Vec::new();
    let mut expected = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            questions.push(json!([group["publicKey"]["pk"], test["msg"], test["sig"]]));
            expected.push((test["result"] == "valid", test["tcId"].to_string()));
        }
    }
    assert_eq!(questions.len(), 151);
    let answers = Python::program().ask("ed25519", &questions);
    for (answer, (valid, id)) in answers.iter().zip(&expected) {
        is_judged(answer, *valid, *valid, true, &format!("case {id}"));
    }
}
