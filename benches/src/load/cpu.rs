//! CPU time and memory of a process, as the kernel counts them.

use std::fs;

use anyhow::{Context, Result};

/// The kernel counts in clock ticks of 10 ms for every process on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds, user and system together, that the process `pid` has used.
///
/// # Errors
/// When the process is gone or `/proc` is not there.
pub fn seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading /proc")?;
    // The command's name stands in parentheses and may hold spaces; fields are counted behind it.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().unwrap_or(0.0))
        .sum();
    Ok(ticks / TICKS_PER_SECOND)
}

/// Peak resident memory of the process in MiB.
///
/// # Errors
/// When the process is gone or `/proc` is not there.
pub fn peak_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("reading /proc")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    let kib: f64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    Ok(kib / 1024.0)
}

/// What a process holds at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Resident memory in MiB.
    pub rss_mib: f64,
    /// Open descriptors of files; a store has more of them the more it holds.
    pub files: usize,
    /// Open descriptors of anything else: sockets, pipes, timers.
    pub others: usize,
    /// Threads.
    pub threads: usize,
}

/// What the process `pid` holds now.
///
/// # Errors
/// When the process is gone or `/proc` is not there.
pub fn held(pid: u32) -> Result<Held> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("reading /proc")?;
    let field = |name: &str| -> Result<f64> {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.with_context(|| format!("no {name} in /proc"))
    };
    let (mut files, mut others) = (0, 0);
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).context("reading /proc")? {
        // One that was closed meanwhile counts as neither.
        let Ok(target) = fs::read_link(entry?.path()) else { continue };
        let is_file = target.is_absolute() && !target.starts_with("/dev");
        *(if is_file { &mut files } else { &mut others }) += 1;
    }
    Ok(Held {
        rss_mib: field("VmRSS:")? / 1024.0,
        files,
        others,
        threads: field("Threads:")? as usize,
    })
}
