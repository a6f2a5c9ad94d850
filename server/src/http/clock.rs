//! `/v1/clock`: how the server's clock stands to its ledgers, and an operator's word that it is right.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use hyper::StatusCode;
use indelible_core::json::{push_string, push_u64};
use indelible_ledger::folder::FolderError;
use indelible_ledger::{ClockJump, ClockState};

use super::app::App;
use super::errors::{Code, Problem};
use super::ingest::json;
use super::query::Params;
use crate::auth::{Denied, Scope};

/// How the clock stands.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    app.allow(request.headers(), Scope::Read)?;
    Params::new(request.uri(), &[])?;
    Ok(json(StatusCode::OK, render(&app.engine.clock(), None)))
}

/// Accepts a jump of the clock. Asked again it changes nothing.
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let caller = app.allow(request.headers(), Scope::Admin)?;
    // The clock is every ledger's.
    if caller.is_bound() {
        return Err(Denied::Ledger.into());
    }
    Params::new(request.uri(), &[])?;
    let accepted = app.read(|engine| engine.accept_clock().map_err(not_accepted)).await?;
    if let Some(jump) = accepted {
        let ahead_s = jump.ahead.as_secs();
        tracing::warn!(by = %caller.principal(), ahead_s, "the clock's jump is accepted");
    }
    Ok(json(StatusCode::OK, render(&app.engine.clock(), accepted)))
}

fn not_accepted(error: FolderError) -> Problem {
    tracing::error!(%error, "the clock's jump cannot be accepted");
    Problem::new(Code::Internal, "the note of the jump cannot be removed; see the server's log")
}

/// `{"accepted_seconds"?,"held_seconds"?,"ledgers_ahead_seconds","time"}`, canonical JSON.
fn render(clock: &ClockState, accepted: Option<ClockJump>) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (name, jump) in [("accepted_seconds", accepted), ("held_seconds", clock.held)] {
        if let Some(jump) = jump {
            push_string(&mut out, name);
            out.push(b':');
            push_u64(&mut out, jump.ahead.as_secs());
            out.push(b',');
        }
    }
    out.extend_from_slice(b"\"ledgers_ahead_seconds\":");
    push_u64(&mut out, clock.ledgers_ahead.as_secs());
    out.extend_from_slice(b",\"time\":");
    push_string(&mut out, &clock.now.to_string());
    out.push(b'}');
    out
}
