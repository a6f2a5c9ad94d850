//! What the disk itself needs for one flush: the floor under every synced commit.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use hdrhistogram::Histogram;

/// Appends and flushes 4 KiB `rounds` times in `folder`. The histogram is in microseconds.
///
/// # Errors
/// When the folder cannot be written.
pub fn probe(folder: &Path, rounds: u32) -> Result<Histogram<u64>> {
    let path = folder.join("flush-probe");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut times = Histogram::new(3)?;
    for _ in 0..rounds {
        file.write_all(&[0x5a; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        times.record(start.elapsed().as_micros() as u64)?;
    }
    std::fs::remove_file(path)?;
    Ok(times)
}
