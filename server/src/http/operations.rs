//! Every operation of the interface, in one table: the router, the rights, `/openapi.json` and the page
//! that shows it are all made from it.

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post};

use super::app::App;
use super::{
    archive, clock, docs, export, health, ingest, ledgers, metrics, openapi, proofs, reads, sse,
};
use crate::auth::Scope;

/// One method on one path.
pub struct Operation {
    /// The OpenAPI `operationId`; stable.
    pub id: &'static str,
    /// `get` or `post`.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// The right that a token needs; `None` is open to all.
    pub scope: Option<Scope>,
    /// One line.
    pub summary: &'static str,
    /// More, in Markdown.
    pub description: &'static str,
    /// Parameters of the query and of headers.
    pub params: &'static [Param],
    /// Media types of the request's body.
    pub takes: &'static [(&'static str, &'static str)],
    /// Status, media type, schema and meaning of the answers that are no problems.
    pub answers: &'static [(u16, &'static str, &'static str, &'static str)],
    /// The codes of the problems that it can answer with beyond those of every operation.
    pub problems: &'static [&'static str],
    route: fn() -> MethodRouter<Arc<App>>,
}

impl Operation {
    /// What serves it.
    pub fn route(&self) -> MethodRouter<Arc<App>> {
        (self.route)()
    }
}

/// A parameter of an operation beside those in its path.
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// `query` or `header`.
    pub place: &'static str,
    /// `integer` or `string`.
    pub kind: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it does.
    pub doc: &'static str,
}

const fn query(name: &'static str, kind: &'static str, doc: &'static str) -> Param {
    Param { name, place: "query", kind, required: false, doc }
}

const fn demanded(name: &'static str, doc: &'static str) -> Param {
    Param { name, place: "query", kind: "integer", required: true, doc }
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const TEXT: &str = "text/plain";
const READ: &[&str] =
    &["ledger_not_found", "query_invalid", "name_invalid", "read_failed", "store_unavailable"];

const LIMIT: Param = query("limit", "integer", "At most so many on a page.");
const CURSOR: Param =
    query("cursor", "string", "`next` of the page before; takes the place of the bounds.");

/// The table.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "createLedger",
        method: "post",
        path: "/v1/ledgers",
        scope: Some(Scope::Admin),
        summary: "Create a ledger",
        description: "A ledger is created on purpose, never by a typo in a path. Its settings stand in record 0 and cannot be changed: `sign_per` (`record` or `commit`) says which records carry a signature of their own, `numbers` (`exact` or `text`) what becomes of numbers that a double does not carry where an append does not say, `principals` (`off`, `name` or `full`) what records say of who wrote them: nothing, the name of the token, or how it was known, its name and the tenant. `signer` names one of several signers of the server. Asking again for the same is answered 200.",
        params: &[],
        takes: &[(JSON, "CreateLedger")],
        answers: &[
            (201, JSON, "Ledger", "Created."),
            (200, JSON, "Ledger", "It is there already, with these settings."),
        ],
        problems: &[
            "ledger_exists",
            "name_invalid",
            "request_invalid",
            "signer_failing",
            "store_unavailable",
            "clock_jumped",
        ],
        route: || post(ledgers::create),
    },
    Operation {
        id: "listLedgers",
        method: "get",
        path: "/v1/ledgers",
        scope: Some(Scope::Read),
        summary: "List ledgers by name",
        description: "",
        params: &[CURSOR, LIMIT],
        takes: &[],
        answers: &[(200, JSON, "LedgerPage", "A page.")],
        problems: &["query_invalid"],
        route: || get(ledgers::list),
    },
    Operation {
        id: "getLedger",
        method: "get",
        path: "/v1/ledgers/{ledger}",
        scope: Some(Scope::Read),
        summary: "Look at a ledger",
        description: "",
        params: &[],
        takes: &[],
        answers: &[(200, JSON, "Ledger", "The ledger.")],
        problems: READ,
        route: || get(ledgers::show),
    },
    Operation {
        id: "appendEvents",
        method: "post",
        path: "/v1/ledgers/{ledger}/events",
        scope: Some(Scope::Append),
        summary: "Append events",
        description: "One envelope answers with its receipt. An array is all or nothing. NDJSON is streamed both ways: a result a line as events commit, then a closing line with a checkpoint that includes them all; a bad line is reported and the rest goes on. When the store or the signer fails, nothing behind the first line that failed is appended, and `resend_from` names that line; on HTTP/1.1 no later append of the connection is taken then. An answer comes only when the events are signed and durable.",
        params: &[
            query(
                "numbers",
                "string",
                "What becomes of numbers whose digits a double does not carry: `exact` refuses them, `text` keeps exactly those as strings, digit for digit, and the record names them in `numbers_as_text`. Without it the ledger's own setting holds.",
            ),
            Param {
                name: "Idempotency-Key",
                place: "header",
                kind: "string",
                required: false,
                doc: "The id of a single event, in place of `id`.",
            },
        ],
        takes: &[(JSON, "Append"), (NDJSON, "Envelope")],
        answers: &[
            (201, JSON, "Appended", "Appended: the receipt of one event, or the results of many."),
            (200, JSON, "Appended", "Everything was there already, with the same content."),
            (200, NDJSON, "ResultLine", "A line for each event, then the closing line."),
        ],
        problems: &[
            "ledger_not_found",
            "query_invalid",
            "json_syntax",
            "json_utf8",
            "json_duplicate_name",
            "json_number_inexact",
            "json_lone_surrogate",
            "json_trailing",
            "json_depth",
            "envelope_invalid",
            "id_invalid",
            "id_ambiguous",
            "id_conflict",
            "batch_empty",
            "batch_too_large",
            "event_too_large",
            "line_too_large",
            "ledger_full",
            "key_mismatch",
            "busy",
            "signer_failing",
            "store_unavailable",
            "clock_jumped",
            "earlier_failed",
            "outcome_unknown",
        ],
        route: || post(ingest::append),
    },
    Operation {
        id: "listEvents",
        method: "get",
        path: "/v1/ledgers/{ledger}/events",
        scope: Some(Scope::Read),
        summary: "List records",
        description: "Records stand in the answer byte for byte as they were hashed. With `Accept: application/x-ndjson` all records of the range are streamed, one a line.",
        params: &[
            query("from", "integer", "First sequence number, included."),
            query("to", "integer", "Last sequence number, included."),
            query("from_time", "string", "Records of this time or later (UTC)."),
            query("to_time", "string", "Records before this time (UTC)."),
            query("order", "string", "`asc` (default) or `desc`."),
            CURSOR,
            LIMIT,
            query("id", "string", "Finds the event with this id; no bounds beside it."),
        ],
        takes: &[],
        answers: &[
            (200, JSON, "EventPage", "A page."),
            (200, NDJSON, "Record", "A record a line."),
        ],
        problems: READ,
        route: || get(reads::list),
    },
    Operation {
        id: "streamEvents",
        method: "get",
        path: "/v1/ledgers/{ledger}/events/stream",
        scope: Some(Scope::Read),
        summary: "Follow a ledger (server-sent events)",
        description: "Each event's `id` is its sequence number; `Last-Event-ID` resumes behind it. Without `from` and `Last-Event-ID` the stream begins with what comes next.",
        params: &[
            query("from", "integer", "First sequence number."),
            Param {
                name: "Last-Event-ID",
                place: "header",
                kind: "integer",
                required: false,
                doc: "The last record that was seen.",
            },
        ],
        takes: &[],
        answers: &[(200, "text/event-stream", "EventStream", "Records as they become durable.")],
        problems: &[
            "ledger_not_found",
            "query_invalid",
            "ahead_of_ledger",
            "too_many_requests_open",
        ],
        route: || get(sse::stream),
    },
    Operation {
        id: "getEvent",
        method: "get",
        path: "/v1/ledgers/{ledger}/events/{seq}",
        scope: Some(Scope::Read),
        summary: "Get one record",
        description: "Byte for byte as it was hashed; `ETag` is its digest.",
        params: &[],
        takes: &[],
        answers: &[(200, JSON, "Record", "The record.")],
        problems: &["ledger_not_found", "event_not_found", "query_invalid"],
        route: || get(reads::one),
    },
    Operation {
        id: "getReceipt",
        method: "get",
        path: "/v1/ledgers/{ledger}/events/{seq}/receipt",
        scope: Some(Scope::Read),
        summary: "Get the receipt of a record",
        description: "Record, previous digest, signature, inclusion proof and signed checkpoint: it can be checked alone.",
        params: &[],
        takes: &[],
        answers: &[(200, JSON, "Receipt", "The receipt.")],
        problems: &["ledger_not_found", "event_not_found", "query_invalid"],
        route: || get(reads::receipt),
    },
    Operation {
        id: "getCheckpoint",
        method: "get",
        path: "/v1/ledgers/{ledger}/checkpoint",
        scope: Some(Scope::Read),
        summary: "Get the newest checkpoint",
        description: "A C2SP signed note. Keep it: it is what later shows that a tail was cut.",
        params: &[],
        takes: &[],
        answers: &[(200, TEXT, "Note", "The signed note.")],
        problems: READ,
        route: || get(ledgers::checkpoint),
    },
    Operation {
        id: "getInclusionProof",
        method: "get",
        path: "/v1/ledgers/{ledger}/proofs/inclusion",
        scope: Some(Scope::Read),
        summary: "Prove that a record is in a tree",
        description: "RFC 6962 section 2.1.1.",
        params: &[
            demanded("seq", "The record."),
            query("size", "integer", "The tree's size; without it the newest checkpoint's."),
        ],
        takes: &[],
        answers: &[(200, JSON, "InclusionProof", "The proof.")],
        problems: &["ledger_not_found", "event_not_found", "query_invalid"],
        route: || get(proofs::inclusion),
    },
    Operation {
        id: "getConsistencyProof",
        method: "get",
        path: "/v1/ledgers/{ledger}/proofs/consistency",
        scope: Some(Scope::Read),
        summary: "Prove that a tree grew out of an older one",
        description: "RFC 6962 section 2.1.2.",
        params: &[
            demanded("from", "The older size."),
            query("to", "integer", "The newer size; without it the newest checkpoint's."),
        ],
        takes: &[],
        answers: &[(200, JSON, "ConsistencyProof", "The proof.")],
        problems: &["ledger_not_found", "event_not_found", "query_invalid"],
        route: || get(proofs::consistency),
    },
    Operation {
        id: "exportLedger",
        method: "get",
        path: "/v1/ledgers/{ledger}/export",
        scope: Some(Scope::Read),
        summary: "Export a whole ledger",
        description: "The export file of docs/FORMAT.md section 7.5, for `indelible-verify export`.",
        params: &[query("compress", "string", "`zstd`, or absent.")],
        takes: &[],
        answers: &[
            (200, NDJSON, "ExportLine", "The file."),
            (200, "application/zstd", "Compressed", "The file, compressed."),
        ],
        problems: &["ledger_not_found", "query_invalid", "too_many_requests_open"],
        route: || get(export::export),
    },
    Operation {
        id: "archiveLedger",
        method: "post",
        path: "/v1/ledgers/{ledger}/archive",
        scope: Some(Scope::Admin),
        summary: "Ship what is new into a vault",
        description: "Into a folder of the server's machine that the configuration allows (`archive.dirs`). Interrupted, the next run continues; run twice, it changes nothing. The answer comes when the vault is up to date: unless only whole segments were asked for, `archived` is then `size`, the number of records that the ledger had when the run began, or up to the last one that the run appended itself (`segment_archived`, about earlier segments).",
        params: &[],
        takes: &[(JSON, "ArchiveRequest")],
        answers: &[(200, JSON, "ArchiveSummary", "What this run did.")],
        problems: &[
            "ledger_not_found",
            "request_invalid",
            "archive_forbidden",
            "archive_running",
            "vault_foreign",
            "vault_failed",
            "too_many_requests_open",
        ],
        route: || post(archive::archive),
    },
    Operation {
        id: "getClock",
        method: "get",
        path: "/v1/clock",
        scope: Some(Scope::Read),
        summary: "See how the server's clock stands to its ledgers",
        description: "`ledgers_ahead_seconds` is how far the newest time in any ledger is ahead of the clock. `held_seconds` is there while appends are refused because the clock has jumped.",
        params: &[],
        takes: &[],
        answers: &[(200, JSON, "Clock", "How it stands.")],
        problems: &["query_invalid"],
        route: || get(clock::show),
    },
    Operation {
        id: "acceptClock",
        method: "post",
        path: "/v1/clock/accept",
        scope: Some(Scope::Admin),
        summary: "Accept that the clock has jumped",
        description: "An operator's word that the clock is right although it has jumped ahead (`clock_jumped`). Not for a token that is bound to ledgers. Appends are taken again, with the time that it says now. Asked again it changes nothing.",
        params: &[],
        takes: &[],
        answers: &[(
            200,
            JSON,
            "Clock",
            "How it stands; `accepted_seconds` is the jump that was accepted.",
        )],
        problems: &["query_invalid"],
        route: || post(clock::accept),
    },
    Operation {
        id: "alive",
        method: "get",
        path: "/healthz",
        scope: None,
        summary: "Whether the process answers",
        description: "",
        params: &[],
        takes: &[],
        answers: &[(200, JSON, "Status", "It does.")],
        problems: &[],
        route: || get(health::alive),
    },
    Operation {
        id: "ready",
        method: "get",
        path: "/readyz",
        scope: None,
        summary: "Whether appends can be expected to work",
        description: "Says more to who has an admin token.",
        params: &[],
        takes: &[],
        answers: &[(200, JSON, "Status", "They can.")],
        problems: &[
            "shutting_down",
            "signer_failing",
            "store_unavailable",
            "folder_gone",
            "clock_jumped",
            "head_file_failing",
        ],
        route: || get(health::ready),
    },
    Operation {
        id: "metrics",
        method: "get",
        path: "/metrics",
        scope: Some(Scope::Read),
        summary: "Numbers for Prometheus",
        description: "Without a token when `listen.metrics_public` is set.",
        params: &[],
        takes: &[],
        answers: &[(200, TEXT, "Text", "Prometheus text format.")],
        problems: &[],
        route: || get(metrics::show),
    },
    Operation {
        id: "openapi",
        method: "get",
        path: "/openapi.json",
        scope: None,
        summary: "This description",
        description: "OpenAPI 3.1.",
        params: &[],
        takes: &[],
        answers: &[(200, JSON, "OpenApi", "The description.")],
        problems: &[],
        route: || get(openapi::show),
    },
    Operation {
        id: "docs",
        method: "get",
        path: "/docs",
        scope: None,
        summary: "This description as a page",
        description: "Needs no internet.",
        params: &[],
        takes: &[],
        answers: &[(200, "text/html", "Text", "The page.")],
        problems: &[],
        route: || get(docs::show),
    },
];
