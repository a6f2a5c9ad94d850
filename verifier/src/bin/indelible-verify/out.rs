//! What reaches standard output and standard error, and how the program stops.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use indelible_core::code::EXIT_UNCHECKED;
use indelible_verifier::render::Printable;

/// What a shell shows for a program that was ended by SIGPIPE: who read the output has seen enough.
pub(crate) const EXIT_PIPE: u8 = 128 + 13;

/// Why the program stops: its exit code and a sentence, which may be empty.
pub(crate) struct Stop(pub(crate) u8, pub(crate) String);

impl Stop {
    pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self(EXIT_UNCHECKED, format!("{}: {error}", path.display()))
    }

    /// Output that cannot be written. A report that nobody can read must not count as one.
    pub(crate) fn unprintable(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self(EXIT_PIPE, String::new());
        }
        Self(EXIT_UNCHECKED, format!("cannot write the output: {error}"))
    }
}

/// A remark or an error. Paths and errors may hold what strangers wrote: it passes through the escape.
pub(crate) fn say(text: &str) {
    // Nothing is left to say it with when this fails.
    let _ = writeln!(anstream::stderr(), "indelible-verify: {}", Printable(text));
}

/// Writes to standard output, with colours only where they are wanted.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Stop> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).map_err(|error| Stop::unprintable(&error))
}

/// Columns of the terminal that standard output is; `None` elsewhere.
pub(crate) fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 20).then_some(usize::from(size.ws_col))
}
