//! `GET .../events/stream`: records as server-sent events, as they become durable.
//!
//! Each event's `id` is its sequence number, so a browser's or client's `Last-Event-ID` resumes exactly
//! behind the last record that it saw, after a break of any length.
//!
//! The bytes are made here and in [`recent`] rather than by axum's `Sse`: that renders each event anew for
//! each stream and hands it over by itself, where a chunk of many events is to be rendered once for all
//! followers and counted against the budget until it was written.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use indelible_core::name::{LedgerName, Seq};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::app::App;
use super::errors::{Code, Problem};
use super::output::{self, Sender};
use super::query::{Params, invalid};
use super::recent::{self, Ended, Following, Next, Recent};
use crate::auth::Scope;
use crate::listen::stopped;

/// Time between signs of life while nothing happens: shorter than what proxies and clients wait.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Said first: how long a client waits before it connects again, in milliseconds.
const HELLO: &[u8] = b"retry: 1000\n\n";

/// Opens a stream.
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    let params = Params::new(request.uri(), &["from"])?;
    let size = app.engine.ledger(&ledger)?.size;
    let next = match last_event_id(request.headers())? {
        Some(last) => last.saturating_add(1),
        None => params.number("from")?.unwrap_or(size),
    };
    // Whoever has seen more than there is looks at another history; waiting would hide that.
    if next > size {
        let detail = format!("the ledger has {size} records; the stream was to go on at {next}");
        return Err(Problem::new(Code::AheadOfLedger, detail).with("size", size));
    }
    let permit = app.long(&app.streams, "event streams")?;
    let account = app.budget.account_of(&request);
    let (sender, output) = output::channel(account, app.limits.write_stall_timeout);
    let following = Recent::follow(&app, &ledger)?;
    let follower = Follower { app, ledger, next, following, _permit: permit };
    tokio::spawn(follower.run(sender));
    let mut response = Response::new(Body::new(output));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let seq = value.to_str().ok().and_then(|text| text.parse::<Seq>().ok());
    seq.map(|seq| Some(seq.get()))
        .ok_or_else(|| invalid("Last-Event-ID is not a sequence number of this stream"))
}

struct Follower {
    app: Arc<App>,
    ledger: LedgerName,
    next: u64,
    following: Following,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    async fn run(mut self, sender: Sender) {
        let mut stop = self.app.stop.clone();
        if !sender.send(Bytes::from_static(HELLO)).await {
            return;
        }
        loop {
            if *stop.borrow() {
                return sender.end().await;
            }
            let chunk = match self.following.next(self.next) {
                Next::Events { bytes, end } => Ok((bytes, end)),
                Next::Read(count) => {
                    recent::events(&self.app, &self.ledger, self.next, count).await
                }
                Next::Nothing => {
                    if self.wait(&sender, &mut stop).await {
                        continue;
                    }
                    return;
                }
                Next::Ended(Ended::Stopped) => return sender.end().await,
                Next::Ended(Ended::Failed) => return,
            };
            match chunk {
                Ok((bytes, end)) => {
                    self.next = end;
                    if !sender.send(bytes).await {
                        return;
                    }
                }
                Err(problem) => {
                    tracing::warn!(code = problem.code().as_str(), "event stream broken off");
                    return;
                }
            }
        }
    }

    /// Waits for records, with signs of life; false when the client is gone.
    async fn wait(&self, sender: &Sender, stop: &mut watch::Receiver<bool>) -> bool {
        let grown = tokio::select! {
            () = sender.closed() => return false,
            () = stopped(stop) => return true,
            grown = timeout(HEARTBEAT, self.following.grown(self.next)) => grown,
        };
        match grown {
            Ok(()) => true,
            Err(_) => sender.send(Bytes::from_static(b": waiting\n\n")).await,
        }
    }
}
