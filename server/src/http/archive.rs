//! `POST /v1/ledgers/{ledger}/archive`: ships what is new into a vault.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as UrlPath, Request, State};
use axum::response::Response;
use hyper::StatusCode;
use indelible_archiver::{Seal, Summary};
use indelible_core::json::{Limits, Value, push_string, push_u64};

use super::app::App;
use super::body;
use super::errors::{Code, Problem};
use super::ingest::json;
use crate::auth::Scope;
use crate::config::Archive;

/// Archives on request.
pub(super) async fn archive(
    State(app): State<Arc<App>>,
    UrlPath(name): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (ledger, caller) = app.ledger_for(&request, Scope::Admin, &name)?;
    body::only_json(request.headers())?;
    let body = body::read_all(request.into_body(), &app.limits).await?;
    let (to, whole) = wanted(&body)?;
    app.engine.ledger(&ledger)?;
    let to = allowed(&app.archive, &to)?;
    let _permit = app.long(&app.archiving.places, "archive runs")?;
    let seal = if whole { Seal::Whole } else { Seal::Now };
    let by = Some(caller.principal().clone());
    let summary = app.archiving.run(by, ledger, to, seal).await?;
    Ok(json(StatusCode::OK, render(&summary)))
}

fn wanted(body: &[u8]) -> Result<(PathBuf, bool), Problem> {
    let invalid = |detail: &'static str| Problem::new(Code::RequestInvalid, detail);
    let value = Value::parse(body, Limits::EVENT)?;
    let members = value.as_object().ok_or_else(|| invalid("the body must be an object"))?;
    let (mut to, mut whole) = (None, false);
    for (member, value) in members {
        match member.as_str() {
            "to" => to = value.as_str().map(PathBuf::from),
            "whole" => {
                whole = value.as_bool().ok_or_else(|| invalid("`whole` is true or false"))?;
            }
            _ => return Err(invalid("the members are `to` and, if wanted, `whole`")),
        }
    }
    let to = to.filter(|to| to.is_absolute());
    Ok((to.ok_or_else(|| invalid("`to` must be the absolute path of a folder"))?, whole))
}

/// Checks that a client may have a vault written at `to`.
///
/// Where no folders are configured, a server that only its own machine can reach takes any: who has its
/// admin token could write there anyway. Links are followed before the comparison.
fn allowed(config: &Archive, to: &Path) -> Result<PathBuf, Problem> {
    let forbidden = |why: &str| {
        let detail = format!("{}: {why}; see archive.dirs in the configuration", to.display());
        Problem::new(Code::ArchiveForbidden, detail)
    };
    if to.components().any(|part| matches!(part, Component::ParentDir)) {
        return Err(forbidden("a path with `..` is not taken"));
    }
    let Some(dirs) = config.dirs_allowed.as_ref() else { return Ok(to.to_owned()) };
    let there = to.ancestors().find_map(|part| std::fs::canonicalize(part).ok());
    let there = there.ok_or_else(|| forbidden("no part of the path is there"))?;
    let within = dirs.iter().filter_map(|dir| std::fs::canonicalize(dir).ok());
    if within.into_iter().any(|dir| there.starts_with(dir)) {
        Ok(to.to_owned())
    } else {
        Err(forbidden("the configuration does not allow vaults here"))
    }
}

fn render(summary: &Summary) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"archived\":");
    push_u64(&mut out, summary.archived);
    out.extend_from_slice(b",\"ledger\":");
    push_string(&mut out, &summary.ledger);
    for (name, number) in [
        ("packed_bytes", summary.packed_bytes),
        ("plain_bytes", summary.plain_bytes),
        ("records", summary.records),
        ("segments", summary.segments),
        ("size", summary.size),
    ] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        push_u64(&mut out, number);
    }
    out.push(b'}');
    out
}
