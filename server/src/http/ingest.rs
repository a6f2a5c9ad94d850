//! `POST /v1/ledgers/{ledger}/events`: one event, some, or many.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{HeaderMap, StatusCode};
use indelible_core::json::{Numbers, push_string};
use indelible_core::name::{EventId, LedgerName};
use indelible_ledger::{Accepted, AppendError, Appended, Atomicity, Engine, Submission};

use super::app::App;
use super::body::{self, Media};
use super::errors::{Code, Problem};
use super::query::{Params, invalid};
use super::render::{RESULT_BYTES, push_result};
use super::{envelope, ndjson};
use crate::auth::Scope;
use crate::listen::RequestOrder;

/// The header that may carry the id of a single event.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Appends what the body holds. On HTTP/1 the connection ends with a failure, because what was already
/// sent behind it must not be appended.
pub(super) async fn append(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let order = request.extensions().get::<RequestOrder>().cloned();
    let answer = in_order(app, &name, request, order.clone()).await;
    match (answer, order) {
        (Err(problem), Some(order)) if problem.code().breaks_order() => {
            order.break_off();
            Err(problem.closing())
        }
        (answer, _) => answer,
    }
}

async fn in_order(
    app: Arc<App>,
    name: &str,
    request: Request,
    order: Option<RequestOrder>,
) -> Result<Response, Problem> {
    let (ledger, caller) = app.ledger_for(&request, Scope::Append, name)?;
    let principal = caller.principal();
    tracing::debug!(%ledger, %principal, "append");
    let engine = app.engine.on_behalf_of(principal);
    if order.as_ref().is_some_and(RequestOrder::is_broken) {
        let detail = "a request sent before it on this connection was not appended as a whole, so \
                      nothing of this was; send again from there on, on a new connection";
        return Err(Problem::new(Code::EarlierFailed, detail));
    }
    let numbers = match numbers(&request)? {
        Some(asked) => asked,
        None => app.engine.numbers(&ledger)?,
    };
    let media = body::media(request.headers())?;
    let key = idempotency_key(request.headers())?;
    let body = match media {
        Media::Ndjson if key.is_some() => return Err(key_for_many()),
        Media::Ndjson => {
            return ndjson::append(&app, &engine, ledger, request.into_body(), numbers, order);
        }
        Media::Json => body::read_all(request.into_body(), &app.limits).await?,
    };
    if body.trim_ascii_start().first() == Some(&b'[') {
        if key.is_some() {
            return Err(key_for_many());
        }
        return many(&app, &engine, &ledger, &body, numbers).await;
    }
    let submission = with_key(envelope::parse(&body, numbers)?, key)?;
    drop(body);
    one(&app, &engine, &ledger, submission).await
}

/// What the request wants of numbers that a double does not carry.
fn numbers(request: &Request) -> Result<Option<Numbers>, Problem> {
    let params = Params::new(request.uri(), &["numbers"])?;
    let parse = |text: &str| text.parse().map_err(|_| invalid("`numbers` is `exact` or `text`"));
    params.text("numbers").map(parse).transpose()
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Problem::new(Code::IdInvalid, "Idempotency-Key is not UTF-8"))?;
    Ok(Some(EventId::new(text)?))
}

fn key_for_many() -> Problem {
    Problem::new(Code::IdAmbiguous, "Idempotency-Key names one event; give many an `id` each")
}

fn with_key(mut submission: Submission, key: Option<EventId>) -> Result<Submission, Problem> {
    match (&submission.id, key) {
        (Some(id), Some(key)) if *id != key => {
            Err(Problem::new(Code::IdAmbiguous, "Idempotency-Key and `id` are different"))
        }
        (None, Some(key)) => {
            submission.id = Some(key);
            Ok(submission)
        }
        _ => Ok(submission),
    }
}

async fn one(
    app: &Arc<App>,
    engine: &Engine,
    ledger: &LedgerName,
    event: Submission,
) -> Result<Response, Problem> {
    let pending = engine.submit(ledger, vec![event], Atomicity::AllOrNothing).map_err(alone)?;
    let appended = pending.await.map_err(alone)?;
    let accepted = first(&appended)?;
    let receipt = match appended.receipt(0) {
        Some(receipt) => receipt.to_json(),
        // It was there before, perhaps long ago, or its receipt takes record 0: it is read.
        None => {
            let (name, seq) = (ledger.clone(), accepted.seq);
            let receipt = app.read(move |engine| Ok(engine.receipt(&name, seq)?)).await?;
            receipt.ok_or_else(no_result)?.to_json()
        }
    };
    let mut response = json(status(accepted.duplicate), receipt);
    let location = format!("/v1/ledgers/{ledger}/events/{}", accepted.seq);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// The problem of the only event is that of the request; no index is needed to name it.
fn alone(error: AppendError) -> Problem {
    match error {
        AppendError::Event { error, .. } => Problem::from(error),
        other => Problem::from(other),
    }
}

fn first(appended: &Appended) -> Result<&Accepted, Problem> {
    match appended.results.first() {
        Some(Ok(accepted)) => Ok(accepted),
        Some(Err(error)) => Err(Problem::from(error.clone())),
        None => Err(no_result()),
    }
}

fn no_result() -> Problem {
    Problem::new(Code::Internal, "the engine gave no result; ask for the event by its id")
}

async fn many(
    app: &Arc<App>,
    engine: &Engine,
    ledger: &LedgerName,
    body: &[u8],
    numbers: Numbers,
) -> Result<Response, Problem> {
    let events = envelope::parse_array(body, app.limits.batch_events_max, numbers)?;
    if events.is_empty() {
        app.engine.ledger(ledger)?;
        return Err(Problem::new(Code::BatchEmpty, "the array has no element"));
    }
    let appended = engine.submit(ledger, events, Atomicity::AllOrNothing)?.await?;
    let mut out = Vec::with_capacity(512 + appended.results.len() * RESULT_BYTES);
    out.extend_from_slice(b"{\"checkpoint\":");
    push_string(&mut out, &appended.checkpoint.note);
    out.extend_from_slice(b",\"results\":[");
    let mut all_duplicates = true;
    for (at, result) in appended.results.iter().enumerate() {
        let accepted = result.as_ref().map_err(|error| Problem::from(error.clone()))?;
        all_duplicates &= accepted.duplicate;
        if at > 0 {
            out.push(b',');
        }
        push_result(&mut out, accepted, None);
    }
    out.extend_from_slice(b"]}");
    Ok(json(status(all_duplicates), out))
}

fn status(duplicate: bool) -> StatusCode {
    if duplicate { StatusCode::OK } else { StatusCode::CREATED }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(body::JSON));
    response
}
