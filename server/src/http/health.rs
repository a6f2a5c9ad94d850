//! `/healthz`: the process answers. `/readyz`: appends can be expected to work.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use indelible_ledger::Health;

use super::app::App;
use super::errors::{Code, Problem};
use super::ingest::json;

/// Says that the process answers.
pub(super) async fn alive() -> Response {
    ok(b"{\"status\":\"ok\"}")
}

/// Says whether events can be appended, and why not.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if *app.stop.borrow() {
        return Err(Problem::new(Code::ShuttingDown, "the server is shutting down"));
    }
    match app.engine.health() {
        // Appends work without the vault, so a failing schedule is told but is no reason to send them
        // elsewhere. Why it fails stands in the log: this page is open to all.
        Health::Ready => Ok(ok(match (app.archives_on_schedule, app.archived.is_failing()) {
            (false, _) => b"{\"status\":\"ok\"}",
            (true, false) => b"{\"archive\":\"ok\",\"status\":\"ok\"}",
            (true, true) => b"{\"archive\":\"failing\",\"status\":\"ok\"}",
        })),
        Health::SignerFailing { reason } => {
            Err(Problem::new(Code::SignerFailing, format!("the signer fails: {reason}")))
        }
        Health::Poisoned { reason } => {
            Err(Problem::new(Code::StoreUnavailable, format!("the store failed: {reason}")))
        }
        Health::Closed => Err(Problem::new(Code::ShuttingDown, "the engine is closed")),
    }
}

fn ok(body: &[u8]) -> Response {
    let mut response = json(StatusCode::OK, body.to_vec());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
