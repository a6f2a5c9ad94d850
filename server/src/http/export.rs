//! Long answers: the export file of `docs/FORMAT.md` section 7.5, and listings as NDJSON.
//!
//! Each has a thread of its own that may block, on the store and on a client that reads slowly; how
//! many there are at once is limited. An answer that could not be finished is broken off, so that it is
//! never taken for a whole one.

use std::io::{self, Write as _};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use indelible_core::json::push_string;
use indelible_core::name::{LedgerName, Seq};
use indelible_core::segment::push_line;
use indelible_ledger::{Direction, Engine, SignedCheckpoint};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::app::App;
use super::body::NDJSON;
use super::errors::{Code, Problem};
use super::output::{self, Sender};
use super::query::{Params, invalid};
use super::range::Range;
use crate::auth::Scope;
use crate::budget::Account;

/// Records, and bytes of them, that are read at once.
const CHUNK: (usize, usize) = (1024, 256 << 10);
/// Zstandard's level: 3 is its default, and faster than most disks and networks.
const ZSTD_LEVEL: i32 = 3;
/// Largest `limit` of an NDJSON listing: it is streamed, so only the number's own range bounds it.
const LISTING_EVENTS_MAX: usize = 1 << 52;

/// Streams the whole ledger with its checkpoint.
pub(super) async fn export(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    let params = Params::new(request.uri(), &["compress"])?;
    let compress = match params.text("compress") {
        None => false,
        Some("zstd") => true,
        Some(_) => return Err(invalid("`compress` is zstd, or absent")),
    };
    // The checkpoint of this moment is the export's end, whatever is appended meanwhile.
    let checkpoint = app.engine.checkpoint(&ledger)?;
    let permit = app.long(&app.exports, "exports")?;
    let file = format!("{ledger}.export.jsonl{}", if compress { ".zst" } else { "" });
    let task = Export { engine: app.engine.clone(), ledger, checkpoint };
    let account = app.budget.account_of(&request);
    let output = stream(&app, account, permit, move |sender| task.write(sender, compress));
    let media = if compress { "application/zstd" } else { NDJSON };
    let mut response = answer(output, media);
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{file}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Streams the records of a range, one a line.
pub(super) async fn listing(
    app: &Arc<App>,
    ledger: LedgerName,
    params: Params,
    account: Account,
) -> Result<Response, Problem> {
    let mut left = params.limit(LISTING_EVENTS_MAX)?.unwrap_or(usize::MAX);
    let permit = app.long(&app.exports, "exports and NDJSON listings")?;
    let name = ledger.clone();
    let mut range = app.read(move |engine| Range::of(engine, &name, &params)).await?;
    let engine = app.engine.clone();
    let output = stream(app, account, permit, move |sender| {
        while left > 0 && !range.is_done() {
            let records = range
                .read(&engine, &ledger, CHUNK.0.min(left), CHUNK.1)
                .map_err(|problem| io::Error::other(problem.detail().to_owned()))?;
            left -= records.len().min(left);
            let mut out = Vec::with_capacity(records.iter().map(|r| r.record.len() + 1).sum());
            for stored in &records {
                out.extend_from_slice(&stored.record);
                out.push(b'\n');
            }
            if !sender.send(out.into()) {
                return Ok(false);
            }
        }
        Ok(true)
    });
    Ok(answer(output, NDJSON))
}

fn answer(output: output::Output, media: &'static str) -> Response {
    let mut response = Response::new(Body::new(output));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// Runs `write` on a thread that may block. It says whether the answer is whole; false is a client that
/// has gone, or was given up because it takes nothing.
fn stream(
    app: &App,
    account: Account,
    permit: OwnedSemaphorePermit,
    write: impl FnOnce(&Blocking) -> io::Result<bool> + Send + 'static,
) -> output::Output {
    let (sender, output) = output::channel(account, app.limits.write_stall_timeout);
    let blocking = Blocking { sender, runtime: Handle::current() };
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        match write(&blocking) {
            Ok(true) => blocking.runtime.block_on(blocking.sender.end()),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "an export or listing was broken off"),
        }
    });
    output
}

/// The sender, for a thread that may block.
struct Blocking {
    sender: Sender,
    runtime: Handle,
}

impl Blocking {
    fn send(&self, chunk: Bytes) -> bool {
        self.runtime.block_on(self.sender.send(chunk))
    }
}

struct Export {
    engine: Engine,
    ledger: LedgerName,
    checkpoint: Arc<SignedCheckpoint>,
}

impl Export {
    fn write(&self, sender: &Blocking, compress: bool) -> io::Result<bool> {
        if !compress {
            return self.lines(|lines| Ok(sender.send(Bytes::from(lines))));
        }
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
        encoder.include_checksum(true)?;
        let whole = self.lines(|lines| {
            encoder.write_all(&lines)?;
            Ok(sender.send(Bytes::from(std::mem::take(encoder.get_mut()))))
        })?;
        Ok(whole && sender.send(Bytes::from(encoder.finish()?)))
    }

    /// Hands the file's lines to `put`, some at a time; stops when it says false.
    fn lines(&self, mut put: impl FnMut(Vec<u8>) -> io::Result<bool>) -> io::Result<bool> {
        let checkpoint = &self.checkpoint.checkpoint;
        let mut out = Vec::from(b"{\"export\":{\"ledger\":");
        push_string(&mut out, &self.ledger);
        out.extend_from_slice(b",\"origin\":");
        push_string(&mut out, &checkpoint.origin);
        out.extend_from_slice(b"},\"v\":1}\n");
        let mut next = 0;
        while next < checkpoint.size {
            let left = usize::try_from(checkpoint.size - next).unwrap_or(usize::MAX);
            let records = Seq::new(next)
                .map_err(Problem::from)
                .and_then(|from| {
                    let records = CHUNK.0.min(left);
                    Ok(self.engine.range(
                        &self.ledger,
                        from,
                        Direction::Forward,
                        records,
                        CHUNK.1,
                    )?)
                })
                .and_then(|records| if records.is_empty() { Err(gap(next)) } else { Ok(records) })
                .map_err(|problem| io::Error::other(problem.detail().to_owned()))?;
            for stored in &records {
                push_line(&mut out, &stored.record, &stored.digest, stored.signature.as_ref());
                next = stored.seq.get() + 1;
            }
            let room = Vec::with_capacity(out.len());
            if !put(std::mem::replace(&mut out, room))? {
                return Ok(false);
            }
        }
        out.extend_from_slice(b"{\"checkpoint\":");
        push_string(&mut out, &self.checkpoint.note);
        out.extend_from_slice(b"}\n");
        put(out)
    }
}

fn gap(next: u64) -> Problem {
    Problem::new(Code::ReadFailed, format!("record {next} of the checkpoint's tree cannot be read"))
}
