//! Bytes changed without any plan.

use std::fs;

use indelible_tests::forge::copy_folder;

use crate::scene::Scene;
use crate::support::{Plan, files};

/// Every byte of small evidence changed would take minutes; every so many, each time others, does not.
#[test]
fn changed_bytes_anywhere_have_the_same_codes() {
    let mut scene = Scene::new();
    let ledger = Plan::new("orders").per_commit(3).ledger(5);
    let mut flip = |what: &str, bytes: &[u8], step: usize| {
        for at in (0..bytes.len()).step_by(step) {
            let mut bent = bytes.to_vec();
            bent[at] ^= [1, 2, 32, 128][at % 4];
            scene.file(&format!("byte {at} of the {what}"), what, &bent, None, &[]);
        }
    };
    flip("export", &ledger.export(), 11);
    flip("receipt", &ledger.receipt(3, 6).to_json(), 5);
    let honest = tempfile::tempdir().unwrap();
    ledger.vault(honest.path(), &[3]);
    for file in files(honest.path()) {
        let bytes = fs::read(&file).unwrap();
        let name = file.strip_prefix(honest.path()).unwrap();
        for at in (0..bytes.len()).step_by(9) {
            let path = scene.path();
            copy_folder(honest.path(), &path);
            let mut bent = bytes.clone();
            bent[at] ^= [1, 2, 32, 128][at % 4];
            fs::write(path.join(name), bent).unwrap();
            scene.add(&format!("byte {at} of {}", name.display()), "vault", &path, None, &[]);
        }
    }
    scene.judge();
}
