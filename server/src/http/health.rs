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
    ok()
}

/// Says whether events can be appended, and why not.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if *app.stop.borrow() {
        return Err(Problem::new(Code::ShuttingDown, "the server is shutting down"));
    }
    match app.engine.health() {
        Health::Ready => Ok(ok()),
        Health::SignerFailing { reason } => {
            Err(Problem::new(Code::SignerFailing, format!("the signer fails: {reason}")))
        }
        Health::Poisoned { reason } => {
            Err(Problem::new(Code::StoreUnavailable, format!("the store failed: {reason}")))
        }
        Health::Closed => Err(Problem::new(Code::ShuttingDown, "the engine is closed")),
    }
}

fn ok() -> Response {
    let mut response = json(StatusCode::OK, b"{\"status\":\"ok\"}".to_vec());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
