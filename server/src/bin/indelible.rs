//! The program `indelible`; everything is in [`indelible_server::cli`].

use std::process::ExitCode;

/// Ingest allocates and frees a few small pieces for each event; this allocator does it fastest.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    indelible_server::cli::main()
}
