//! `indelible serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use indelible_core::code::EXIT_GOOD;

use super::output;
use crate::ServeOptions;
use crate::config::Config;

/// Run the server
///
/// The first start creates the data folder, a signing key and an admin token; every later one finds them
/// again. Without a configuration file everything has a default; --print-config shows each key with its
/// explanation. Stops in order on SIGINT and SIGTERM.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible serve --data indelible-data
  indelible serve --config /etc/indelible.toml
  indelible serve --print-config > indelible.toml")]
pub(super) struct Args {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder [default: data.dir of the configuration, else indelible-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address and port; port 0 takes a free one [default: listen.address of the configuration, else
    /// 127.0.0.1:7412]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Listen where other machines can reach it, although there is no TLS
    #[arg(long)]
    allow_remote: bool,
    /// Print a configuration file with every key, its explanation and default, and exit
    #[arg(long, exclusive = true)]
    print_config: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<u8> {
    if args.print_config {
        output::bytes(Config::explained_default().as_bytes())?;
        return Ok(EXIT_GOOD);
    }
    crate::serve(ServeOptions {
        config: args.config,
        data: args.data,
        listen: args.listen,
        allow_remote: args.allow_remote,
    })?;
    Ok(EXIT_GOOD)
}
