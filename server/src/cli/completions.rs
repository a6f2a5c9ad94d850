//! `indelible completions`.

use clap::CommandFactory;
use clap_complete::Shell;
use indelible_core::code::EXIT_GOOD;

use super::output;

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  indelible completions bash > ~/.local/share/bash-completion/completions/indelible")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "indelible", &mut script);
    output::bytes(&script)?;
    Ok(EXIT_GOOD)
}
