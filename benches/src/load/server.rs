//! A server process of its own for a measurement, on a free port, ended with the measurement.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `host:port`.
    pub address: String,
    /// The admin token.
    pub token: String,
}

impl Server {
    /// Starts `program` on the data folder `data` and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start within 30 seconds.
    pub fn start(program: &Path, data: &Path) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let mut child = Command::new(program)
            .args(["serve", "--listen", &address, "--data"])
            .arg(data)
            .env("INDELIBLE_LOG_LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        // What it prints is read away, so that it never waits for a full pipe.
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || BufReader::new(out).lines().for_each(drop));
        }
        let until = Instant::now() + Duration::from_secs(30);
        let token_file: PathBuf = data.join("admin.token");
        loop {
            if let Some(status) = child.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            if token_file.exists() && std::net::TcpStream::connect(&address).is_ok() {
                let token = std::fs::read_to_string(&token_file)?.trim().to_owned();
                return Ok(Self { child, address, token });
            }
            if Instant::now() > until {
                let _ = child.kill();
                bail!("the server was not ready within 30 seconds");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When it does not stop cleanly within 30 seconds.
    pub fn stop(mut self) -> Result<()> {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the server ended with {status}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server did not stop within 30 seconds")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
