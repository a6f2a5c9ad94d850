//! Other people's tools open our checkpoints: Go's own note package does, given the key under the name
//! that `indelible key show --ledger` gives it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use indelible_tests::client::Event;
use indelible_tests::programs::{indelible, repository, run};
use indelible_tests::server::Setup;

/// Builds the small Go program beside this test. Its one dependency is pinned by go.sum; once fetched it
/// comes from the module cache.
fn build(folder: &Path) -> PathBuf {
    let program = folder.join("opennote");
    let built = Command::new("go")
        .args(["build", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(repository().join("tests/go"))
        // The Go that is here, and no workspace around.
        .envs([("GOTOOLCHAIN", "local"), ("GOWORK", "off"), ("GOFLAGS", "")])
        .output()
        .expect("there is no Go; scripts/test-deps installs it");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

fn open(program: &Path, vkey: &str, note: &str) -> Output {
    let mut child = Command::new(program)
        .arg(vkey)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the Go program runs");
    child.stdin.take().expect("stdin is piped").write_all(note.as_bytes()).expect("it reads");
    child.wait_with_output().expect("the Go program ends")
}

#[test]
fn gos_note_package_opens_a_checkpoint_with_the_ledgers_own_vkey() {
    let folder = tempfile::tempdir().unwrap();
    let opennote = build(folder.path());
    let setup =
        Setup::new(&folder.path().join("data")).with("INDELIBLE_SERVER_NAME", "ledger.test");
    let server = setup.start().expect("a start");
    let data = server.data().to_str().unwrap().to_owned();
    server.client().create("orders", "record");
    server.client().append("orders", &[Event::new("one", "{\"n\":1}")]);
    let checkpoint = server.client().checkpoint("orders");

    let vkey = |more: &[&str]| {
        let args = [&["key", "show", "--data", &data, "--json"][..], more].concat();
        let shown = run(indelible(), args).expect(0).json();
        (shown["name"].as_str().unwrap().to_owned(), shown["vkey"].as_str().unwrap().to_owned())
    };
    let (name, own) = vkey(&["--ledger", "orders"]);
    assert_eq!(name, "ledger.test/orders");
    let opened = open(&opennote, &own, &checkpoint);
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    let text = String::from_utf8(opened.stdout).unwrap();
    assert!(checkpoint.starts_with(&format!("{text}\n")), "{text}");
    assert!(text.starts_with("ledger.test/orders\n2\n"), "{text}");
    // The running server says the same.
    let shown = server.cli(&["key", "show", "--ledger", "orders", "--from-server", "--json"]);
    assert_eq!(shown.expect(0).json()["vkey"], own.as_str());

    // Neither under the server's name or another ledger's, nor changed, does it open.
    let (_, servers) = vkey(&[]);
    let (_, others) = vkey(&["--ledger", "other"]);
    for (key, note) in [
        (&servers, checkpoint.clone()),
        (&others, checkpoint.clone()),
        (&own, checkpoint.replacen("\n2\n", "\n3\n", 1)),
    ] {
        assert_eq!(open(&opennote, key, &note).status.code(), Some(1), "{key}");
    }
    server.stop();
    // Without a server it is the same key.
    assert_eq!(vkey(&["--ledger", "orders"]).1, own);
}
