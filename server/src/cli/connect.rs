//! Where the server is and which token opens it.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context;

use super::data_dir_default;
use crate::auth::ADMIN_TOKEN_FILE;
use crate::client::{Client, Token};

/// Environment variable with the token itself, for places that have no files.
const TOKEN_VARIABLE: &str = "INDELIBLE_TOKEN";

/// Options of every subcommand that talks to a server.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ConnectArgs {
    /// Address of the server
    #[arg(long, env = "INDELIBLE_URL", value_name = "URL", default_value_t = default_url())]
    pub(super) url: String,
    /// File with the token; INDELIBLE_TOKEN may hold the token itself. Without both, on the server's own
    /// machine, admin.token in the folder indelible-data
    #[arg(long, env = "INDELIBLE_TOKEN_FILE", value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
}

fn default_url() -> String {
    format!("http://{}", crate::config::ADDRESS_DEFAULT)
}

impl ConnectArgs {
    /// A client of the server; connects when it is first used.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.url, self.token()?)?)
    }

    /// The token: a file that was named wins over one in the environment.
    pub(super) fn token(&self) -> anyhow::Result<Option<Token>> {
        if let Some(path) = &self.token_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the token file {}", path.display()))?;
            let token = Token::new(&text).with_context(|| path.display().to_string())?;
            return Ok(Some(token));
        }
        if let Ok(text) = std::env::var(TOKEN_VARIABLE) {
            return Ok(Some(Token::new(&text).context(TOKEN_VARIABLE)?));
        }
        Ok(self.token_of_this_folder())
    }

    /// On the server's own machine and in its own place, the token of the data folder is the one meant.
    /// It is never sent to another machine unasked.
    fn token_of_this_folder(&self) -> Option<Token> {
        let url = reqwest::Url::parse(&self.url).ok()?;
        let is_here = match url.host_str()? {
            "localhost" => true,
            host => host.trim_matches(['[', ']']).parse::<IpAddr>().ok()?.is_loopback(),
        };
        let text = std::fs::read_to_string(data_dir_default().join(ADMIN_TOKEN_FILE)).ok();
        text.filter(|_| is_here).and_then(|text| Token::new(&text).ok())
    }
}
