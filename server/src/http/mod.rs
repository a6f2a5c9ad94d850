#![doc = include_str!("wire.md")]

pub mod app;
mod archive;
mod body;
mod clock;
mod counters;
mod docs;
mod elements;
mod envelope;
pub mod errors;
mod export;
mod headers;
mod health;
mod ingest;
mod ledgers;
pub mod metrics;
mod ndjson;
mod openapi;
pub mod operations;
mod output;
mod pace;
mod proofs;
mod query;
mod range;
mod reachable;
mod reads;
pub(crate) mod recent;
mod render;
mod sse;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tower::Service as _;

use self::app::App;
use self::errors::{Code, Problem};
use crate::budget::Budget;
use crate::listen::{Handle, Link, Payload};

/// The whole interface: what is answered to any request.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    router: Router,
    /// What stands before and behind a ledger's name in the path that takes events.
    appending: Option<(&'static str, &'static str)>,
    app: Arc<App>,
}

impl Api {
    /// The interface in front of `app`.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        let mut router = Router::new();
        for operation in operations::OPERATIONS {
            router = router.route(operation.path, operation.route());
        }
        let router = router
            .fallback(no_route)
            .method_not_allowed_fallback(no_method)
            .with_state(Arc::clone(&app));
        let appending = operations::OPERATIONS
            .iter()
            .find(|operation| operation.id == ingest::OPERATION && operation.method == "post")
            .and_then(|operation| operation.path.split_once("{ledger}"));
        Self(Arc::new(Inner { router, appending, app }))
    }
}

impl Inner {
    /// The ledger that a request appends to. Names in need of unescaping are left to the router.
    fn appends_to<'a>(&self, request: &'a Request<Incoming>) -> Option<&'a str> {
        if request.method() != Method::POST {
            return None;
        }
        let (before, behind) = self.appending?;
        let name = request.uri().path().strip_prefix(before)?.strip_suffix(behind)?;
        (!name.is_empty() && !name.contains(['/', '%'])).then_some(name)
    }

    /// Appending carries nearly all of the load, so it goes past the router, whose futures and bodies
    /// are boxed and which costs as much as a signature.
    async fn answer(&self, mut request: Request<Incoming>, link: Link) -> Response<Payload> {
        if let Err(problem) = headers::check(&request) {
            return problem.into_response().map(Payload::from);
        }
        if let Some(name) = self.appends_to(&request) {
            let name = name.to_owned();
            return ingest::append_to(&self.app, &name, request, link).await;
        }
        request.extensions_mut().insert(link);
        match self.router.clone().call(request.map(Body::new)).await {
            Ok(response) => response.map(Payload::from),
            Err(never) => match never {},
        }
    }
}

impl Handle for Api {
    fn handle(
        &self,
        request: Request<Incoming>,
        link: Link,
    ) -> impl Future<Output = Response<Payload>> + Send + 'static {
        let inner = Arc::clone(&self.0);
        async move {
            // Logging every request would cost more than answering it; whoever debugs asks for it.
            let noted = tracing::enabled!(tracing::Level::DEBUG).then(|| {
                (request.method().clone(), request.uri().path().to_owned(), Instant::now())
            });
            let response = inner.answer(request, link).await;
            inner.app.metrics.count(response.status());
            if let Some((method, path, begun)) = noted {
                let (status, us) = (response.status().as_u16(), begun.elapsed().as_micros());
                tracing::debug!(%method, path, status, us, "request");
            }
            response
        }
    }

    fn panicked(&self) -> Response<Payload> {
        let app = &self.0.app;
        app.metrics.count_panic();
        app.metrics.count(StatusCode::INTERNAL_SERVER_ERROR);
        let detail = "the server made a mistake; it is in its log";
        Problem::new(Code::Internal, detail).closing().into_response().map(Payload::from)
    }

    fn budget(&self) -> &Budget {
        &self.0.app.budget
    }

    fn no_room(&self) -> Response<Payload> {
        self.0.app.metrics.count(StatusCode::SERVICE_UNAVAILABLE);
        body::no_room().into_response().map(Payload::from)
    }

    fn over_limit(&self) -> Bytes {
        let max = self.0.app.limits.connections_max as u64;
        let detail = "the server has as many connections as it takes; try again later";
        let body = Problem::new(Code::TooManyConnections, detail).with("limit", max).to_json();
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
             content-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n",
            body.len()
        );
        Bytes::from([head.as_bytes(), &body].concat())
    }
}

async fn no_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(Code::RouteNotFound, format!("there is nothing at {path}; see /docs"))
}

/// `Allow` is added by the router, to both answers.
async fn no_method(method: Method) -> Response<Body> {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = "this path does not take this method; `Allow` says which it takes";
    Problem::new(Code::MethodNotAllowed, detail).into_response()
}
