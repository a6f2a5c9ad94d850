//! `/healthz`: the process answers. `/readyz`: appends can be expected to work.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use indelible_core::json::push_u64;
use indelible_ledger::Health;

use super::app::App;
use super::errors::{Code, Problem};
use super::ingest::json;
use crate::auth::Scope;

/// Says that the process answers.
pub(super) async fn alive() -> Response {
    ok(b"{\"status\":\"ok\"}".to_vec())
}

/// Says whether events can be appended, and why not. Open to all; what the disk or the signer said, which
/// names paths, addresses and commands for the operator, is for who has an admin token.
pub(super) async fn ready(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    if *app.stop.borrow() {
        return Err(Problem::new(Code::ShuttingDown, "the server is shutting down"));
    }
    // What the whole server suffers from is not for who sees some ledgers only.
    let caller = app.allow(request.headers(), Scope::Admin);
    let is_known = caller.is_ok_and(|caller| !caller.is_bound());
    let told = |what: &str, reason: &str| match is_known {
        true => format!("{what}: {reason}"),
        false => format!("{what}; who has an admin token is told why"),
    };
    match app.engine.health() {
        // The ledgers of the other signers are appended to; who looks at the metrics sees which fail.
        Health::Ready | Health::SomeSignersFailing { .. } => Ok(ok(fine(&app))),
        Health::SignerFailing { reason } => {
            Err(Problem::new(Code::SignerFailing, told("the signer fails", &reason)))
        }
        Health::Poisoned { reason } => {
            Err(Problem::new(Code::StoreUnavailable, told("the store failed", &reason)))
        }
        Health::FolderGone { reason } => {
            let what = "the data folder is not the one that was opened";
            Err(Problem::new(Code::FolderGone, told(what, &reason)))
        }
        Health::ClockJumped(jump) => {
            let what = "the clock has jumped ahead";
            Err(Problem::new(Code::ClockJumped, told(what, &jump.to_string())))
        }
        Health::HeadFileFailing { reason } => {
            let what = "the head file cannot be written, so a restart could not tell an old database from \
                        the newest; appends still work";
            Err(Problem::new(Code::HeadFileFailing, told(what, &reason)))
        }
        Health::Closed => Err(Problem::new(Code::ShuttingDown, "the engine is closed")),
    }
}

/// `{"archive"?,"clock_ahead_seconds"?,"status":"ok"}`, canonical JSON.
fn fine(app: &App) -> Vec<u8> {
    let mut out = vec![b'{'];
    // Appends work without the vault, so a failing schedule is told but is no reason to send them
    // elsewhere. Why it fails stands in the log: this page is open to all.
    if app.archiving.is_scheduled {
        let word = if app.archiving.archived.is_failing() { "failing" } else { "ok" };
        out.extend_from_slice(format!("\"archive\":\"{word}\",").as_bytes());
    }
    let ahead = app.engine.clock().ledgers_ahead.as_secs();
    if ahead > 0 {
        out.extend_from_slice(b"\"clock_ahead_seconds\":");
        push_u64(&mut out, ahead);
        out.push(b',');
    }
    out.extend_from_slice(b"\"status\":\"ok\"}");
    out
}

fn ok(body: Vec<u8>) -> Response {
    let mut response = json(StatusCode::OK, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
