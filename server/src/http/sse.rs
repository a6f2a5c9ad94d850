//! `GET .../events/stream`: records as server-sent events, as they become durable.
//!
//! Each event's `id` is its sequence number, so a browser's or client's `Last-Event-ID` resumes exactly
//! behind the last record that it saw, after a break of any length.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use indelible_core::json::push_u64;
use indelible_core::name::{LedgerName, Seq};
use indelible_ledger::Direction;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::app::App;
use super::errors::{Code, Problem};
use super::output::{self, Sender};
use super::query::{Params, invalid};
use crate::auth::Scope;
use crate::listen::stopped;

/// Time between signs of life while nothing happens: shorter than what proxies and clients wait.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Records, and bytes of them, that are read at once.
const CHUNK: (usize, usize) = (256, 1 << 20);
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
    let durable = app.engine.watch(&ledger)?;
    let size = *durable.borrow();
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
    let (sender, output) = output::channel();
    let follower = Follower { app, ledger, next, durable, _permit: permit };
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
    durable: watch::Receiver<u64>,
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
            if self.next < *self.durable.borrow_and_update() {
                let chunk = match self.chunk().await {
                    Ok(chunk) => chunk,
                    Err(problem) => {
                        tracing::warn!(code = problem.code().as_str(), "event stream broken off");
                        return;
                    }
                };
                if sender.send(chunk).await {
                    continue;
                }
                return;
            }
            let grown = tokio::select! {
                () = sender.closed() => return,
                () = stopped(&mut stop) => continue,
                grown = timeout(HEARTBEAT, self.durable.changed()) => grown,
            };
            match grown {
                Ok(Ok(())) => {}
                // The engine is gone, which only a stop does.
                Ok(Err(_)) => return sender.end().await,
                Err(_) => {
                    if !sender.send(Bytes::from_static(b": waiting\n\n")).await {
                        return;
                    }
                }
            }
        }
    }

    /// The next records as events.
    async fn chunk(&mut self) -> Result<Bytes, Problem> {
        let from = Seq::new(self.next)?;
        let ledger = self.ledger.clone();
        let records = self
            .app
            .read(move |engine| {
                Ok(engine.range(&ledger, from, Direction::Forward, CHUNK.0, CHUNK.1)?)
            })
            .await?;
        let mut out = Vec::with_capacity(records.iter().map(|r| r.record.len() + 40).sum());
        for stored in &records {
            out.extend_from_slice(b"id: ");
            push_u64(&mut out, stored.seq.get());
            // A record is canonical JSON, which has no line breaks.
            out.extend_from_slice(b"\ndata: ");
            out.extend_from_slice(&stored.record);
            out.extend_from_slice(b"\n\n");
            self.next = stored.seq.get() + 1;
        }
        if out.is_empty() {
            return Err(Problem::new(Code::ReadFailed, "durable records could not be read"));
        }
        Ok(out.into())
    }
}
