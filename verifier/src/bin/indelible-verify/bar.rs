//! How far it is: a bar on standard error, on a terminal only.

use std::io::IsTerminal as _;
use std::sync::Mutex;

use indelible_verifier::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) struct Bar(Mutex<ProgressBar>);

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::hidden();
        if std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        }
        Self(Mutex::new(bar))
    }

    fn with(&self, act: impl FnOnce(&ProgressBar)) {
        if let Ok(bar) = self.0.lock() {
            act(&bar);
        }
    }
}

impl Progress for Bar {
    fn expect(&self, what: &str, total: u64) {
        let template = if total > 0 {
            "{prefix} {wide_bar} {human_pos}/{human_len} records, {per_sec}, {eta} left"
        } else {
            "{prefix} {human_pos} records, {per_sec}"
        };
        self.with(|bar| {
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            // A ledger's name has been checked: it cannot move the cursor.
            bar.set_prefix(what.to_owned());
            bar.set_length(total);
            bar.set_position(0);
        });
    }

    fn advance(&self, records: u64) {
        self.with(|bar| bar.inc(records));
    }

    fn done(&self) {
        self.with(ProgressBar::finish_and_clear);
    }
}
