//! Surroundings that go wrong: file systems that are full, read-only, or lose power.
//!
//! They are mounted in a mount namespace of their own, which ends with the last process in it: nothing
//! is left behind. An ordinary user can have one too (with a user namespace), unless the system forbids
//! it; a power cut needs root, for a loop device. A test that cannot have its surroundings says so
//! loudly on standard error.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::programs::repository;

/// Says on standard error, past the test harness's capture, that something was not tested.
pub fn say_skipped(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: {what}, because {why} ***\n");
}

fn unshare() -> Vec<OsString> {
    let flags: &[&str] = if rustix::process::geteuid().is_root() {
        &["unshare", "--mount"]
    } else {
        &["unshare", "--user", "--map-root-user", "--mount"]
    };
    flags.iter().map(OsString::from).collect()
}

/// A wrapper that runs a program with `mount_point` being a small file system in memory. `prepare` is
/// run by a shell after it is mounted, with the mount point as `$0`.
///
/// The process keeps its id, and its files can be reached below `/proc/<id>/root`. `None` when this
/// system has no such thing.
#[must_use]
pub fn in_memory(mount_point: &Path, size: &str, prepare: &str) -> Option<Vec<OsString>> {
    let mut wrapper = unshare();
    let script =
        format!("mount -t tmpfs -o size={size},mode=0700 tmpfs \"$0\" && {prepare} && exec \"$@\"");
    wrapper.extend(["sh".into(), "-c".into(), script.into()]);
    wrapper.push(mount_point.into());
    let (first, rest) = wrapper.split_first()?;
    let works = Command::new(first).args(rest).arg("true").stderr(Stdio::null()).status();
    works.is_ok_and(|status| status.success()).then_some(wrapper)
}

/// An ext4 file system in a file, which can lose power.
///
/// `EXT4_IOC_SHUTDOWN` stops it on the spot without writing its journal back: what was written and not
/// flushed is gone after the next mount, as after a power cut. Killing a process alone shows nothing of
/// that, for the system still has what the process wrote.
pub struct Disk {
    holder: Child,
    image: OsString,
    mount_point: OsString,
}

impl Disk {
    /// Makes and mounts one in `folder`. `None` when that needs more rights than there are.
    #[must_use]
    pub fn new(folder: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let image = folder.join("disk.img");
        let mount_point = folder.join("disk");
        std::fs::create_dir(&mount_point).ok()?;
        let made = Command::new("sh")
            .args(["-c", "truncate -s 512M \"$0\" && mkfs.ext4 -q \"$0\""])
            .arg(&image)
            .status();
        if !made.is_ok_and(|status| status.success()) {
            return None;
        }
        // Holds the namespace until it is killed.
        let holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", "echo; exec sleep 3600"])
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut disk = Self { holder, image: image.into(), mount_point: mount_point.into() };
        disk.wait_for_namespace();
        disk.mount().then_some(disk)
    }

    fn wait_for_namespace(&mut self) {
        let mut line = String::new();
        if let Some(stdout) = self.holder.stdout.take() {
            let _ = std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line);
        }
    }

    /// Where it is mounted, for processes run within [`wrapper`](Self::wrapper).
    #[must_use]
    pub fn mount_point(&self) -> &Path {
        Path::new(&self.mount_point)
    }

    /// Runs a program where the disk is mounted.
    #[must_use]
    pub fn wrapper(&self) -> Vec<OsString> {
        let target = format!("--target={}", self.holder.id());
        vec!["nsenter".into(), target.into(), "--mount".into(), "--".into()]
    }

    fn run(&self, args: &[&OsString]) -> bool {
        let wrapper = self.wrapper();
        let status = Command::new(&wrapper[0]).args(&wrapper[1..]).args(args).status();
        status.is_ok_and(|status| status.success())
    }

    fn mount(&self) -> bool {
        let options = OsString::from("loop,data=ordered");
        self.run(&[&"mount".into(), &"-o".into(), &options, &self.image, &self.mount_point])
    }

    /// The power goes: from now on every write fails, and nothing that was not flushed survives.
    /// `false` when this system cannot do that.
    #[must_use]
    pub fn cut_power(&self) -> bool {
        let script = repository().join("tests/src/power_cut.py");
        self.run(&[&"python3".into(), &script.into(), &self.mount_point])
    }

    /// The power is back. Nothing may have a file of the disk open.
    #[track_caller]
    pub fn restore_power(&self) {
        assert!(self.run(&[&"umount".into(), &self.mount_point]), "the disk is still in use");
        assert!(self.mount(), "the disk cannot be mounted again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.run(&[&"umount".into(), &"--lazy".into(), &self.mount_point]);
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
