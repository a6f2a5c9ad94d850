//! The real server as a child process: started, killed, stopped, started again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use indelible_core::key::{Trust, VKey};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::programs;

/// Longer than any start takes, on a machine that is busy with other tests.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Longer than the server drains for.
const STOP_PATIENCE: Duration = Duration::from_secs(45);

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its data folder.
    pub data: PathBuf,
    /// What runs it: the program alone, or a shell that first prepares its surroundings. The program's
    /// path and arguments follow.
    pub wrapper: Vec<OsString>,
    /// More variables of the environment.
    pub variables: Vec<(String, String)>,
}

impl Setup {
    /// A server on this data folder.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned(), wrapper: Vec::new(), variables: Vec::new() }
    }

    /// Sets a configuration key through the environment, such as `INDELIBLE_LOG_LEVEL`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the server further signers, one for each name, with new keys in `folder`.
    #[must_use]
    pub fn with_signers(self, folder: &Path, names: &[&str]) -> Self {
        for name in names {
            let file = key_file(folder, name);
            let args = ["key", "generate", "--name", "localhost", "--out"].map(OsString::from);
            programs::run(programs::indelible(), args.into_iter().chain([file.into()])).expect(0);
        }
        self.with("INDELIBLE_SIGNING_KEYS", &signing_keys(folder, names))
    }

    /// What follows is run by `wrapper`.
    #[must_use]
    pub fn within<T: Into<OsString>>(mut self, wrapper: impl IntoIterator<Item = T>) -> Self {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
        self
    }

    fn command(&self, log: File) -> Command {
        let program = programs::indelible();
        let mut command = match self.wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = programs::clean(Path::new(first));
                command.args(rest).arg(program);
                command
            }
            None => programs::clean(program),
        };
        command.arg("serve").arg("--data").arg(&self.data).args(["--listen", "127.0.0.1:0"]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command
    }

    /// Starts it and waits until it has said where it listens.
    ///
    /// # Errors
    /// What it wrote when it ended instead.
    pub fn start(&self) -> Result<Server, Refusal> {
        let mut starting = self.spawn();
        let address = match starting.address.recv_timeout(START_PATIENCE) {
            Ok(address) => address,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("no start within {START_PATIENCE:?}:\n{}", starting.log())
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(starting.refused()),
        };
        let data = self.seen_data(&starting);
        let token = fs::read_to_string(data.join("admin.token")).expect("no admin.token");
        let vkey = fs::read_to_string(data.join("public.vkey")).expect("no public.vkey");
        let vkey = VKey::parse_file(&vkey).expect("public.vkey is a vkey");
        let token = token.trim().to_owned();
        let further = further_keys(&data);
        Ok(Server { process: starting, address, token, vkey, further, data })
    }

    /// Starts it and does not wait.
    #[must_use]
    pub fn spawn(&self) -> Starting {
        let log_path = log_path(&self.data);
        let log = File::create(&log_path).expect("the log cannot be created");
        let mut child = self.command(log).spawn().expect("the server cannot be started");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (tell, address) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(found) = listens_on(&line) {
                    let _ = tell.send(found);
                }
            }
        });
        Starting { child, address, log_path }
    }

    /// The data folder as this process sees it: the server may live in another mount namespace.
    fn seen_data(&self, starting: &Starting) -> PathBuf {
        if self.wrapper.is_empty() {
            return self.data.clone();
        }
        let mut path = PathBuf::from(format!("/proc/{}/root", starting.child.id()));
        path.extend(self.data.components().skip(1));
        path
    }
}

/// Where [`Setup::with_signers`] puts a signer's key.
#[must_use]
pub fn key_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.key"))
}

/// The value of `INDELIBLE_SIGNING_KEYS` for signers whose keys are in `folder`.
#[must_use]
pub fn signing_keys(folder: &Path, names: &[&str]) -> String {
    let one = |name: &&str| format!("{name}={}", key_file(folder, name).display());
    names.iter().map(one).collect::<Vec<_>>().join(",")
}

/// The public keys of further signers, by name, as the data folder has them.
fn further_keys(data: &Path) -> BTreeMap<String, VKey> {
    let mut keys = BTreeMap::new();
    for entry in fs::read_dir(data).expect("no data folder") {
        let entry = entry.expect("a data folder can be read");
        let file = entry.file_name().to_string_lossy().into_owned();
        let name = file.strip_prefix("public.").and_then(|rest| rest.strip_suffix(".vkey"));
        let Some(name) = name else { continue };
        let text = fs::read_to_string(entry.path()).expect("a public key can be read");
        keys.insert(name.to_owned(), VKey::parse_file(&text).expect("it is a vkey"));
    }
    keys
}

fn log_path(data: &Path) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(".log");
    data.with_file_name(name)
}

fn listens_on(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end =
        rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// A server that did not start.
#[derive(Debug)]
pub struct Refusal {
    /// Its exit code; -1 for a signal.
    pub code: i32,
    /// Its standard error.
    pub log: String,
}

/// A process that was started and has perhaps not got far.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    address: mpsc::Receiver<SocketAddr>,
    log_path: PathBuf,
}

impl Starting {
    /// Kills it as a power cut would: it learns nothing of it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let signal = match name {
            "TERM" => Signal::TERM,
            "INT" => Signal::INT,
            other => panic!("no signal {other}"),
        };
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Waits until it has ended, before it said where it listens.
    pub fn ended(&mut self) -> Refusal {
        self.refused()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log_path).unwrap_or_default()
    }

    fn refused(&mut self) -> Refusal {
        let code = wait(&mut self.child, STOP_PATIENCE).code().unwrap_or(-1);
        Refusal { code, log: self.log() }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.kill();
    }
}

fn wait(child: &mut Child, patience: Duration) -> ExitStatus {
    let until = Instant::now() + patience;
    loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => return status,
            None if Instant::now() > until => {
                let _ = child.kill();
                panic!("the server did not end within {patience:?}");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    process: Starting,
    address: SocketAddr,
    token: String,
    vkey: VKey,
    further: BTreeMap<String, VKey>,
    data: PathBuf,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a client of the program needs it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its administrator's token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its public keys, as an auditor has them.
    #[must_use]
    pub fn trust(&self) -> Trust {
        std::iter::once(&self.vkey).chain(self.further.values()).cloned().collect()
    }

    /// The public key of one of its signers.
    #[must_use]
    pub fn vkey_of(&self, signer: &str) -> VKey {
        match signer {
            "default" => self.vkey.clone(),
            signer => self.further.get(signer).expect("the signer has a public key").clone(),
        }
    }

    /// The public key of its own signer in its textual form.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.vkey.to_string()
    }

    /// A new connection.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.address, &self.token)
            .unwrap_or_else(|error| panic!("no connection: {error}\n{}", self.log()))
    }

    /// Runs a subcommand of `indelible` against this server.
    pub fn cli(&self, args: &[&str]) -> programs::Ran {
        let url = OsString::from(self.url());
        let token = self.data.join("admin.token");
        let variables =
            [("INDELIBLE_URL", url.as_os_str()), ("INDELIBLE_TOKEN_FILE", token.as_os_str())];
        programs::run_with(programs::indelible(), args, &variables)
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process.child)
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Stops its threads where they are. A system call that runs is finished, but what comes after it,
    /// such as an answer, is not done any more.
    pub fn freeze(&self) {
        let _ = kill_process(self.pid(), Signal::STOP);
    }

    /// Asks it to stop and does not wait.
    pub fn ask_to_stop(&self) {
        let _ = kill_process(self.pid(), Signal::TERM);
    }

    /// Asks it to stop and waits until it has. The exit code must be 0.
    pub fn stop(mut self) {
        self.ask_to_stop();
        let status = wait(&mut self.process.child, STOP_PATIENCE);
        assert!(status.success(), "stopped with {status}:\n{}", self.log());
    }
}
