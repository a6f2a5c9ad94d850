//! Finding and running the programs.
//!
//! Cargo builds the programs of a package for that package's own tests only. A test of this package
//! that looked into the target folder could find yesterday's program, or none. So the first one to ask
//! has cargo build both, with the very command of `make build`, which takes a moment when they are
//! fresh; and cargo itself says where they are. Only `INDELIBLE_TEST_PROGRAMS`, a folder, puts others in
//! their place: those of a package that is about to be shipped, say.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Both programs.
struct Programs {
    indelible: PathBuf,
    verify: PathBuf,
}

static PROGRAMS: OnceLock<Programs> = OnceLock::new();

/// The program `indelible`, freshly built.
#[must_use]
pub fn indelible() -> &'static Path {
    &PROGRAMS.get_or_init(build).indelible
}

/// The program `indelible-verify`, freshly built.
#[must_use]
pub fn indelible_verify() -> &'static Path {
    &PROGRAMS.get_or_init(build).verify
}

/// The repository's root.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn build() -> Programs {
    if let Some(folder) = std::env::var_os("INDELIBLE_TEST_PROGRAMS").map(PathBuf::from) {
        eprintln!("testing the programs in {}", folder.display());
        let (indelible, verify) = (folder.join("indelible"), folder.join("indelible-verify"));
        return Programs { indelible, verify };
    }
    let output = Command::new(repository().join("scripts/cargo"))
        .args(["build", "--release", "--bin", "indelible", "--bin", "indelible-verify"])
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("scripts/cargo cannot be run");
    assert!(output.status.success(), "the programs do not build");
    let lines = String::from_utf8(output.stdout).expect("cargo's messages are UTF-8");
    let messages: Vec<Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let find = |name: &str| {
        let of_program = messages
            .iter()
            .find(|message| message["target"]["name"] == name && message["executable"].is_string());
        let path = of_program.and_then(|message| message["executable"].as_str());
        PathBuf::from(path.unwrap_or_else(|| panic!("cargo names no program {name}")))
    };
    Programs { indelible: find("indelible"), verify: find("indelible-verify") }
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// What was run.
    pub command: String,
}

impl Ran {
    /// The exit code is the one expected, or everything it said is shown.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "{} ended with {}, not {code}\nstdout: {}\nstderr: {}",
            self.command, self.code, self.stdout, self.stderr
        );
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{}: {e}\n{}\n{}", self.command, self.stdout, self.stderr))
    }
}

impl From<(String, Output)> for Ran {
    fn from((command, output): (String, Output)) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            command,
        }
    }
}

/// Runs a program to its end, without whatever `INDELIBLE_*` the caller's environment has.
pub fn run<I: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = I>) -> Ran {
    run_with(program, args, &[])
}

/// As [`run`], with variables of its own.
pub fn run_with<I: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = I>,
    variables: &[(&str, &OsStr)],
) -> Ran {
    let mut command = clean(program);
    command.args(args).envs(variables.iter().copied()).stdin(Stdio::null());
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    (shown, output).into()
}

/// A command without whatever `INDELIBLE_*` the caller's environment has.
#[must_use]
pub fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INDELIBLE_") {
            command.env_remove(name);
        }
    }
    command
}
