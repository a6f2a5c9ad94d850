//! The server as clients see it: does it answer, is it ready, does the token open it, is the port free.

use std::io::ErrorKind;
use std::net::TcpListener;

use super::folder::Running;
use super::{Finding, bad, good, look};
use crate::cli::connect::ConnectArgs;
use crate::client::{Client, ClientError};
use crate::config::Config;

/// Asks the server that the client options name, and looks at the port that the configuration names.
pub(super) async fn examine(
    config: &Config,
    connect: &ConnectArgs,
    running: Running,
    findings: &mut Vec<Finding>,
) {
    if let Err(error) = config.check() {
        findings.push(bad("address", error.to_string(), "see docs/OPERATIONS.md on TLS proxies"));
    }
    let client = match connect.client() {
        Ok(client) => client,
        Err(error) => {
            findings.push(bad(
                "client",
                format!("{error:#}"),
                "correct --url, --token-file or their variables",
            ));
            return;
        }
    };
    let answers = match client.get("/healthz").await {
        Ok(_) => {
            findings.push(good("server", format!("{} answers", client.url())));
            true
        }
        Err(error) => {
            findings.push(silent(&client, &error, running));
            false
        }
    };
    if answers {
        findings.push(ready(&client).await);
        findings.push(authorized(&client).await);
    } else if running != Running::Yes {
        findings.push(port(config));
    }
}

fn silent(client: &Client, error: &ClientError, running: Running) -> Finding {
    let found = error.to_string();
    match (error, running) {
        (ClientError::Unreachable { .. }, Running::Yes) => bad(
            "server",
            found,
            "a server runs on the folder, so it listens elsewhere: give its address with --url",
        ),
        (ClientError::Unreachable { .. }, _) => {
            look("server", found, "no server is running; `indelible serve --data DIR` starts one")
        }
        _ => bad(
            "server",
            format!("{} is not Indelible: {found}", client.url()),
            "give another --url",
        ),
    }
}

async fn ready(client: &Client) -> Finding {
    match client.get("/readyz").await {
        Ok(_) => good("ready", "it takes events"),
        Err(error) => bad("ready", error.to_string(), "the server's log tells more"),
    }
}

async fn authorized(client: &Client) -> Finding {
    if !client.has_token() {
        let advice = "export INDELIBLE_TOKEN_FILE=DIR/admin.token, or give --token-file";
        return look("token", "no token was given, so access was not tried", advice);
    }
    match client.get("/v1/ledgers?limit=1").await {
        Ok(_) => good("token", "the token opens the server"),
        Err(ClientError::Refused(problem)) if problem.status == 403 => look(
            "token",
            format!("the token is known, but may not read: {problem}"),
            "fine for a token that only appends",
        ),
        Err(error) => bad(
            "token",
            error.to_string(),
            "is it this server's? DIR/admin.token of its data folder is",
        ),
    }
}

/// Whether the configured address could be bound. Bound for a moment only, and only when nobody answers.
fn port(config: &Config) -> Finding {
    let address = config.listen.address;
    match TcpListener::bind(address) {
        Ok(_) => good("port", format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bad(
            "port",
            format!("{address} is taken by another program"),
            "stop that program, or listen elsewhere with --listen",
        ),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => bad(
            "port",
            format!("{address} is no address of this machine"),
            "correct listen.address",
        ),
        Err(error) => bad("port", format!("{address}: {error}"), "choose another with --listen"),
    }
}
