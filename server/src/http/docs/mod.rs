//! `/docs`: a page that shows `/openapi.json`. It loads nothing from anywhere else.
//!
//! Style and script stand in the page itself, and the Content-Security-Policy names their hashes:
//! nothing else can run in it, whatever the description says.

use std::sync::LazyLock;

use axum::response::Response;
use bytes::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};
use indelible_core::encoding::base64;
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

struct Page {
    html: Bytes,
    policy: HeaderValue,
}

static BUILT: LazyLock<Page> = LazyLock::new(|| {
    let html = PAGE.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT);
    let hash = |text: &str| base64(&Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let policy = HeaderValue::try_from(policy);
    Page {
        html: Bytes::from(html),
        policy: policy.unwrap_or(HeaderValue::from_static("default-src 'none'")),
    }
});

/// The page.
pub(super) async fn show() -> Response {
    let mut response = Response::new(BUILT.html.clone().into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, BUILT.policy.clone());
    let nosniff = HeaderName::from_static("x-content-type-options");
    headers.insert(nosniff, HeaderValue::from_static("nosniff"));
    response
}
