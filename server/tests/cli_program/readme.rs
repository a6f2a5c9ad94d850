//! The README's commands, run as they stand there.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::example::{commit, git};
use crate::harness::{PROGRAM, Ran, Server, clean, verify_program};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Stands before every block that this test runs.
const MARK: &str = "<!-- tested: ";
/// The address in the README, where a server of `make run` listens.
const ADDRESS: &str = "http://127.0.0.1:7412";

/// The blocks' names and commands, in their order.
fn tested_blocks(readme: &str) -> Vec<(&str, &str)> {
    readme
        .split(MARK)
        .skip(1)
        .map(|rest| {
            let (name, rest) = rest.split_once(" -->\n").expect("the mark ends");
            let block = rest.strip_prefix("```sh\n").expect("a block follows the mark");
            (name, block.split_once("```").expect("the block ends").0)
        })
        .collect()
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Says so past the test's capture, which would hide it.
fn skipped(block: &str, why: &str) {
    let text = format!("SKIPPED: README block `{block}`, because {why}\n");
    std::io::stderr().write_all(text.as_bytes()).expect("stderr");
}

#[test]
fn every_command_of_the_readme_works_by_copy_and_paste() {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).expect("the README");
    let blocks = tested_blocks(&readme);
    assert!(blocks.len() >= 6, "found only {} blocks", blocks.len());
    let shown = readme.matches("```sh\n").count();
    assert_eq!(shown, blocks.len() + 1, "only `make run` itself is not run here");

    let server = Server::start();
    let home = server.home.path();
    std::fs::create_dir(home.join("bin")).expect("a folder");
    symlink(PROGRAM, home.join("bin/indelible")).expect("a link");
    symlink(verify_program(), home.join("bin/indelible-verify")).expect("a link");
    symlink(Path::new(ROOT).join("scripts"), home.join("scripts")).expect("a link");
    assert!(git(home).args(["init", "-q"]).status().expect("git runs").success());
    std::fs::write(home.join(".gitignore"), "*\n").expect("a file");
    commit(home, b"first");

    let mut script = String::from("set -eu\n");
    for (name, commands) in blocks {
        if commands.contains("curl ") && !is_installed("curl") {
            skipped(name, "curl is not installed");
            continue;
        }
        script.push_str(&format!("echo '== {name}'\n{commands}"));
    }
    let mut shell = Command::new("sh");
    clean(&mut shell);
    shell.args(["-c", &script.replace(ADDRESS, &server.url())]).current_dir(home);
    shell.env("INDELIBLE_URL", server.url());
    let ran = Ran::of(shell.output().expect("a shell runs"));
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    for expected in ["payments: 1 appended", "payments: 2 appended", "history: 1 appended"] {
        assert!(ran.out.contains(expected), "{expected:?} is not in {}", ran.out);
    }

    // "Change one letter of it and the command says so."
    let forged = server.read("receipt.json").replace("\"ada\"", "\"eve\"");
    server.write("receipt.json", &forged);
    let mut verify = Command::new(home.join("bin/indelible-verify"));
    verify.args(["receipt", "receipt.json", "--key", "indelible-data/public.vkey"]);
    let verified = Ran::of(verify.current_dir(home).output().expect("the verifier runs"));
    assert_eq!(verified.code, 1, "{verified:?}");
}
