//! `/openapi.json`: OpenAPI 3.1, made from the table of operations and the list of problem codes.

use std::sync::LazyLock;

use axum::response::Response;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use super::body::JSON;
use super::errors::Code;
use super::operations::{OPERATIONS, Operation};

/// A time as it stands in signed bytes, `docs/FORMAT.md` section 2.
const TIME_PATTERN: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// The description of the interface.
pub(super) async fn show() -> Response {
    let mut response = Response::new(DOCUMENT.clone().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.to_owned(), describe(operation));
        }
    }
    let codes: Map<String, Value> = Code::ALL
        .iter()
        .map(|code| {
            (code.as_str().to_owned(), json!({ "status": code.status(), "meaning": code.title() }))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Indelible",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An append-only audit ledger that anyone can check. An answer to an append means: durable, ordered, signed and provable.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
        "x-problem-codes": codes,
    })
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters(operation),
        "responses": responses(operation),
        "security": operation.scope.map_or(json!([]), |_| json!([{ "token": [] }])),
    });
    let Some(members) = described.as_object_mut() else { return described };
    if !operation.description.is_empty() {
        members.insert("description".into(), operation.description.into());
    }
    if let Some(scope) = operation.scope {
        members.insert("x-scope".into(), scope.as_str().into());
    }
    if !operation.takes.is_empty() {
        let content: Map<String, Value> = operation
            .takes
            .iter()
            .map(|(media, schema)| ((*media).to_owned(), content(schema)))
            .collect();
        members.insert("requestBody".into(), json!({ "required": true, "content": content }));
    }
    described
}

fn content(schema: &str) -> Value {
    json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } })
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let schema = if name == "seq" { "integer" } else { "string" };
        Some(json!({ "name": name, "in": "path", "required": true, "schema": { "type": schema } }))
    });
    let beside = operation.params.iter().map(|param| {
        json!({
            "name": param.name,
            "in": param.place,
            "required": param.required,
            "description": param.doc,
            "schema": { "type": param.kind },
        })
    });
    in_path.chain(beside).collect()
}

fn responses(operation: &Operation) -> Map<String, Value> {
    let mut responses: Map<String, Value> = Map::new();
    for (status, media, schema, meaning) in operation.answers {
        let entry = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({ "description": meaning, "content": {} }));
        if let Some(contents) = entry.get_mut("content").and_then(Value::as_object_mut) {
            contents.insert((*media).to_owned(), content(schema));
        }
    }
    let mut codes: Vec<Code> = Code::ALL
        .iter()
        .copied()
        .filter(|code| operation.problems.contains(&code.as_str()) || is_general(*code, operation))
        .collect();
    codes.sort_unstable_by_key(|code| code.status());
    for same_status in codes.chunk_by(|a, b| a.status() == b.status()) {
        let names: Vec<&str> = same_status.iter().map(|code| code.as_str()).collect();
        let Some(status) = same_status.first().map(|code| code.status().to_string()) else {
            continue;
        };
        responses.insert(
            status,
            json!({
                "description": names.join(", "),
                "content": { "application/problem+json": content("Problem") },
            }),
        );
    }
    responses
}

/// Problems that whole kinds of operations share.
fn is_general(code: Code, operation: &Operation) -> bool {
    match code {
        Code::TokenMissing | Code::TokenUnknown | Code::ScopeMissing => operation.scope.is_some(),
        Code::LedgerForbidden => operation.path.contains("{ledger}"),
        Code::MediaTypeUnsupported
        | Code::BodyTooLarge
        | Code::BodyTooSlow
        | Code::BodyIncomplete
        | Code::ShuttingDown => !operation.takes.is_empty(),
        Code::Internal => true,
        _ => false,
    }
}

fn schemas() -> Value {
    let hex = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let base64 = json!({ "type": "string", "contentEncoding": "base64" });
    let hashes = json!({ "type": "array", "items": base64 });
    let integer = json!({ "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64 });
    // Not `format: date-time`: a generated client would read a time and write it otherwise than it was
    // signed (fewer digits, +00:00).
    let time = json!({ "type": "string", "pattern": TIME_PATTERN });
    let numbers = json!({ "enum": ["exact", "text"] });
    let principals = json!({ "enum": ["off", "name", "full"] });
    let text = json!({ "type": "string" });
    let next = json!({ "type": ["string", "null"] });
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let object = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required });
    json!({
        "CreateLedger": object(json!({ "name": text, "numbers": numbers, "principals": principals, "sign_per": { "enum": ["record", "commit"] }, "signer": text }), &["name"]),
        "Ledger": object(
            json!({ "created": time, "digest": hex, "name": text, "numbers": numbers, "origin": text, "principals": principals, "root": base64,
                    "sign_per": { "enum": ["record", "commit"] }, "size": integer, "time": time }),
            &["created", "digest", "name", "numbers", "origin", "principals", "root", "sign_per", "size", "time"],
        ),
        "LedgerPage": object(json!({ "ledgers": { "type": "array", "items": reference("Ledger") }, "next": next }), &["ledgers", "next"]),
        "Envelope": object(json!({ "event": { "type": "object" }, "id": { "type": "string", "maxLength": 128 } }), &["event"]),
        "Append": { "oneOf": [reference("Envelope"), { "type": "array", "items": reference("Envelope") }] },
        "Result": object(
            json!({ "digest": hex, "duplicate": { "type": "boolean" }, "id": text, "seq": integer, "sig": base64, "time": time }),
            &["digest", "id", "seq", "time"],
        ),
        "Results": object(json!({ "checkpoint": text, "results": { "type": "array", "items": reference("Result") } }), &["checkpoint", "results"]),
        "Appended": { "oneOf": [reference("Receipt"), reference("Results")] },
        "ResultLine": { "oneOf": [reference("Result"), reference("ErrorLine"), reference("ClosingLine")] },
        "ErrorLine": object(json!({ "error": reference("LineError"), "line": integer }), &["error", "line"]),
        "LineError": object(
            json!({ "code": text, "detail": text, "limit": integer, "offset": integer, "pointer": text,
                    "resend_from": integer, "seq": integer }),
            &["code", "detail"],
        ),
        "ClosingLine": object(
            json!({ "checkpoint": text, "error": reference("LineError"),
                    "done": object(json!({ "accepted": integer, "duplicates": integer, "failed": integer, "lines": integer }),
                                   &["accepted", "duplicates", "failed", "lines"]) }),
            &["done"],
        ),
        "Record": object(
            json!({ "by": reference("By"), "event": { "type": "object" }, "id": text, "ledger": text,
                    "numbers_as_text": { "type": "array", "items": text, "minItems": 1 }, "seq": integer,
                    "system": { "type": "object" }, "time": time, "v": { "const": 1 } }),
            &["id", "ledger", "seq", "time", "v"],
        ),
        "By": object(json!({ "how": text, "name": text, "tenant": text }), &["name"]),
        "EventPage": object(json!({ "events": { "type": "array", "items": reference("Record") }, "next": next }), &["events", "next"]),
        "EventStream": text,
        "Receipt": object(
            json!({ "alg": { "const": "ed25519" }, "checkpoint": text, "digest": hex, "kid": text,
                    "prev": { "type": ["string", "null"] }, "proof": hashes, "record": reference("Record"),
                    "sig": base64, "v": { "const": 1 } }),
            &["checkpoint", "digest", "prev", "proof", "record", "v"],
        ),
        "Note": text,
        "InclusionProof": object(
            json!({ "leaf_hash": base64, "proof": hashes, "root": base64, "seq": integer, "size": integer }),
            &["leaf_hash", "proof", "root", "seq", "size"],
        ),
        "ConsistencyProof": object(
            json!({ "from": integer, "from_root": base64, "proof": hashes, "to": integer, "to_root": base64 }),
            &["from", "from_root", "proof", "to", "to_root"],
        ),
        "ArchiveRequest": object(json!({ "to": text, "whole": { "type": "boolean" } }), &["to"]),
        "ArchiveSummary": object(
            json!({ "archived": integer, "ledger": text, "packed_bytes": integer, "plain_bytes": integer,
                    "records": integer, "segments": integer, "size": integer }),
            &["archived", "ledger", "packed_bytes", "plain_bytes", "records", "segments", "size"],
        ),
        "ExportLine": { "type": "object" },
        "Compressed": { "type": "string", "format": "binary" },
        "Status": object(
            json!({ "archive": { "enum": ["ok", "failing"] }, "clock_ahead_seconds": integer,
                    "status": { "const": "ok" } }),
            &["status"],
        ),
        "Clock": object(
            json!({ "accepted_seconds": integer, "held_seconds": integer,
                    "ledgers_ahead_seconds": integer, "time": text }),
            &["ledgers_ahead_seconds", "time"],
        ),
        "Text": text,
        "OpenApi": { "type": "object" },
        "Problem": object(
            json!({ "code": text, "detail": text, "status": integer, "title": text, "type": text }),
            &["code", "detail", "status", "title", "type"],
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_to_a_schema_and_every_code_exists() {
        let document = document();
        let text = document.to_string();
        let known = document["components"]["schemas"].as_object().unwrap();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(known.contains_key(name), "{name}");
        }
        for operation in OPERATIONS {
            for code in operation.problems {
                assert!(Code::ALL.iter().any(|known| known.as_str() == *code), "{code}");
            }
        }
    }

    /// Whoever reads a time and writes it anew breaks a signature.
    #[test]
    fn no_time_is_offered_as_more_than_its_text() {
        assert!(!document().to_string().contains("date-time"));
        let time = &document()["components"]["schemas"]["Record"]["properties"]["time"];
        assert_eq!(time["pattern"], TIME_PATTERN);
    }

    #[test]
    fn operation_ids_are_unique_and_methods_known() {
        for (at, operation) in OPERATIONS.iter().enumerate() {
            assert!(["get", "post"].contains(&operation.method));
            assert!(OPERATIONS.iter().skip(at + 1).all(|other| other.id != operation.id));
        }
    }
}
