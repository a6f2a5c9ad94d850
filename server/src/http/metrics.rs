//! `/metrics` in the text format of Prometheus (version 0.0.4), written by hand from the engine's and
//! the listener's own counters.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Request, State};
use axum::response::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use indelible_ledger::{EngineMetrics, Health, Histogram, LaneHealth, LaneInfo};

use super::app::App;
use super::errors::Problem;
use crate::auth::Scope;
use crate::budget::Kind;

/// Ledgers whose size is shown: a monitoring system pays for every series.
const LEDGERS_MAX: usize = 200;
/// Microseconds in a second: Prometheus wants seconds.
const MICROS: f64 = 1e6;

/// All numbers.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let caller =
        if app.metrics_public { None } else { Some(app.allow(request.headers(), Scope::Read)?) };
    let mut text = Text(String::with_capacity(16 << 10));
    engine(&mut text, &app.engine.metrics());
    http(&mut text, &app);
    archive(&mut text, &app);
    signers(&mut text, &app);
    let health = app.engine.health();
    let ready = matches!(health, Health::Ready | Health::SomeSignersFailing { .. });
    text.gauge("indelible_ready", "1 when appends can be expected to work.", u64::from(ready));
    let clock = app.engine.clock();
    text.gauge(
        "indelible_clock_ahead_seconds",
        "How far the newest time in any ledger is ahead of the clock.",
        clock.ledgers_ahead.as_secs(),
    );
    text.gauge(
        "indelible_clock_held_seconds",
        "The jump of the clock for which appends are refused; 0 when they are not.",
        clock.held.map_or(0, |jump| jump.ahead.as_secs().max(1)),
    );
    text.gauge(
        "indelible_head_file_failing_seconds",
        "Since when the head file cannot be written; 0 when it can.",
        app.engine.head_file_failing().map_or(0, |since| since.as_secs().max(1)),
    );
    let ledgers = app.read(move |engine| Ok(engine.ledgers(None, LEDGERS_MAX)?)).await?;
    text.head("indelible_ledger_size", "gauge", "Durable records of a ledger (the first 200).");
    for ledger in ledgers {
        if caller.as_ref().is_none_or(|caller| caller.reaches(&ledger.name)) {
            text.line(format_args!(
                "indelible_ledger_size{{ledger=\"{}\"}} {}",
                ledger.name, ledger.size
            ));
        }
    }
    let mut response = Response::new(text.0.into());
    let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media);
    Ok(response)
}

fn engine(text: &mut Text, of: &EngineMetrics) {
    let latency = "from gathering a batch until it is durable and answered.";
    text.histogram(
        "indelible_commit_seconds",
        &format!("Commit, {latency}"),
        &of.commit_latency_us,
        MICROS,
    );
    text.histogram(
        "indelible_store_seconds",
        "The store's commit with its flush.",
        &of.store_latency_us,
        MICROS,
    );
    text.histogram("indelible_sign_seconds", "Signing of one batch.", &of.sign_latency_us, MICROS);
    text.histogram("indelible_batch_events", "Records in a commit.", &of.batch_events, 1.0);
    for (name, help, value) in [
        ("indelible_commits_total", "Commits that became durable.", of.commits.get()),
        ("indelible_events_total", "Records that became durable.", of.events.get()),
        ("indelible_event_bytes_total", "Bytes of records that became durable.", of.bytes.get()),
        ("indelible_duplicates_total", "Events that were there already.", of.duplicates.get()),
        ("indelible_conflicts_total", "Events whose id names another.", of.conflicts.get()),
        (
            "indelible_busy_total",
            "Groups refused because the queue was full.",
            of.refused_busy.get(),
        ),
        ("indelible_signatures_total", "Signatures made.", of.signatures.get()),
        (
            "indelible_sign_failures_total",
            "Batches that failed at the signer.",
            of.sign_failures.get(),
        ),
        (
            "indelible_store_failures_total",
            "Batches that failed at the store.",
            of.store_failures.get(),
        ),
        ("indelible_store_reopens_total", "Times the store was reopened.", of.reopens.get()),
        (
            "indelible_clock_backwards_total",
            "Batches for which the clock went back.",
            of.clock_backwards.get(),
        ),
        (
            "indelible_head_file_failures_total",
            "Failed writes of the head file.",
            of.head_file_failures.get(),
        ),
    ] {
        text.counter(name, help, value);
    }
    for (name, help, value) in [
        ("indelible_queue_events", "Events waiting to be sequenced.", of.queue_events.get()),
        ("indelible_queue_bytes", "Bytes of events waiting to be sequenced.", of.queue_bytes.get()),
        ("indelible_ledgers", "Ledgers.", of.ledgers.get()),
        ("indelible_ledgers_in_memory", "Ledgers in memory.", of.ledgers_in_memory.get()),
        ("indelible_head_commit", "Number of the last durable commit.", of.durable_commit.get()),
    ] {
        text.gauge(name, help, value);
    }
}

/// Also said of signers that are configured and whose key was not there.
const READY: &str = "indelible_signer_ready";

/// A row for each signer.
fn signers(text: &mut Text, app: &App) {
    let lanes = app.engine.lanes();
    type Number = fn(&LaneInfo) -> u64;
    let rows: [(&str, &str, &str, Number); 4] = [
        (READY, "gauge", "1 when the signer is there and can be expected to work.", |lane| {
            u64::from(lane.health == LaneHealth::Ready)
        }),
        (
            "indelible_signer_batches_in_flight",
            "gauge",
            "Batches of its ledgers that are sequenced and not durable.",
            |lane| lane.batches_in_flight,
        ),
        ("indelible_signer_signatures_total", "counter", "Signatures it made.", |lane| {
            lane.signatures
        }),
        ("indelible_signer_failures_total", "counter", "Batches it did not sign.", |lane| {
            lane.sign_failures
        }),
    ];
    for (name, kind, help, value) in rows {
        text.head(name, kind, help);
        for lane in &lanes {
            text.line(format_args!("{name}{{signer=\"{}\"}} {}", lane.name, value(lane)));
        }
        if name == READY {
            for absent in &app.absent_signers {
                text.line(format_args!("{name}{{signer=\"{absent}\"}} 0"));
            }
        }
    }
}

fn http(text: &mut Text, app: &App) {
    let connections = &app.connections;
    text.gauge("indelible_connections", "Connections open.", connections.open.load(Relaxed));
    text.gauge(
        "indelible_requests_in_flight",
        "Requests being answered.",
        connections.in_flight.load(Relaxed),
    );
    for (name, help, value) in [
        ("indelible_connections_total", "Connections accepted.", &connections.accepted),
        (
            "indelible_connections_refused_total",
            "Connections over the limit.",
            &connections.refused,
        ),
        (
            "indelible_connections_cut_off_total",
            "Connections cut off for slowness.",
            &connections.cut_off,
        ),
        (
            "indelible_connections_evicted_total",
            "Idle connections that gave way to others.",
            &connections.evicted,
        ),
        ("indelible_handler_panics_total", "Requests whose handler panicked.", &app.metrics.panics),
    ] {
        text.counter(name, help, value.load(Relaxed));
    }
    budget(text, app);
    text.head("indelible_http_responses_total", "counter", "Answers begun, by class of status.");
    for (class, count) in app.metrics.by_class.iter().enumerate().skip(2) {
        let count = count.load(Relaxed);
        text.line(format_args!("indelible_http_responses_total{{status=\"{class}xx\"}} {count}"));
    }
}

fn budget(text: &mut Text, app: &App) {
    text.gauge(
        "indelible_memory_bytes_max",
        "Bytes that may be held for what is in flight.",
        app.budget.max() as u64,
    );
    text.head("indelible_memory_bytes", "gauge", "Bytes held for what is in flight, by kind.");
    for (kind, name) in Kind::ALL {
        let (used, _) = app.budget.figures(kind);
        text.line(format_args!("indelible_memory_bytes{{kind=\"{name}\"}} {used}"));
    }
    let help = "Times that no room was left, by kind.";
    text.head("indelible_memory_refused_total", "counter", help);
    for (kind, name) in Kind::ALL {
        let (_, refused) = app.budget.figures(kind);
        text.line(format_args!("indelible_memory_refused_total{{kind=\"{name}\"}} {refused}"));
    }
    let (used, refused) = app.disk.figures();
    text.gauge("indelible_spool_bytes", "Bytes of results set aside on disk.", used);
    text.counter(
        "indelible_spool_refused_total",
        "Times that results were not set aside because total, share or free space forbade it.",
        refused,
    );
}

fn archive(text: &mut Text, app: &App) {
    for (name, help, value) in app.archiving.archived.counters() {
        text.counter(name, help, value);
    }
    for (name, help, value) in app.archiving.archived.gauges() {
        text.gauge(name, help, value);
    }
}

struct Text(String);

impl Text {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.line(format_args!("{name} {value}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        self.line(format_args!("{name} {value}"));
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of microseconds beyond 2^53 is 285 years"
    )]
    fn histogram(&mut self, name: &str, help: &str, of: &Histogram, unit: f64) {
        let snapshot = of.snapshot();
        self.head(name, "histogram", help);
        for (bound, count) in &snapshot.buckets {
            let bound = *bound as f64 / unit;
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {count}"));
        }
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {}", snapshot.count));
        self.line(format_args!("{name}_sum {}", snapshot.sum as f64 / unit));
        self.line(format_args!("{name}_count {}", snapshot.count));
    }
}
