//! The auditor's program.

mod bar;
mod checking;
mod comparing;
mod given;
mod looking;
mod out;
mod page;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use indelible_core::code::EXIT_USAGE;

use out::Stop;

const AFTER_HELP: &str = "\
Exit codes of vault, export, receipt and checkpoints: 0 everything was checked and is good; 1 something
was tampered with, damaged or changed; 2 nothing wrong was seen, but the copy ends before a head or
something was not checked; 64 the program was used wrongly.
Exit codes of show and search: 0 found, 1 nothing found, 2 a part could not be read (as grep's), 64.

Keys never come from what is checked. Get the operator's public.vkey on another way, once, and keep it.

Examples:
  indelible-verify vault /mnt/vault --key public.vkey
  indelible-verify vault /mnt/vault --key public.vkey --head checkpoint-of-last-year --report 2026.html
  indelible-verify export orders.jsonl.zst --key ledger.example.com+1a2b3c4d+AT...
  indelible-verify receipt receipt.json --key public.vkey
  indelible-verify checkpoints old.checkpoint new.checkpoint --proof proof.json --key public.vkey
  indelible-verify show /mnt/vault 17 --ledger orders
  indelible-verify search orders.jsonl.zst --path /user=ada";

/// Replays an Indelible ledger from files and public keys alone, and trusts nobody.
#[derive(Parser)]
#[command(name = "indelible-verify", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Verify the ledgers in a directory vault.
    Vault(checking::Vault),
    /// Verify an exported ledger, compressed or not.
    Export(checking::Export),
    /// Verify one receipt.
    Receipt(checking::Receipt),
    /// Compare two heads of a ledger, checkpoints or receipts, without the ledger.
    Checkpoints(comparing::Checkpoints),
    /// Show records of a vault, export, segment or receipt, without verifying anything.
    #[command(after_help = looking::AFTER_HELP)]
    Show(looking::Show),
    /// Search records of a vault, export, segment or receipt, without verifying anything.
    #[command(after_help = looking::AFTER_HELP)]
    Search(looking::Search),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no mistake.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let result = match &cli.what {
        What::Vault(args) => checking::vault(args),
        What::Export(args) => checking::export(args),
        What::Receipt(args) => checking::receipt(args),
        What::Checkpoints(args) => comparing::run(args),
        What::Show(args) => looking::show(args),
        What::Search(args) => looking::search(args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Stop(code, message)) => {
            if !message.is_empty() {
                out::say(&message);
            }
            ExitCode::from(code)
        }
    }
}
