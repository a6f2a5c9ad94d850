//! How far a verification is, on a terminal's stderr.

use indelible_verifier::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for each ledger in turn; hidden where stderr is no terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
        let template = "{bar:30.cyan/dim} {percent:>3}%  {msg}  {human_pos} records  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }
}

impl Progress for Bar {
    fn expect(&self, what: &str, total: u64) {
        self.0.set_message(what.to_owned());
        self.0.set_position(0);
        self.0.set_length(total);
    }

    fn advance(&self, records: u64) {
        self.0.inc(records);
    }

    fn done(&self) {
        self.0.finish_and_clear();
    }
}
