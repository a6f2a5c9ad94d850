//! A server process on a free port with a folder of its own, and commands run against it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_indelible");
/// The machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Killed when dropped.
pub(crate) struct Server {
    pub(crate) home: TempDir,
    pub(crate) address: SocketAddr,
    /// What a shell does before it becomes the server.
    before: String,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_after(":")
    }

    /// A server that a shell becomes after it has done something: `ulimit -n 64`, `export NAME=VALUE`.
    pub(crate) fn start_after(before: &str) -> Self {
        let mut server = Self {
            home: tempfile::tempdir().expect("a temporary folder"),
            address: free_address(),
            before: before.to_owned(),
            child: None,
        };
        server.start_again();
        server
    }

    /// Does something else before the next start.
    pub(crate) fn before(&mut self, before: &str) {
        before.clone_into(&mut self.before);
    }

    /// The command that serves.
    pub(crate) fn serve(&self) -> Command {
        let mut command = Command::new("sh");
        clean(&mut command);
        command
            .current_dir(self.home.path())
            .args(["-c", &format!("{}; exec \"$0\" \"$@\"", self.before), PROGRAM])
            .args(["serve", "--data", "indelible-data", "--listen", &self.address.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the process again on the same folder and address.
    pub(crate) fn start_again(&mut self) {
        let mut child = self.serve().spawn().expect("the server starts");
        let log = child.stderr.take().expect("stderr is piped");
        // Read to the end: a full pipe would stop the server. Shown when a test fails.
        std::thread::spawn(move || {
            BufReader::new(log)
                .lines()
                .map_while(Result::ok)
                .for_each(|line| eprintln!("  {line}"));
        });
        let since = Instant::now();
        while !self.answers() {
            if let Some(status) = child.try_wait().expect("the server's state") {
                panic!("the server ended at once: {status}");
            }
            assert!(since.elapsed() < PATIENCE, "the server does not answer");
            std::thread::sleep(Duration::from_millis(30));
        }
        self.child = Some(child);
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let asked =
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        asked.is_ok()
            && BufReader::new(stream).read_line(&mut answer).is_ok()
            && answer.contains(" 200 ")
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the process to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
            let status = child.wait().expect("the server's state");
            assert!(status.success(), "the server ended badly: {status}");
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The status of an answer to the admin.
    pub(crate) fn status(&self, path: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let token = self.read("indelible-data/admin.token");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            token.trim()
        );
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("an answer");
        line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
    }

    /// System calls that read or write, and the bytes that they were asked to read, since the start.
    pub(crate) fn io(&self) -> (u64, u64) {
        let pid = self.pid();
        let text = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("its counters");
        let of = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a counter");
            line.trim().parse().expect("a number")
        };
        (of("syscr:") + of("syscw:"), of("rchar:"))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file is written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file is read")
    }

    /// The program with the admin token, in the server's home.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = program(self.home.path());
        command
            .args(args)
            .env("INDELIBLE_URL", self.url())
            .env("INDELIBLE_TOKEN_FILE", "indelible-data/admin.token");
        command
    }

    /// Runs a command line (words without spaces) to its end.
    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(line.split_whitespace()).output().expect("the program runs"))
    }

    /// The same with something on stdin.
    pub(crate) fn run_with(&self, line: &str, input: &str) -> Ran {
        run_with(self.command(line.split_whitespace()), input)
    }

    /// Runs a command line that must succeed and gives its stdout.
    pub(crate) fn good(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "`{line}`: {}{}", ran.out, ran.err);
        ran.out
    }

    /// How many records a ledger has.
    pub(crate) fn size(&self, ledger: &str) -> u64 {
        let shown: Value = json(&self.good(&format!("ledger show {ledger} --json")));
        shown["size"].as_u64().expect("a size")
    }

    /// Every record of a ledger.
    pub(crate) fn records(&self, ledger: &str) -> Vec<Value> {
        self.good(&format!("list {ledger} --all --json")).lines().map(json).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            err: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

/// The program in a folder, without what this test's own environment says about Indelible.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    clean(&mut command);
    command.current_dir(folder);
    command
}

pub(crate) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INDELIBLE_") {
            command.env_remove(name);
        }
    }
}

pub(crate) fn run_with(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // The program may end before it has read everything.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writing thread ends");
    Ran::of(output)
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

/// The auditor's program, which stands beside the other one. `cargo test -p indelible-server` alone does
/// not build it, so that is done here when it is missing or older than its sources.
pub(crate) fn verify_program() -> PathBuf {
    static BUILT: Once = Once::new();
    let path = Path::new(PROGRAM).with_file_name("indelible-verify");
    BUILT.call_once(|| {
        let built = std::fs::metadata(&path).and_then(|meta| meta.modified());
        let sources = ["../verifier/src", "../core/src"]
            .map(|folder| newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)));
        if built.is_ok_and(|built| sources.iter().all(|source| *source < built)) {
            return;
        }
        let folder = Path::new(PROGRAM).ancestors().nth(2).expect("the target folder");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--release", "-p", "indelible-verifier", "--bin", "indelible-verify"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .env("CARGO_TARGET_DIR", folder)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "indelible-verify could not be built");
    });
    path
}

/// The time of the last change of a file in a folder.
fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).expect("the sources are there");
    let times = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return newest(&path);
        }
        path.metadata().and_then(|meta| meta.modified()).expect("a file's time")
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
