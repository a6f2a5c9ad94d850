//! How far it is: a bar on standard error, on a terminal only.

use std::fmt;
use std::io::IsTerminal as _;
use std::sync::Mutex;

use indelible_verifier::Progress;
use indelible_verifier::render::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

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
            "{prefix} {wide_bar} {human_pos}/{human_len} records, {rate}, {eta} left"
        } else {
            "{prefix} {human_pos} records, {rate}"
        };
        self.with(|bar| {
            bar.set_length(total);
            bar.set_position(0);
            // A ledger's name has been checked: it cannot move the cursor.
            bar.set_prefix(what.to_owned());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.with_key("rate", rate));
            }
        });
    }

    fn advance(&self, records: u64) {
        self.with(|bar| bar.inc(records));
    }

    fn done(&self) {
        self.with(ProgressBar::finish_and_clear);
    }
}

fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // A bar that cannot be drawn is left out.
    let _ = write!(out, "{}/s", thousands(state.per_sec() as u64));
}
