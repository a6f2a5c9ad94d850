//! `POST /v1/ledgers` and `POST /v1/ledgers/{ledger}/events` with JSON bodies.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{NDJSON, Server, assert_problem, checkpoint_size, parse_receipt};

const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_created_once_and_the_same_wish_again_is_no_error() {
    let server = Server::start().await;
    let answer = server.post("/v1/ledgers", json!({ "name": "a", "sign_per": "commit" })).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()["location"], "/v1/ledgers/a");
    let ledger: Value = answer.json().await.unwrap();
    assert_eq!(ledger["sign_per"], "commit");
    assert_eq!((&ledger["name"], &ledger["size"]), (&json!("a"), &json!(1)));
    for same in [json!({ "name": "a", "sign_per": "commit" }), json!({ "name": "a" })] {
        assert_eq!(server.post("/v1/ledgers", same).await.status(), StatusCode::OK);
    }
    let other = server.post("/v1/ledgers", json!({ "name": "a", "sign_per": "record" })).await;
    assert_problem(other, 409, "ledger_exists").await;
    assert_eq!(server.get_json("/v1/ledgers/a").await, ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_is_refused_with_the_reason() {
    let server = Server::start().await;
    for (body, code) in [
        (json!({ "name": "A" }), "name_invalid"),
        (json!({ "name": 1 }), "name_invalid"),
        (json!({}), "request_invalid"),
        (json!([]), "request_invalid"),
        (json!({ "name": "a", "sign_per": "never" }), "request_invalid"),
        (json!({ "name": "a", "colour": "red" }), "request_invalid"),
    ] {
        assert_problem(server.post("/v1/ledgers", body).await, 400, code).await;
    }
    let request = server.request(Method::POST, "/v1/ledgers").header("content-type", JSON);
    assert_problem(request.body("{").send().await.unwrap(), 400, "json_syntax").await;
    let request = server.request(Method::POST, "/v1/ledgers").header("content-type", NDJSON);
    assert_problem(request.body("{}").send().await.unwrap(), 415, "media_type_unsupported").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_answers_with_a_receipt_that_an_auditor_can_check() {
    let server = Server::with_ledger().await;
    let answer = server.append(JSON, r#"{"event":{"b":1,"a":"x"}}"#).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()["location"], "/v1/ledgers/demo/events/1");
    let bytes = answer.bytes().await.unwrap();
    let receipt = parse_receipt(&bytes);
    let view = receipt.verify(&server.trust()).unwrap();
    assert_eq!(view.seq.get(), 1);
    let again = server.get("/v1/ledgers/demo/events/1/receipt").await.bytes().await.unwrap();
    parse_receipt(&again).verify(&server.trust()).unwrap();
    let record = server.get("/v1/ledgers/demo/events/1").await.bytes().await.unwrap();
    assert!(record.starts_with(br#"{"event":{"a":"x","b":1},"id":""#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledgers_name_may_be_escaped_and_paths_around_it_are_not_taken_for_it() {
    let server = Server::with_ledger().await;
    let send = |path: &'static str| {
        let request = server.request(Method::POST, path).header("content-type", JSON);
        request.body(r#"{"event":{}}"#).send()
    };
    for (seq, path) in
        [(1, "/v1/ledgers/%64emo/events"), (2, "/v1/ledgers/demo/events?numbers=exact")]
    {
        let answer = send(path).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{path}");
        let location = format!("/v1/ledgers/demo/events/{seq}");
        assert_eq!(answer.headers()["location"], location.as_str());
    }
    for (path, status, code) in [
        ("/v1/ledgers/demo/more/events", 404, "route_not_found"),
        ("/v1/ledgers/demo/events/", 404, "route_not_found"),
        ("/v1/ledgers/demo/events/1", 405, "method_not_allowed"),
        ("/v1/ledgers/demo%2Fevents/events", 400, "name_invalid"),
        ("/v1/ledgers/Demo/events", 400, "name_invalid"),
        ("/v1/ledgers/demo2/events", 404, "ledger_not_found"),
        ("/v1/ledgers/demo/events?number=exact", 400, "query_invalid"),
    ] {
        assert_problem(send(path).await.unwrap(), status, code).await;
    }
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_gives_the_first_result_again_and_another_event_a_conflict() {
    let server = Server::with_ledger().await;
    let first = server.append(JSON, r#"{"event":{"n":1},"id":"one"}"#).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: Value = first.json().await.unwrap();
    let again = server.append(JSON, r#"{"id":"one","event":{"n":1.0}}"#).await;
    assert_eq!(again.status(), StatusCode::OK);
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["record"], first["record"]);
    assert_eq!(again["digest"], first["digest"]);
    let other = server.append(JSON, r#"{"event":{"n":2},"id":"one"}"#).await;
    assert_eq!(assert_problem(other, 409, "id_conflict").await["seq"], 1);
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_idempotency_key_stands_for_the_id_of_one_event() {
    let server = Server::with_ledger().await;
    let send = |body: &'static str, key: &'static str| {
        let request = server.request(Method::POST, "/v1/ledgers/demo/events");
        let media = if body.contains('\n') { NDJSON } else { JSON };
        request.header("content-type", media).header("idempotency-key", key).body(body).send()
    };
    let first = send(r#"{"event":{}}"#, "k").await.unwrap();
    assert_eq!(first.status(), StatusCode::CREATED);
    assert_eq!(first.json::<Value>().await.unwrap()["record"]["id"], "k");
    assert_eq!(send(r#"{"event":{},"id":"k"}"#, "k").await.unwrap().status(), StatusCode::OK);
    let different = send(r#"{"event":{},"id":"other"}"#, "k").await.unwrap();
    assert_problem(different, 400, "id_ambiguous").await;
    assert_problem(send(r#"[{"event":{}}]"#, "k").await.unwrap(), 400, "id_ambiguous").await;
    assert_problem(send("{\"event\":{}}\n", "k").await.unwrap(), 400, "id_ambiguous").await;
    assert_problem(send(r#"{"event":{}}"#, "").await.unwrap(), 400, "id_invalid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_in_many_requests_at_once_is_appended_once() {
    let server = Server::with_ledger().await;
    for round in 0..20 {
        let body = format!(r#"{{"event":{{"round":{round}}},"id":"same {round}"}}"#);
        let all = (0..8).map(|_| server.append(JSON, body.clone()));
        let answers = futures_util::future::join_all(all).await;
        let created = answers.iter().filter(|a| a.status() == StatusCode::CREATED).count();
        assert_eq!(created, 1, "round {round}");
        let mut digests = Vec::new();
        for answer in answers {
            assert!(answer.status().is_success());
            let receipt = parse_receipt(&answer.bytes().await.unwrap());
            receipt.verify(&server.trust()).unwrap();
            digests.push(receipt.digest);
        }
        digests.dedup();
        assert_eq!(digests.len(), 1);
    }
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_appended_as_a_whole_and_answers_in_order() {
    let server = Server::with_ledger().await;
    let body = r#"[{"event":{"n":0},"id":"a"},{"event":{"n":1}},{"event":{"n":2},"id":"c"}]"#;
    let answer = server.append(JSON, body).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(checkpoint_size(answer["checkpoint"].as_str().unwrap()), 4);
    let seqs: Vec<_> =
        answer["results"].as_array().unwrap().iter().map(|r| r["seq"].clone()).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(answer["results"][0]["id"], "a");
    assert!(answer["results"][1]["sig"].is_string());
    let twice = r#"[{"event":{"n":0},"id":"a"},{"event":{"n":2},"id":"c"}]"#;
    let answer = server.append(JSON, twice).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["results"][1]["duplicate"], true);
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_array_with_one_bad_element_is_appended() {
    let server = Server::with_ledger().await;
    server.append(JSON, r#"{"event":{"n":1},"id":"taken"}"#).await;
    for (body, status, code, index) in [
        (r#"[{"event":{}},{"event":{"n":2},"id":"taken"}]"#, 409, "id_conflict", Some(1)),
        (r#"[{"event":{}},{"evnt":{}}]"#, 400, "envelope_invalid", Some(1)),
        (r#"[{"event":{}},{"event":{"a":1,"a":2}}]"#, 400, "json_duplicate_name", None),
        (r#"[]"#, 400, "batch_empty", None),
        (r#"[{"event":{}}"#, 400, "json_syntax", None),
    ] {
        let problem = assert_problem(server.append(JSON, body).await, status, code).await;
        assert_eq!(problem.get("index").and_then(Value::as_u64), index, "{body}");
    }
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_wrong_or_too_large_are_refused_with_code_and_limit() {
    let server = Server::start_with(|config| {
        config.limits.body_bytes_max = 3 << 20;
        config.limits.batch_events_max = 100;
    })
    .await;
    server.create("demo").await;
    let big = |bytes: usize| format!(r#"{{"event":{{"a":"{}"}}}}"#, "x".repeat(bytes));
    let problem =
        assert_problem(server.append(JSON, big(1 << 20)).await, 413, "event_too_large").await;
    assert_eq!(problem["limit"], 1 << 20);
    let problem =
        assert_problem(server.append(JSON, big(4 << 20)).await, 413, "body_too_large").await;
    assert_eq!(problem["limit"], 3 << 20);
    assert_eq!(server.append(JSON, big((1 << 20) - 8)).await.status(), StatusCode::CREATED);
    let many = format!("[{}]", vec![r#"{"event":{}}"#; 101].join(","));
    assert_problem(server.append(JSON, many).await, 413, "batch_too_large").await;
    assert_problem(
        server.append(JSON, "{\"event\":{\"a\":\"\\ud800\"}}").await,
        400,
        "json_lone_surrogate",
    )
    .await;
    assert_problem(
        server.append(JSON, &b"{\"event\":{\"a\":\"\xff\"}}"[..]).await,
        400,
        "json_utf8",
    )
    .await;
    assert_problem(server.append("text/plain", "x").await, 415, "media_type_unsupported").await;
    let request = server.request(Method::POST, "/v1/ledgers/demo/events").body("x");
    assert_problem(request.send().await.unwrap(), 415, "media_type_unsupported").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_ledger_is_never_created_by_a_typo() {
    let server = Server::start().await;
    for (media, body) in [(JSON, r#"{"event":{}}"#), (JSON, "[]"), (NDJSON, "{\"event\":{}}\n")] {
        let problem =
            assert_problem(server.append(media, body).await, 404, "ledger_not_found").await;
        assert!(
            problem["detail"].as_str().unwrap().contains("create it first with POST /v1/ledgers")
        );
    }
    let page = server.get_json("/v1/ledgers").await;
    assert_eq!(page, json!({ "ledgers": [], "next": null }));
    let request = server.request(Method::POST, "/v1/ledgers/Bad%20name/events");
    let request = request.header("content-type", JSON).body("{}");
    assert_problem(request.send().await.unwrap(), 400, "name_invalid").await;
}
