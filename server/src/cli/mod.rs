//! The program `indelible`: one file for each subcommand.
//!
//! Results go to stdout, everything said to a person about them to stderr; with `--json` stdout is for
//! programs. Colours appear on a terminal only (and never with `NO_COLOR`). Exit codes: 0 all good,
//! 1 a clear no (tampering found, a line refused), 2 it could not be done or checked, 64 wrong use.

mod append;
mod archive;
mod completions;
mod connect;
mod doctor;
mod export;
mod key;
mod ledger;
pub(crate) mod output;
mod read;
mod serve;
mod tail;
mod token;
mod verify;
mod version;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use indelible_core::code::{EXIT_GOOD, EXIT_TAMPERED, EXIT_UNCHECKED, EXIT_USAGE};

use crate::client::ClientError;

/// Exit code for a clear no that is no tampering, such as a line that the server refused.
const EXIT_REFUSED: u8 = EXIT_TAMPERED;

/// An append-only audit ledger that anyone can check.
#[derive(Debug, Parser)]
#[command(
    name = "indelible",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Examples:
  indelible serve --data indelible-data
  indelible ledger create payments
  echo '{\"action\":\"paid\",\"amount\":42}' | indelible append payments
  indelible receipt payments 1 --out receipt.json

Exit codes: 0 good, 1 tampering found or something refused, 2 could not be done, 64 wrong use."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    #[command(subcommand)]
    Ledger(ledger::Command),
    Append(append::Args),
    Get(read::GetArgs),
    List(read::ListArgs),
    Tail(tail::Args),
    Receipt(read::ReceiptArgs),
    Checkpoint(read::CheckpointArgs),
    Archive(archive::Args),
    Export(export::Args),
    Verify(verify::Args),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Token(token::Command),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Version(version::Args),
}

/// Options that cannot be carried out as they stand.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// The data folder of subcommands that work on one, where none is named.
fn data_dir_default() -> std::path::PathBuf {
    crate::config::Config::default().data_dir
}

fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that was asked for is no error; a closed pipe is not worth a second one.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { EXIT_GOOD });
        }
    };
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(explain(&error)),
    }
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Key(command) => wait(key::run(command)),
        Command::Completions(args) => completions::run(&args),
        Command::Version(args) => version::run(&args),
        Command::Ledger(command) => wait(ledger::run(command)),
        Command::Append(args) => wait(append::run(args)),
        Command::Get(args) => wait(read::get(args)),
        Command::List(args) => wait(read::list(args)),
        Command::Tail(args) => wait(tail::run(args)),
        Command::Receipt(args) => wait(read::receipt(args)),
        Command::Checkpoint(args) => wait(read::checkpoint(args)),
        Command::Archive(args) => wait(archive::run(args)),
        Command::Export(args) => wait(export::run(args)),
        Command::Token(command) => wait(token::run(command)),
        Command::Doctor(args) => wait(doctor::run(args)),
    }
}

/// Clients wait for one server; one thread is enough for that.
fn wait(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Says what went wrong and what to do, and gives the exit code for it.
fn explain(error: &anyhow::Error) -> u8 {
    let broken_pipe = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return EXIT_GOOD; // the reader (`head`, a pager) has seen enough
    }
    output::error(&format!("{error:#}"));
    if let Some(advice) = error.downcast_ref::<ClientError>().and_then(ClientError::advice) {
        output::note(advice);
    }
    if error.is::<Usage>() { EXIT_USAGE } else { EXIT_UNCHECKED }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn leaves(command: &clap::Command, path: &str, out: &mut Vec<(String, clap::Command)>) {
        let path = format!("{path} {}", command.get_name());
        if !command.has_subcommands() {
            out.push((path, command.clone()));
            return;
        }
        for sub in command.get_subcommands() {
            leaves(sub, &path, out);
        }
    }

    #[test]
    fn the_declared_options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommands_help_has_an_example() {
        let mut commands = Vec::new();
        leaves(&Cli::command(), "", &mut commands);
        assert!(commands.len() > 15, "found only {}", commands.len());
        for (path, mut command) in commands {
            let help = command.render_long_help().to_string();
            let name = path.trim();
            assert!(help.contains("Example"), "`{name} --help` has no example");
            assert!(help.contains(&format!("  {name}")), "`{name} --help` shows another command");
        }
    }
}
