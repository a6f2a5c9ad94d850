//! A disk that fails when it is told to: a write is refused once and never again, a flush fails, the power
//! goes and of what was not flushed some is there and some is not.
//!
//! It is a real block device with a real ext4 on it, so that the system's page cache does what it does
//! with real disks: after a write that was refused it takes the pages for written. Behind a loop device
//! stands a file whose bytes a process of ours keeps (`bin/faulty-disk.rs`, a file system in user space).
//! All of it lives in a mount namespace of its own and ends with that process. Needs root, `/dev/fuse`,
//! loop devices and mkfs.ext4; a test that cannot have it says so loudly.

pub mod model;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Size of the disk. It takes memory only for what is written.
pub const DISK_BYTES: u64 = 384 << 20;
/// Size of a block of its ext4.
const BLOCK_BYTES: u64 = 4096;
/// Its name in its own file system.
pub const DISK_NAME: &str = "disk";

/// The disk and what is mounted from it.
pub struct FaultyDisk {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    device: PathBuf,
    mount_point: PathBuf,
}

impl FaultyDisk {
    /// Makes one in `folder`, with ext4 on it, and mounts it. `program` is the built `faulty-disk`.
    ///
    /// # Errors
    /// What this system lacks.
    pub fn new(program: &Path, folder: &Path) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a block device needs root".into());
        }
        let (device, mount_point) = (folder.join("device"), folder.join("mounted"));
        for path in [&device, &mount_point] {
            std::fs::create_dir(path).map_err(|error| error.to_string())?;
        }
        let mut process = Command::new("unshare")
            .arg("--mount")
            .arg(program)
            .arg(&device)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let (Some(orders), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("no pipes".into());
        };
        let answers = BufReader::new(answers);
        let mut disk = Self { process, orders, answers, device, mount_point };
        if disk.answer() != "ready" {
            return Err("there is no file system in user space (/dev/fuse)".into());
        }
        let image = disk.image();
        let options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
        let make =
            ["mkfs.ext4", "-q", "-b", "4096", "-E", options, "-J", "size=8"].map(OsString::from);
        if !disk.run(make.into_iter().chain([image])) {
            return Err("mkfs.ext4 does not work".into());
        }
        let journal = disk.journal().ok_or("debugfs does not say where the journal is")?;
        disk.order(&format!("spare {} {}", journal.start, journal.end));
        if disk.mount() { Ok(disk) } else { Err("there are no loop devices".into()) }
    }

    /// Where on the disk ext4 has its journal. A journal that cannot be written once may be a journal that
    /// cannot be read ever after, and a file system that does not mount says nothing about us.
    fn journal(&self) -> Option<Range<u64>> {
        let wrapper = self.wrapper();
        let mut wrapped = Command::new(&wrapper[0]);
        wrapped.args(&wrapper[1..]).args(["debugfs", "-R", "blocks <8>"]).arg(self.image());
        let said = String::from_utf8(wrapped.stderr(Stdio::null()).output().ok()?.stdout).ok()?;
        let blocks: Vec<u64> = said.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let (first, last) = (blocks.iter().min()?, blocks.iter().max()?);
        Some(first * BLOCK_BYTES..(last + 1) * BLOCK_BYTES)
    }

    fn image(&self) -> OsString {
        self.device.join(DISK_NAME).into()
    }

    /// Where it is mounted, for processes run within [`FaultyDisk::wrapper`].
    #[must_use]
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// Runs a program where the disk is mounted.
    #[must_use]
    pub fn wrapper(&self) -> Vec<OsString> {
        let target = format!("--target={}", self.process.id());
        vec!["nsenter".into(), target.into(), "--mount".into(), "--".into()]
    }

    /// Runs a command where the disk is mounted; `true` when it ends well.
    pub fn run(&self, command: impl IntoIterator<Item = OsString>) -> bool {
        let wrapper = self.wrapper();
        let mut wrapped = Command::new(&wrapper[0]);
        let status = wrapped.args(&wrapper[1..]).args(command).stdout(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// A path on the disk as this process sees it.
    #[must_use]
    pub fn seen(&self, path: &Path) -> PathBuf {
        let mut seen = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        seen.extend(path.components().skip(1));
        seen
    }

    fn mount(&self) -> bool {
        let words = ["mount", "-o", "loop,data=ordered"].map(OsString::from);
        self.run(words.into_iter().chain([self.image(), self.mount_point.clone().into()]))
    }

    #[track_caller]
    fn unmount(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        let words = || [OsString::from("umount"), self.mount_point.clone().into()];
        while !self.run(words()) {
            assert!(Instant::now() < until, "the disk is still in use");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Unmounts the disk and mounts it again, which drops everything from the page cache. Nothing may
    /// have a file of it open.
    #[track_caller]
    pub fn remount(&self) {
        self.unmount();
        assert!(self.mount(), "the disk cannot be mounted again");
    }

    /// The power goes: whatever is written or flushed from now on fails, and so does what is held.
    pub fn cut_power(&mut self) {
        self.order("cut-power");
    }

    /// The power is back, and the disk mounted. Of what was not flushed each sector is there or not, as
    /// `seed` has it; none with 0. Nothing may have a file of it open.
    #[track_caller]
    pub fn restore_power(&mut self, seed: u64) {
        self.unmount();
        self.order(&format!("restore-power {seed}"));
        assert!(self.mount(), "the disk cannot be mounted again");
    }

    /// The `nth` write from now on fails, once.
    pub fn fail_write(&mut self, nth: u64) {
        self.order(&format!("fail-write {nth}"));
    }

    /// The next write that holds `text` fails, once.
    pub fn fail_write_with(&mut self, text: &str) {
        self.order(&format!("fail-write-with {text}"));
    }

    /// The next write that holds `text` is not answered until [`FaultyDisk::fail_held`].
    pub fn hold_write_with(&mut self, text: &str) {
        self.order(&format!("hold-write-with {text}"));
    }

    /// Waits until a write is held.
    #[track_caller]
    pub fn wait_for_held(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.order("held") == "0" {
            assert!(Instant::now() < until, "no write with that text came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Fails what is held.
    pub fn fail_held(&mut self) {
        self.order("fail-held");
    }

    /// The `nth` flush from now on fails, once; what was in the disk's cache is not durable by it.
    pub fn fail_flush(&mut self, nth: u64) {
        self.order(&format!("fail-flush {nth}"));
    }

    /// Faults that have happened.
    pub fn faults(&mut self) -> u64 {
        self.order("faults").parse().unwrap_or(0)
    }

    fn order(&mut self, line: &str) -> String {
        writeln!(self.orders, "{line}").expect("the disk takes no orders");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        let _ = self.answers.read_line(&mut line);
        line.trim_end().to_owned()
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        let words = ["umount", "--lazy"].map(OsString::from);
        let _ = self.run(words.into_iter().chain([self.mount_point.clone().into()]));
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
