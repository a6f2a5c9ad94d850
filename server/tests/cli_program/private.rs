//! What is written is for its owner alone, and a server does not start on what is open to others.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Ran, Server};

fn walk(path: &Path, found: &mut Vec<(PathBuf, u32)>) {
    let meta = std::fs::symlink_metadata(path).expect("its mode");
    found.push((path.to_owned(), meta.permissions().mode() & 0o7777));
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            walk(&entry.expect("an entry").path(), found);
        }
    }
}

/// What gives others something.
fn open_to_others(path: &Path, allowed: u32) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    walk(path, &mut found);
    assert!(found.len() > 3, "{found:?}");
    found.retain(|(_, mode)| mode & 0o077 & !allowed != 0);
    found
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode is set");
}

fn refusal(server: &Server) -> String {
    let ran = Ran::of(server.serve().output().expect("it ends at once"));
    assert_ne!(ran.code, 0, "it started");
    ran.err
}

#[test]
fn nothing_in_data_folder_and_vault_is_for_others_whatever_the_umask() {
    let mut server = Server::start_after("umask 000");
    server.good("ledger create audit");
    server.run_with("append audit", &"{\"n\":1}\n".repeat(3000));
    let vault = server.path("vault");
    server.good(&format!("archive audit --to {}", vault.display()));
    server.stop();
    server.start_again();
    server.good(&format!("archive audit --to {}", vault.display()));
    let data = server.path("indelible-data");
    assert_eq!(open_to_others(&data, 0), []);
    assert_eq!(open_to_others(&vault, 0), []);
    server.stop();
    // A command that opens the database itself, with the umask of a shell.
    let shell = format!(
        "umask 000; exec \"$0\" archive audit --data indelible-data --to {}",
        vault.display()
    );
    let mut command = Command::new("sh");
    command.current_dir(server.home.path()).args(["-c", &shell, crate::harness::PROGRAM]);
    assert!(command.output().expect("it runs").status.success());
    assert_eq!(open_to_others(&data, 0), []);
    assert_eq!(open_to_others(&vault, 0), []);
}

#[test]
fn a_folder_that_is_open_to_others_is_refused_with_what_mends_it() {
    let mut server = Server::start();
    server.good("ledger create audit");
    server.stop();
    let data = server.path("indelible-data");
    // One that every start keeps.
    let table = data.join("db").join("IDENTITY");
    for (path, mode) in [(&data, 0o755), (&data, 0o710), (&data.join("db"), 0o701), (&table, 0o644)]
    {
        set_mode(path, mode);
        let said = refusal(&server);
        assert!(said.contains(&format!("(mode {mode:04o})")), "{said}");
        let at = said.find("chmod ").expect("a command");
        let command = said[at..].split(',').next().expect("it ends");
        assert_eq!(command, "chmod -R go-rwx indelible-data", "{said}");
        let mended =
            Command::new("sh").current_dir(server.home.path()).args(["-c", command]).status();
        assert!(mended.expect("sh runs").success());
        server.start_again();
        server.stop();
    }
}

#[test]
fn a_group_is_let_in_where_that_is_configured() {
    let mut server = Server::start_after(
        "export INDELIBLE_DATA_MODE=0750 INDELIBLE_ARCHIVE_VAULT_MODE=0750; umask 077",
    );
    server.good("ledger create audit");
    let vault = server.path("vault");
    server.good(&format!("archive audit --to {}", vault.display()));
    let mut found = Vec::new();
    walk(&vault, &mut found);
    for (path, mode) in &found {
        let expected = if path.is_dir() { 0o750 } else { 0o440 };
        assert_eq!(*mode, expected, "{}", path.display());
    }
    assert_eq!(open_to_others(&server.path("indelible-data"), 0o050), []);
    // Without the keys both are too open.
    server.stop();
    server.before(":");
    assert!(refusal(&server).contains("data.mode"));
    server.before("export INDELIBLE_DATA_MODE=0750");
    server.start_again();
    let ran = server.run(&format!("archive audit --to {}", vault.display()));
    assert!(ran.code != 0 && ran.err.contains("archive.vault_mode"), "{ran:?}");
    for wrong in ["0777", "0600", "750x", "9"] {
        let mut command = server.serve();
        command.env("INDELIBLE_ARCHIVE_VAULT_MODE", wrong);
        let ran = Ran::of(command.output().expect("it ends at once"));
        assert!(ran.err.contains("ARCHIVE_VAULT_MODE") && ran.err.contains("0700"), "{ran:?}");
    }
}

/// Whoever opens connections and leaves them idle takes the files from nobody: not from others, not from
/// the database.
#[test]
fn with_few_files_idle_connections_keep_nobody_out_and_the_database_goes_on() {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    let server = Server::start_after("ulimit -n 64");
    server.good("ledger create audit");
    let mut held = Vec::new();
    for round in 0..200u64 {
        let mut stream = TcpStream::connect(server.address).expect("it is let in");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n").expect("it is sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200", "round {round}");
        held.push(stream);
        if round % 40 == 0 {
            let ran = server.run_with("append audit", "{\"n\":1}\n");
            assert_eq!(ran.code, 0, "{ran:?}");
        }
    }
    assert_eq!(server.size("audit"), 6);
}
