#![doc = include_str!("wire.md")]

pub mod app;
mod archive;
mod body;
mod clock;
mod counters;
mod docs;
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
mod proofs;
mod query;
mod range;
mod reachable;
mod reads;
mod render;
mod sse;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode, Uri};
use tower::Service as _;

use self::app::App;
use self::errors::{Code, Problem};
use crate::listen::Handle;

/// The whole interface: what is answered to any request.
#[derive(Clone)]
pub struct Api {
    router: Router,
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
        Self { router, app }
    }
}

impl Handle for Api {
    fn handle(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response> + Send + 'static {
        let app = Arc::clone(&self.app);
        // Logging every request would cost more than answering it; whoever debugs asks for it.
        let noted = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (request.method().clone(), request.uri().path().to_owned(), Instant::now()));
        let answer = match headers::check(&request) {
            Ok(()) => Ok(self.router.clone().call(request.map(Body::new))),
            Err(problem) => Err(problem),
        };
        async move {
            let response = match answer {
                Ok(answer) => match answer.await {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
                Err(problem) => problem.into_response(),
            };
            app.metrics.count(response.status());
            if let Some((method, path, begun)) = noted {
                let (status, us) = (response.status().as_u16(), begun.elapsed().as_micros());
                tracing::debug!(%method, path, status, us, "request");
            }
            response
        }
    }

    fn panicked(&self) -> Response {
        self.app.metrics.count_panic();
        self.app.metrics.count(StatusCode::INTERNAL_SERVER_ERROR);
        let detail = "the server made a mistake; it is in its log";
        Problem::new(Code::Internal, detail).closing().into_response()
    }

    fn over_limit(&self) -> Bytes {
        let max = self.app.limits.connections_max as u64;
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
async fn no_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = "this path does not take this method; `Allow` says which it takes";
    Problem::new(Code::MethodNotAllowed, detail).into_response()
}
