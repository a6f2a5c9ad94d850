//! Who may do what.

use indelible_server::auth::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Server, assert_problem};

/// Every operation with the scope that it needs; open ones are left out.
const TABLE: &[(&str, &str, Scope)] = &[
    ("POST", "/v1/ledgers", Scope::Admin),
    ("GET", "/v1/ledgers", Scope::Read),
    ("GET", "/v1/ledgers/demo", Scope::Read),
    ("POST", "/v1/ledgers/demo/events", Scope::Append),
    ("GET", "/v1/ledgers/demo/events", Scope::Read),
    ("GET", "/v1/ledgers/demo/events/0", Scope::Read),
    ("GET", "/v1/ledgers/demo/events/0/receipt", Scope::Read),
    ("GET", "/v1/ledgers/demo/events/stream", Scope::Read),
    ("GET", "/v1/ledgers/demo/checkpoint", Scope::Read),
    ("GET", "/v1/ledgers/demo/proofs/inclusion?seq=0", Scope::Read),
    ("GET", "/v1/ledgers/demo/proofs/consistency?from=1", Scope::Read),
    ("GET", "/v1/ledgers/demo/export", Scope::Read),
    ("POST", "/v1/ledgers/demo/archive", Scope::Admin),
    ("GET", "/v1/clock", Scope::Read),
    ("POST", "/v1/clock/accept", Scope::Admin),
    ("GET", "/metrics", Scope::Read),
];

async fn ask(server: &Server, method: &str, path: &str, token: Option<&str>) -> reqwest::Response {
    let mut request = server.http.request(method.parse::<Method>().unwrap(), server.url(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let vault = server.dir.path().join("vault");
    let body = match path.rsplit('/').next() {
        Some("events") => json!({ "event": {} }),
        Some("archive") => json!({ "to": vault }),
        _ => json!({ "name": "demo" }),
    };
    if method == "POST" {
        request.json(&body).send().await.unwrap()
    } else {
        request.send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_asks_for_its_scope_and_no_other() {
    let server = Server::with_ledger().await;
    let guarded =
        indelible_server::http::operations::OPERATIONS.iter().filter(|o| o.scope.is_some());
    assert_eq!(guarded.count(), TABLE.len(), "an operation is missing in this table");
    let mut tokens = Vec::new();
    for scope in [Scope::Append, Scope::Read, Scope::Admin] {
        tokens.push((scope, server.token(scope.as_str(), &[scope], None).await));
    }
    for (method, path, needed) in TABLE {
        assert_problem(ask(&server, method, path, None).await, 401, "token_missing").await;
        assert_problem(ask(&server, method, path, Some("wrong")).await, 401, "token_unknown").await;
        for (scope, token) in &tokens {
            let answer = ask(&server, method, path, Some(token)).await;
            if scope == needed || *scope == Scope::Admin {
                assert!(
                    answer.status().is_success(),
                    "{method} {path} with {scope:?}: {}",
                    answer.status()
                );
            } else {
                assert_problem(answer, 403, "scope_missing").await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_bound_to_ledgers_reaches_and_sees_no_other() {
    let server = Server::start().await;
    for name in ["orders", "tenant.a", "tenant.b", "secret"] {
        server.create(name).await;
    }
    let both = [Scope::Append, Scope::Read];
    let token = server.token("bound", &both, Some(&["orders", "tenant.*"])).await;
    for name in ["orders", "tenant.a", "tenant.b"] {
        let answer = ask(&server, "GET", &format!("/v1/ledgers/{name}"), Some(&token)).await;
        assert!(answer.status().is_success());
    }
    // One that is there and one that is not are told apart by nothing.
    for name in ["secret", "nothing"] {
        for (method, path) in [("GET", "/checkpoint"), ("POST", "/events")] {
            let answer =
                ask(&server, method, &format!("/v1/ledgers/{name}{path}"), Some(&token)).await;
            assert_problem(answer, 403, "ledger_forbidden").await;
        }
    }
    let page: Value = ask(&server, "GET", "/v1/ledgers", Some(&token)).await.json().await.unwrap();
    let names: Vec<_> =
        page["ledgers"].as_array().unwrap().iter().map(|l| l["name"].clone()).collect();
    assert_eq!(names, ["orders", "tenant.a", "tenant.b"]);
    let metrics = ask(&server, "GET", "/metrics", Some(&token)).await.text().await.unwrap();
    assert!(metrics.contains("tenant.a") && !metrics.contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_stops_working_without_a_restart() {
    let server = Server::with_ledger().await;
    let token = server.token("gone", &[Scope::Read], None).await;
    assert!(ask(&server, "GET", "/v1/ledgers/demo", Some(&token)).await.status().is_success());
    assert!(indelible_server::auth::revoke_token(server.running.data_dir(), "gone").unwrap());
    for _ in 0..100 {
        let answer = ask(&server, "GET", "/v1/ledgers/demo", Some(&token)).await;
        if answer.status().as_u16() == 401 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the revoked token still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_public_only_on_purpose() {
    let server = Server::start_with(|config| config.listen.metrics_public = true).await;
    assert!(ask(&server, "GET", "/metrics", None).await.status().is_success());
    assert_problem(ask(&server, "GET", "/v1/ledgers", None).await, 401, "token_missing").await;
}

/// Neither a page, nor its cursor, nor what an error says names a ledger that the token does not reach;
/// and paging finds all others, wherever they lie among those.
#[tokio::test(flavor = "multi_thread")]
async fn paging_through_ledgers_names_none_that_the_token_does_not_reach() {
    let server = Server::start().await;
    let mine = ["a", "m", "m.x", "n.", "n.a", "n.b", "n.c", "z9"];
    let foreign = ["0", "aa", "b", "l", "m.a", "m.xx", "m.z", "n", "n-a", "o", "z", "z99"];
    for name in mine.into_iter().chain(foreign) {
        server.create(name).await;
    }
    let bounds = ["n.*", "z9", "a", "m", "m.x", "n.b", "none", "n.zz*"];
    let token = server.token("bound", &[Scope::Read], Some(&bounds)).await;
    for limit in 1..=mine.len() + 1 {
        let (mut names, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let path = format!("/v1/ledgers?limit={limit}{after}");
            let text = ask(&server, "GET", &path, Some(&token)).await.text().await.unwrap();
            let page: Value = serde_json::from_str(&text).unwrap();
            let ledgers = page["ledgers"].as_array().unwrap();
            names.extend(ledgers.iter().map(|one| one["name"].as_str().unwrap().to_owned()));
            pages += 1;
            assert!(pages <= mine.len() + 1, "the cursor goes in circles");
            let Some(next) = page["next"].as_str() else { break };
            assert!(mine.contains(&next), "the cursor names {next}");
            assert_eq!(ledgers.len(), limit, "a page that goes on is full");
            cursor = Some(next.to_owned());
        }
        assert_eq!(names, mine, "{limit} on a page");
    }
    // Whoever may see all goes through all.
    let all: Value = server.get_json("/v1/ledgers?limit=1000").await;
    assert_eq!(all["ledgers"].as_array().unwrap().len(), mine.len() + foreign.len());
    for path in ["/v1/ledgers?cursor=UPPER", "/v1/ledgers?limit=0", "/v1/ledgers/z99"] {
        let text = ask(&server, "GET", path, Some(&token)).await.text().await.unwrap();
        assert!(text.contains("\"code\""), "{text}");
        assert!(foreign.iter().all(|name| !text.contains(&format!("'{name}'"))), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_records_say_of_who_wrote_them_is_fixed_at_creation() {
    let server = Server::start().await;
    let create = |body: Value| server.post("/v1/ledgers", body);
    let answer = create(json!({ "name": "demo", "principals": "full" })).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.json::<Value>().await.unwrap()["principals"], "full");
    for same in [json!({ "name": "demo", "principals": "full" }), json!({ "name": "demo" })] {
        assert_eq!(create(same).await.status(), StatusCode::OK);
    }
    let other = create(json!({ "name": "demo", "principals": "off" })).await;
    let problem = assert_problem(other, 409, "ledger_exists").await;
    assert!(problem["detail"].as_str().unwrap().contains("principals 'full'"));
    for wrong in [json!("all"), json!(true), json!(null)] {
        let wrong = create(json!({ "name": "x", "principals": wrong })).await;
        assert_problem(wrong, 400, "request_invalid").await;
    }
    server.create("plain").await;
    assert_eq!(server.get_json("/v1/ledgers/plain").await["principals"], "off");
    let creation = server.get_json("/v1/ledgers/demo/events/0").await;
    assert_eq!(creation["system"]["principals"], "full", "record 0 says it, and is signed");
    assert!(creation["by"].is_null(), "a record of the engine's own says nothing of who wrote it");
    server.append("application/json", r#"{"event":{}}"#).await;
    let by = server.get_json("/v1/ledgers/demo/events/1").await["by"].clone();
    assert_eq!(by, json!({ "how": "token", "name": "admin.token", "tenant": "demo" }));
}
