//! What a real server makes.

use std::fs;
use std::path::Path;

use indelible_tests::forge::{self, renumber};
use indelible_tests::programs::run;
use indelible_tests::server::Setup;

use crate::python::Python;

#[test]
fn what_the_server_makes_is_good_for_the_python_program() {
    let folder = tempfile::tempdir().unwrap();
    let server = Setup::new(&folder.path().join("data")).start().unwrap();
    let python = Python::program();
    let file = |name: &str| folder.path().join(name).display().to_string();
    for (ledger, sign_per) in [("orders", "record"), ("metrics", "commit")] {
        server.client().create(ledger, sign_per);
        let events: Vec<String> = (0..300)
            .map(|n| format!("{{\"n\":{n},\"x\":{},\"é\":\"\\u0001\"}}", n as f64 / 7.0))
            .collect();
        fs::write(file("events"), events.join("\n") + "\n").unwrap();
        server.cli(&["append", ledger, &file("events")]).expect(0);
        server.cli(&["archive", ledger, "--to", &file("vault")]).expect(0);
        server.cli(&["export", ledger, "--out", &file(ledger)]).expect(0);
        let receipt = server.client().get(&format!("/v1/ledgers/{ledger}/events/17/receipt"));
        fs::write(file("receipt"), &receipt.body).unwrap();
        fs::write(file("head"), server.client().checkpoint(ledger)).unwrap();
        for (what, path, head) in [
            ("export", file(ledger), true),
            ("receipt", file("receipt"), false),
            ("vault", file("vault"), false),
        ] {
            let mut arguments = vec![what.to_owned(), path, "--key".to_owned(), server.vkey()];
            if head {
                arguments.extend(["--head".to_owned(), file("head")]);
            }
            run(&python.interpreter, python.arguments(&arguments)).expect(0);
        }
    }
    let mut rows = forge::Export::read(Path::new(&file("orders")));
    rows.rows.remove(5);
    renumber(&mut rows.rows);
    rows.write(Path::new(&file("bent")));
    let arguments = ["export", &file("bent"), "--key", &server.vkey()].map(str::to_owned);
    run(&python.interpreter, python.arguments(&arguments)).expect(1);
    server.stop();
}
