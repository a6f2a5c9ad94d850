//! `/v1/ledgers/{ledger}/proofs`: inclusion (RFC 6962 section 2.1.1) and consistency (2.1.2).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use hyper::StatusCode;
use indelible_core::json::push_u64;
use indelible_core::merkle::leaf_hash;
use indelible_core::name::Seq;

use super::app::App;
use super::errors::{Code, Problem};
use super::ingest::json;
use super::query::Params;
use super::render::{push_hash, push_hashes};
use crate::auth::Scope;

/// `{"leaf_hash","proof","root","seq","size"}`
pub(super) async fn inclusion(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    let params = Params::new(request.uri(), &["seq", "size"])?;
    let seq = Seq::new(params.demanded("seq")?)?;
    let size = params.number("size")?;
    app.read(move |engine| {
        let current = engine.checkpoint(&ledger)?.checkpoint.size;
        let size = size.unwrap_or(current);
        if seq.get() >= size.min(current) {
            let detail = format!("{seq} is not in a tree of {} records", size.min(current));
            return Err(Problem::new(Code::EventNotFound, detail).with("size", current));
        }
        let proof = engine.inclusion_proof(&ledger, seq, size)?;
        let root = engine.root_at(&ledger, size)?;
        let digest = engine.get(&ledger, seq)?.map(|stored| stored.digest);
        let mut out = Vec::with_capacity(256 + proof.len() * 48);
        out.push(b'{');
        if let Some(digest) = digest {
            out.extend_from_slice(b"\"leaf_hash\":");
            push_hash(&mut out, &leaf_hash(&digest).into());
            out.push(b',');
        }
        out.extend_from_slice(b"\"proof\":");
        push_hashes(&mut out, &proof);
        out.extend_from_slice(b",\"root\":");
        push_hash(&mut out, &root);
        out.extend_from_slice(b",\"seq\":");
        push_u64(&mut out, seq.get());
        out.extend_from_slice(b",\"size\":");
        push_u64(&mut out, size);
        out.push(b'}');
        Ok(json(StatusCode::OK, out))
    })
    .await
}

/// `{"from","from_root","proof","to","to_root"}`
pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let ledger = app.ledger(&request, Scope::Read, &name)?;
    let params = Params::new(request.uri(), &["from", "to"])?;
    let from = params.demanded("from")?;
    let to = params.number("to")?;
    app.read(move |engine| {
        let to = match to {
            Some(to) => to,
            None => engine.checkpoint(&ledger)?.checkpoint.size,
        };
        let proof = engine.consistency_proof(&ledger, from, to)?;
        let (from_root, to_root) = (engine.root_at(&ledger, from)?, engine.root_at(&ledger, to)?);
        let mut out = Vec::with_capacity(256 + proof.len() * 48);
        out.extend_from_slice(b"{\"from\":");
        push_u64(&mut out, from);
        out.extend_from_slice(b",\"from_root\":");
        push_hash(&mut out, &from_root);
        out.extend_from_slice(b",\"proof\":");
        push_hashes(&mut out, &proof);
        out.extend_from_slice(b",\"to\":");
        push_u64(&mut out, to);
        out.extend_from_slice(b",\"to_root\":");
        push_hash(&mut out, &to_root);
        out.push(b'}');
        Ok(json(StatusCode::OK, out))
    })
    .await
}
