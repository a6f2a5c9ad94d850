//! `/v1/ledgers`: creating ledgers, on purpose, and looking at them.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use indelible_core::json::{Limits, Numbers, Value, push_string};
use indelible_core::name::LedgerName;
use indelible_core::system::{Principals, SignPer};
use indelible_ledger::{CreateError, Engine, LedgerInfo, LedgerSettings, SignerName};

use super::app::App;
use super::errors::{Code, Problem};
use super::ingest::json;
use super::query::{Params, invalid};
use super::reachable::reachable;
use super::{body, render};
use crate::auth::Scope;

/// Ledgers on one page.
const PAGE_LEDGERS_MAX: usize = 1000;
/// Ledgers on a page where no limit is given.
const PAGE_LEDGERS_DEFAULT: usize = 100;

/// Creates a ledger.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let caller = app.allow(request.headers(), Scope::Admin)?;
    body::only_json(request.headers())?;
    let body = body::read_all(request.into_body(), &app.limits).await?;
    let Wanted { name, sign_per, numbers, principals, signer } = wanted(&body)?;
    if !caller.reaches(&name) {
        return Err(crate::auth::Denied::Ledger.into());
    }
    let settings = LedgerSettings {
        sign_per: sign_per.unwrap_or(SignPer::Record),
        numbers: numbers.unwrap_or_default(),
        principals: principals.unwrap_or_default(),
        signer: signer.clone(),
    };
    let is_wanted = |there: &LedgerInfo| {
        sign_per.is_none_or(|own| own == there.sign_per)
            && numbers.is_none_or(|own| own == there.numbers)
            && principals.is_none_or(|own| own == there.principals)
            && app.engine.is_signed_by(there, signer.as_ref())
    };
    let engine = app.engine.on_behalf_of(caller.principal());
    let (status, ledger) = match engine.create_ledger(name, settings).await {
        Ok(ledger) => {
            tracing::info!(ledger = %ledger.name, by = %caller.principal(), "ledger created");
            (StatusCode::CREATED, ledger)
        }
        // Asking again for what is there is no error, so that set-up scripts can be run twice.
        Err(CreateError::Exists(there)) if is_wanted(&there) => (StatusCode::OK, *there),
        Err(CreateError::Exists(there)) => {
            let detail = format!(
                "the ledger '{}' is there already with sign_per '{}', numbers '{}' and principals '{}'; \
                 settings are fixed by record 0",
                there.name, there.sign_per, there.numbers, there.principals
            );
            return Err(Problem::new(Code::LedgerExists, detail));
        }
        Err(error) => return Err(error.into()),
    };
    let mut response = one(status, &ledger);
    if let Ok(location) = HeaderValue::try_from(format!("/v1/ledgers/{}", ledger.name)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// What the body of a creation asks for.
struct Wanted {
    name: LedgerName,
    sign_per: Option<SignPer>,
    numbers: Option<Numbers>,
    principals: Option<Principals>,
    signer: Option<SignerName>,
}

fn wanted(body: &[u8]) -> Result<Wanted, Problem> {
    let value = Value::parse(body, Limits::EVENT)?;
    let members = value
        .as_object()
        .ok_or_else(|| Problem::new(Code::RequestInvalid, "the body must be an object"))?;
    let (mut name, mut sign_per, mut numbers) = (None, None, None);
    let (mut principals, mut signer) = (None, None);
    for (member, value) in members {
        let text = value.as_str().unwrap_or_default();
        match member.as_str() {
            "name" => name = Some(LedgerName::new(text)?),
            "sign_per" => {
                sign_per = Some(text.parse::<SignPer>().map_err(|_| {
                    Problem::new(Code::RequestInvalid, "`sign_per` is \"record\" or \"commit\"")
                })?);
            }
            "numbers" => {
                numbers = Some(text.parse::<Numbers>().map_err(|_| {
                    Problem::new(Code::RequestInvalid, "`numbers` is \"exact\" or \"text\"")
                })?);
            }
            "signer" => {
                let named = SignerName::new(text);
                signer = Some(named.map_err(|error| {
                    Problem::new(Code::RequestInvalid, format!("`signer`: {error}"))
                })?);
            }
            "principals" => {
                principals = Some(text.parse::<Principals>().map_err(|_| {
                    let detail = "`principals` is \"off\", \"name\" or \"full\"";
                    Problem::new(Code::RequestInvalid, detail)
                })?);
            }
            _ => {
                let detail = "the members are `name` and, if wanted, `numbers`, `principals` and \
                              `sign_per`";
                return Err(Problem::new(Code::RequestInvalid, detail));
            }
        }
    }
    let name = name.ok_or_else(|| Problem::new(Code::RequestInvalid, "`name` is missing"))?;
    Ok(Wanted { name, sign_per, numbers, principals, signer })
}

/// One ledger.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    Params::new(request.uri(), &[])?;
    let info = app.read(move |engine| Ok(engine.ledger(&ledger)?)).await?;
    Ok(one(StatusCode::OK, &info))
}

/// A page of ledgers, by name. A token that is bound to some sees only those.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let caller = app.allow(request.headers(), Scope::Read)?;
    let params = Params::new(request.uri(), &["cursor", "limit"])?;
    let limit = params.limit(PAGE_LEDGERS_MAX)?.unwrap_or(PAGE_LEDGERS_DEFAULT);
    let after = params
        .text("cursor")
        .map(LedgerName::new)
        .transpose()
        .map_err(|_| invalid("`cursor` is not one of this listing"))?;
    let read =
        move |engine: &Engine| Ok(reachable(engine, caller.bounds(), after.as_ref(), limit)?);
    let ledgers = app.read(read).await?;
    // Names a ledger of this page, and so none that its reader may not see.
    let next = (ledgers.len() == limit).then(|| ledgers.last().map(|last| last.name.clone()));
    let mut out = Vec::with_capacity(64 + ledgers.len() * 512);
    out.extend_from_slice(b"{\"ledgers\":[");
    let mut first = true;
    for ledger in &ledgers {
        if !std::mem::replace(&mut first, false) {
            out.push(b',');
        }
        render::push_ledger(&mut out, ledger);
    }
    out.extend_from_slice(b"],\"next\":");
    match next.flatten() {
        Some(next) => push_string(&mut out, &next),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
    Ok(json(StatusCode::OK, out))
}

fn one(status: StatusCode, ledger: &LedgerInfo) -> Response {
    let mut out = Vec::with_capacity(512);
    render::push_ledger(&mut out, ledger);
    json(status, out)
}

/// The newest checkpoint, as the signed note that it is.
pub(super) async fn checkpoint(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    Params::new(request.uri(), &[])?;
    let checkpoint = app.engine.checkpoint(&ledger)?;
    let mut response = Response::new(checkpoint.note.clone().into());
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    Ok(response)
}
