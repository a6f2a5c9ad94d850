//! `GET /v1/ledgers/{ledger}/events` and what hangs on one event.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use hyper::header::{ACCEPT, CACHE_CONTROL, ETAG, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use indelible_core::json::push_string;
use indelible_core::name::{EventId, LedgerName, Seq};
use indelible_ledger::{Engine, StoredRecord};

use super::app::App;
use super::body::{NDJSON, no_room};
use super::errors::{Code, Problem};
use super::export;
use super::ingest::json;
use super::query::{Params, invalid};
use super::range::Range;
use crate::auth::Scope;
use crate::budget::{Account, Grant, Kind};

/// Events on a page where no limit is given.
const PAGE_EVENTS_DEFAULT: usize = 100;
/// Bytes of records on a page; a page that would have more is shorter.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Shortest page that is tried where the budget has little room.
const PAGE_BYTES_MIN: usize = 64 << 10;
/// A page is in memory twice: as records, and as the answer.
const COPIES: usize = 2;
/// Parameters that bound a listing.
const BOUNDS: [&str; 5] = ["from", "to", "from_time", "to_time", "order"];

/// A page of events, or all of a range as NDJSON.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    let known = ["from", "to", "from_time", "to_time", "order", "cursor", "limit", "id"];
    let params = Params::new(request.uri(), &known)?;
    if let Some(id) = params.text("id") {
        if params.has_any(&BOUNDS) || params.has_any(&["cursor"]) {
            return Err(invalid("`id` finds one event; it takes no bounds beside it"));
        }
        let id = EventId::new(id)?;
        return app.read(move |engine| by_id(engine, &ledger, &id)).await;
    }
    if wants_ndjson(request.headers()) {
        let account = app.budget.account_of(&request);
        return export::listing(&app, ledger, params, account).await;
    }
    let limit = params.limit(app.limits.page_events_max)?;
    let limit = limit.unwrap_or(PAGE_EVENTS_DEFAULT.min(app.limits.page_events_max));
    let account = app.budget.account_of(&request);
    app.read(move |engine| page(engine, &ledger, &params, limit, &account)).await
}

fn wants_ndjson(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|part| {
            let essence = part.split(|byte| *byte == b';').next().unwrap_or_default();
            essence.trim_ascii().eq_ignore_ascii_case(NDJSON.as_bytes())
        })
}

fn page(
    engine: &Engine,
    ledger: &LedgerName,
    params: &Params,
    limit: usize,
    account: &Account,
) -> Result<Response, Problem> {
    let mut range = Range::of(engine, ledger, params)?;
    let room = room_for_page(account).ok_or_else(no_room)?;
    let records = range.read(engine, ledger, limit, room.bytes() / COPIES)?;
    Ok(events(&records, range.cursor()))
}

/// Room in the budget for reading and rendering a page. Where there is little, pages are shorter, and the
/// cursor goes on from there.
fn room_for_page(account: &Account) -> Option<Grant> {
    let halves = std::iter::successors(Some(PAGE_BYTES_MAX), |bytes| Some(bytes / 2));
    halves
        .take_while(|bytes| *bytes >= PAGE_BYTES_MIN)
        .find_map(|bytes| account.take(Kind::Answers, bytes * COPIES))
}

fn by_id(engine: &Engine, ledger: &LedgerName, id: &EventId) -> Result<Response, Problem> {
    let record = match engine.find_id(ledger, id)? {
        Some(seq) => engine.get(ledger, seq)?,
        None => None,
    };
    Ok(events(record.as_slice(), None))
}

/// `{"events":[...],"next":...}`, the records as they are stored.
fn events(records: &[StoredRecord], next: Option<String>) -> Response {
    let bytes: usize = records.iter().map(|stored| stored.record.len() + 1).sum();
    let mut out = Vec::with_capacity(bytes + 64);
    out.extend_from_slice(b"{\"events\":[");
    for (at, stored) in records.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&stored.record);
    }
    out.extend_from_slice(b"],\"next\":");
    match next {
        Some(cursor) => push_string(&mut out, &cursor),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
    json(StatusCode::OK, out)
}

/// One record, byte for byte as it was hashed.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path((name, seq)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    Params::new(request.uri(), &[])?;
    let seq = number(&seq)?;
    let stored = app
        .read(move |engine| engine.get(&ledger, seq)?.ok_or_else(|| missing(engine, &ledger, seq)))
        .await?;
    let mut response = json(StatusCode::OK, stored.record.to_vec());
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", stored.digest)) {
        headers.insert(ETAG, tag);
    }
    let for_ever = HeaderValue::from_static("private, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, for_ever);
    Ok(response)
}

/// The receipt of one record.
pub(super) async fn receipt(
    State(app): State<Arc<App>>,
    Path((name, seq)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    Params::new(request.uri(), &[])?;
    let seq = number(&seq)?;
    let receipt = app
        .read(move |engine| {
            engine.receipt(&ledger, seq)?.ok_or_else(|| missing(engine, &ledger, seq))
        })
        .await?;
    Ok(json(StatusCode::OK, receipt.to_json()))
}

fn number(text: &str) -> Result<Seq, Problem> {
    text.parse().map_err(|error: indelible_core::name::NameError| invalid(error.to_string()))
}

fn missing(engine: &Engine, ledger: &LedgerName, seq: Seq) -> Problem {
    match engine.ledger(ledger) {
        Ok(info) => Problem::new(
            Code::EventNotFound,
            format!("the ledger '{ledger}' has {} records; {seq} is not among them", info.size),
        )
        .with("size", info.size),
        Err(error) => error.into(),
    }
}
