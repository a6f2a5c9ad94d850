//! `/openapi.json`, `/docs`, `/metrics`, health, and what is answered to what is not there.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{Server, assert_problem};

#[tokio::test(flavor = "multi_thread")]
async fn the_description_lists_exactly_what_the_server_answers() {
    let server = Server::with_ledger().await;
    server.append("application/json", r#"{"event":{}}"#).await;
    let api = server.get_json("/openapi.json").await;
    assert_eq!(api["openapi"], "3.1.0");
    let mut operations = 0;
    for (path, methods) in api["paths"].as_object().unwrap() {
        let concrete = path.replace("{ledger}", "demo").replace("{seq}", "1");
        let concrete = match concrete.rsplit('/').next().unwrap() {
            "inclusion" => concrete + "?seq=1",
            "consistency" => concrete + "?from=1",
            _ => concrete,
        };
        let allowed = server.request(Method::OPTIONS, &concrete).send().await.unwrap();
        assert_eq!(allowed.status(), StatusCode::NO_CONTENT, "{path}");
        let allowed = allowed.headers()["allow"].to_str().unwrap().to_lowercase();
        let mut listed: Vec<&str> =
            allowed.split(',').map(str::trim).filter(|m| *m != "head").collect();
        listed.sort_unstable();
        let described: Vec<&str> =
            methods.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(listed, described, "{path}");
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            assert!(operation["responses"].as_object().unwrap().contains_key("500"));
            if method == "get" {
                let answer = server.get(&concrete).await;
                assert_eq!(answer.status(), StatusCode::OK, "{concrete}");
                let media = answer.headers()["content-type"].to_str().unwrap();
                let essence = media.split(';').next().unwrap();
                let described = operation["responses"]["200"]["content"].as_object().unwrap();
                assert!(described.contains_key(essence), "{concrete} answers {essence}");
            }
        }
        let problem = server.request(Method::DELETE, &concrete).send().await.unwrap();
        assert!(problem.headers().contains_key("allow"));
        assert_problem(problem, 405, "method_not_allowed").await;
    }
    assert_eq!(operations, indelible_server::http::operations::OPERATIONS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem_too() {
    let server = Server::start().await;
    for path in ["/", "/v1", "/v1/ledgers/a/b", "/v2/ledgers", "/docs/x"] {
        assert_problem(server.get(path).await, 404, "route_not_found").await;
    }
    let api = server.get_json("/openapi.json").await;
    assert!(api["x-problem-codes"].as_object().unwrap().contains_key("route_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_runs_only_its_own_script_and_needs_nothing_from_elsewhere() {
    let server = Server::start().await;
    let answer = server.http.get(server.url("/docs")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    let html = answer.text().await.unwrap();
    let script = html.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    for text in [script, style] {
        let hash = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
        assert!(policy.contains(&indelible_core::encoding::base64(&hash)));
    }
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("{{"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_as_get_without_a_body() {
    let server = Server::with_ledger().await;
    for path in
        ["/healthz", "/v1/ledgers/demo", "/v1/ledgers/demo/events/0", "/v1/ledgers/demo/export"]
    {
        let answer = server.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(answer.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_prometheus_text_and_count() {
    let server = Server::with_ledger().await;
    server.append("application/json", r#"{"event":{}}"#).await;
    let text = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "indelible_events_total 2",
        "indelible_ledger_size{ledger=\"demo\"} 2",
        "indelible_ready 1",
        "# TYPE indelible_commit_seconds histogram",
        "indelible_sign_failures_total 0",
        "indelible_http_responses_total{status=\"2xx\"} 2",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
    }
    let buckets = text.lines().filter(|line| line.starts_with("indelible_batch_events_bucket"));
    let counts: Vec<u64> =
        buckets.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(counts.is_sorted() && counts.last() == Some(&2));
    for path in ["/healthz", "/readyz"] {
        let answer = server.http.get(server.url(path)).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], "ok");
    }
}
