//! The progress bar of `indelible append`: on stderr, and only when that is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over the file's bytes, or a counter where the end is not known.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr_with_hz(8));
        let template = if bytes.is_some() {
            "{bar:30.cyan/dim} {percent:>3}%  {msg}  {binary_bytes_per_sec}  {eta} left"
        } else {
            "{spinner:.cyan} {msg}  {binary_bytes_per_sec}  {elapsed}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// A line of `bytes` bytes was answered; `events` are in the ledger now.
    pub(super) fn answered(&self, bytes: u64, events: u64) {
        self.bar.inc(bytes);
        // Making the text costs more than counting: once in a while is enough for eyes.
        if events.is_multiple_of(512) {
            self.bar.set_message(super::output::counted(events, "event"));
        }
    }

    /// Prints something without tearing the bar.
    pub(super) fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
