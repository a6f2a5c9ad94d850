//! `POST /v1/ledgers/{ledger}/events`: one event, some, or many.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use indelible_core::json::{Numbers, push_string, push_u64};
use indelible_core::name::{EventId, LedgerName, Seq};
use indelible_ledger::{Accepted, AppendError, Appended, Atomicity, Engine, Submission};

use super::app::App;
use super::body::{self, Media};
use super::errors::{Code, Problem};
use super::query::{Params, invalid};
use super::render::{RESULT_BYTES, push_result};
use super::{envelope, ndjson};
use crate::auth::Scope;
use crate::listen::{Link, Payload, RequestOrder};

/// The id of this operation in the table of operations.
pub(super) const OPERATION: &str = "appendEvents";
/// The header that may carry the id of a single event.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Appends what the body holds, for requests that came by the router.
pub(super) async fn append(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    mut request: Request<Body>,
) -> Response<Body> {
    let link = request.extensions_mut().remove::<Link>().unwrap_or_default();
    append_to(&app, &name, request, link).await.map(Body::new)
}

/// Appends what the body holds to the ledger called `name`. On HTTP/1 the connection ends with a
/// failure, because what was already sent behind it must not be appended.
pub(super) async fn append_to<B: Received>(
    app: &Arc<App>,
    name: &str,
    request: Request<B>,
    link: Link,
) -> Response<Payload> {
    let answered = in_order(app, name, request, &link).await;
    let problem = match (answered, link.order) {
        (Ok(response), _) => return response,
        (Err(problem), Some(order)) if problem.code().breaks_order() => {
            order.break_off();
            problem.closing()
        }
        (Err(problem), _) => problem,
    };
    problem.into_response().map(Payload::from)
}

/// A request's body, from the connection or in the router's box.
pub(super) trait Received:
    http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static
{
}

impl Received for Incoming {}
impl Received for Body {}

async fn in_order<B: Received>(
    app: &Arc<App>,
    name: &str,
    request: Request<B>,
    link: &Link,
) -> Result<Response<Payload>, Problem> {
    let (ledger, caller) = app.ledger_for(&request, Scope::Append, name)?;
    let principal = caller.principal();
    tracing::debug!(%ledger, %principal, "append");
    let engine = app.engine.on_behalf_of(principal);
    if link.order.as_ref().is_some_and(RequestOrder::is_broken) {
        let detail = "a request sent before it on this connection was not appended as a whole, so \
                      nothing of this was; send again from there on, on a new connection";
        return Err(Problem::new(Code::EarlierFailed, detail));
    }
    let numbers = match numbers(request.uri())? {
        Some(asked) => asked,
        None => app.engine.numbers(&ledger)?,
    };
    let media = body::media(request.headers())?;
    let key = idempotency_key(request.headers())?;
    let body = match media {
        Media::Ndjson if key.is_some() => return Err(key_for_many()),
        Media::Ndjson => {
            let body = Body::new(request.into_body());
            let response = ndjson::append(app, &engine, ledger, body, numbers, link)?;
            return Ok(response.map(Payload::from));
        }
        Media::Json => body::read(request.into_body(), &link.account_in(&app.budget), app).await?,
    };
    if body.trim_ascii_start().first() == Some(&b'[') {
        if key.is_some() {
            return Err(key_for_many());
        }
        return many(app, &engine, &ledger, &body, numbers).await;
    }
    let submission = with_key(envelope::parse(&body, numbers)?, key)?;
    drop(body);
    one(app, &engine, &ledger, submission).await
}

/// What the request wants of numbers that a double does not carry.
fn numbers(uri: &Uri) -> Result<Option<Numbers>, Problem> {
    if uri.query().is_none() {
        return Ok(None);
    }
    let params = Params::new(uri, &["numbers"])?;
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
) -> Result<Response<Payload>, Problem> {
    let pending = engine.submit(ledger, vec![event], Atomicity::AllOrNothing).map_err(alone)?;
    let appended = pending.await.map_err(alone)?;
    let accepted = first(&appended)?;
    let receipt = match appended.receipt(0) {
        Some(receipt) => receipt.to_json(),
        // It was there before, perhaps long ago, or its receipt takes record 0: it is read.
        None => {
            let (name, seq) = (ledger.clone(), accepted.seq);
            let receipt = app.read(move |engine| Ok(engine.receipt(&name, seq)?)).await;
            let receipt = receipt.map_err(|problem| without_receipt(problem, seq))?;
            receipt.ok_or_else(no_result)?.to_json()
        }
    };
    let mut response = answer(status(accepted.duplicate), receipt);
    let location = location(ledger, accepted.seq);
    if let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(location)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// The event is in the ledger although its receipt cannot be read: whoever is told of a plain failure would
/// take it for not appended.
fn without_receipt(problem: Problem, seq: Seq) -> Problem {
    if problem.code() == Code::BodyDropped {
        return problem;
    }
    let text = format!("the event is record {seq}, but its receipt cannot be read now");
    Problem::new(Code::OutcomeUnknown, text)
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
) -> Result<Response<Payload>, Problem> {
    let events = envelope::parse_array(body, app.limits.batch_events_max, numbers)?;
    if events.is_empty() {
        app.engine.ledger(ledger)?;
        return Err(Problem::new(Code::BatchEmpty, "the array has no element"));
    }
    let appended = engine.submit_many(ledger, events, Atomicity::AllOrNothing).await?.await?;
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
    Ok(answer(status(all_duplicates), out))
}

fn status(duplicate: bool) -> StatusCode {
    if duplicate { StatusCode::OK } else { StatusCode::CREATED }
}

/// Where the event can be read.
fn location(ledger: &LedgerName, seq: Seq) -> Vec<u8> {
    let mut path = Vec::with_capacity(48 + ledger.len());
    path.extend_from_slice(b"/v1/ledgers/");
    path.extend_from_slice(ledger.as_bytes());
    path.extend_from_slice(b"/events/");
    push_u64(&mut path, seq.get());
    path
}

fn answer(status: StatusCode, body: Vec<u8>) -> Response<Payload> {
    let mut response = Response::new(Payload::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(body::JSON));
    response
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    answer(status, body).map(Body::new)
}
