//! Numbers that a double does not carry: refused with their place, or kept as text where that is asked.

use indelible_core::json::Numbers;
use indelible_core::record::RecordView;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{NDJSON, Server, assert_problem, lines, parse_receipt};

const JSON: &str = "application/json";

/// What products of this field send, as it stands on the wire, and whether a double carries it.
const LITERALS: [(&str, bool); 12] = [
    // `Keywords` of Windows events, and nanoseconds of Falco and Cloudflare.
    ("-9223372036854775808", false),
    ("1795238040123456789", false),
    ("18446744073709551615", false),
    ("900719925474099.55", false),
    ("1e400", false),
    // 17 digits of which the double has ...995: not what anybody printed from it.
    ("52.520006599999998", false),
    ("52.520006600000002", true),
    ("0.10000000000000001", true),
    ("1.50", true),
    ("1e3", true),
    ("-0.0", true),
    ("9007199254740991", true),
];

async fn send(server: &Server, query: &str, media: &str, body: String) -> Response {
    server
        .request(Method::POST, &format!("/v1/ledgers/demo/events{query}"))
        .header("content-type", media)
        .body(body)
        .send()
        .await
        .unwrap()
}

fn envelope(literal: &str, id: &str) -> String {
    format!("{{\"event\":{{\"a\":[{literal}]}},\"id\":\"{id}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_a_double_changes_is_refused_in_every_form_with_its_place_and_a_way_out() {
    let server = Server::with_ledger().await;
    for (at, (literal, is_exact)) in LITERALS.into_iter().enumerate() {
        let id = format!("single {at}");
        let answer = send(&server, "", JSON, envelope(literal, &id)).await;
        if is_exact {
            assert_eq!(answer.status(), StatusCode::CREATED, "{literal}");
            continue;
        }
        let problem = assert_problem(answer, 400, "json_number_inexact").await;
        assert_eq!(problem["pointer"], "/event/a/0", "{literal}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("/event/a/0") && detail.contains("numbers=text"), "{detail}");
        let array = format!("[{},{}]", envelope("1", "x"), envelope(literal, "y"));
        let offset = array.rfind(literal).unwrap();
        let answer = send(&server, "?numbers=exact", JSON, array).await;
        let problem = assert_problem(answer, 400, "json_number_inexact").await;
        assert_eq!(
            (&problem["pointer"], &problem["offset"]),
            (&"/event/a/0".into(), &offset.into())
        );
        let answer = send(&server, "", NDJSON, envelope(literal, "y")).await;
        let answer = lines(&answer.bytes().await.unwrap());
        assert_eq!(answer[0]["error"]["code"], "json_number_inexact");
        assert_eq!(answer[0]["error"]["pointer"], "/event/a/0", "{literal}");
    }
    let exact = LITERALS.iter().filter(|(_, is_exact)| *is_exact).count();
    assert_eq!(server.get_json("/v1/ledgers/demo").await["size"], exact + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_numbers_text_exactly_those_are_kept_digit_for_digit_and_the_record_says_which() {
    let server = Server::with_ledger().await;
    let literals: Vec<&str> = LITERALS.iter().map(|(literal, _)| *literal).collect();
    let body = format!("{{\"event\":{{\"a\":[{}]}},\"id\":\"one\"}}", literals.join(","));
    let answer = send(&server, "?numbers=text", JSON, body.clone()).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let receipt = parse_receipt(&answer.bytes().await.unwrap());
    receipt.verify(&server.trust()).unwrap();
    let record: Value = serde_json::from_slice(&receipt.record).unwrap();
    let mut kept = Vec::new();
    for (at, (literal, is_exact)) in LITERALS.into_iter().enumerate() {
        let value = &record["event"]["a"][at];
        if is_exact {
            assert_eq!(value.as_f64().unwrap(), literal.parse::<f64>().unwrap(), "{literal}");
        } else {
            assert_eq!(value, literal);
            kept.push(format!("/a/{at}"));
        }
    }
    kept.sort();
    assert_eq!(record["numbers_as_text"], json!(kept));
    RecordView::parse(&receipt.record).unwrap();

    // The same again is the same; as numbers that must be exact, or as strings, it is not.
    let again = send(&server, "?numbers=text", JSON, body.clone()).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<Value>().await.unwrap()["record"], record);
    let exact = send(&server, "?numbers=exact", JSON, body).await;
    assert_problem(exact, 400, "json_number_inexact").await;
    let event = json!({ "event": record["event"], "id": "one" }).to_string();
    for query in ["", "?numbers=text"] {
        let strings = send(&server, query, JSON, event.clone()).await;
        assert_eq!(assert_problem(strings, 409, "id_conflict").await["seq"], 1);
    }
    // Without such numbers both ask for the same.
    let plain = || envelope("1.50", "two");
    assert_eq!(send(&server, "?numbers=text", JSON, plain()).await.status(), StatusCode::CREATED);
    assert_eq!(send(&server, "?numbers=exact", JSON, plain()).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_and_streams_keep_numbers_as_text_as_well_and_know_their_duplicates() {
    let server = Server::with_ledger().await;
    let keywords = "-9223372036854775808";
    let array = format!("[{},{}]", envelope(keywords, "a"), envelope("1e3", "b"));
    for status in [StatusCode::CREATED, StatusCode::OK] {
        let answer = send(&server, "?numbers=text", JSON, array.clone()).await;
        assert_eq!(answer.status(), status);
    }
    // On its way and in the store, within one request and in two.
    let stream = [envelope(keywords, "a"), envelope(keywords, "c"), envelope(keywords, "c")];
    let string = envelope(&format!("\"{keywords}\""), "c");
    let body = stream.join("\n") + "\n" + &string + "\n";
    let answer = send(&server, "?numbers=text", NDJSON, body).await;
    let answer = lines(&answer.bytes().await.unwrap());
    assert_eq!((&answer[0]["duplicate"], &answer[0]["seq"]), (&json!(true), &json!(1)));
    assert_eq!((&answer[1]["duplicate"], &answer[1]["seq"]), (&Value::Null, &json!(3)));
    assert_eq!((&answer[2]["duplicate"], &answer[2]["seq"]), (&json!(true), &json!(3)));
    assert_eq!(answer[3]["error"]["code"], "id_conflict");
    for seq in [1, 3] {
        let record = server.get_json(&format!("/v1/ledgers/demo/events/{seq}")).await;
        assert_eq!(record["event"]["a"][0], keywords);
        assert_eq!(record["numbers_as_text"], json!(["/a/0"]));
    }
    assert!(server.get_json("/v1/ledgers/demo/events/2").await["numbers_as_text"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_can_keep_numbers_as_text_by_default_and_the_request_has_the_last_word() {
    let server = Server::start().await;
    let create = |body: Value| server.post("/v1/ledgers", body);
    let answer = create(json!({ "name": "demo", "numbers": "text" })).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.json::<Value>().await.unwrap()["numbers"], "text");
    for same in [json!({ "name": "demo", "numbers": "text" }), json!({ "name": "demo" })] {
        assert_eq!(create(same).await.status(), StatusCode::OK);
    }
    let other = create(json!({ "name": "demo", "numbers": "exact" })).await;
    let problem = assert_problem(other, 409, "ledger_exists").await;
    assert!(problem["detail"].as_str().unwrap().contains("numbers 'text'"));
    let wrong = create(json!({ "name": "x", "numbers": "both" })).await;
    assert_problem(wrong, 400, "request_invalid").await;
    assert_eq!(server.get_json("/v1/ledgers/demo").await["numbers"], "text");
    assert_eq!(server.get_json("/v1/ledgers").await["ledgers"][0]["numbers"], "text");
    let creation = server.get_json("/v1/ledgers/demo/events/0").await;
    assert_eq!(creation["system"]["numbers"], "text", "record 0 says it, and is signed");
    assert_eq!(server.running.engine().numbers(&"demo".parse().unwrap()), Ok(Numbers::Text));

    let big = || envelope("1795238040123456789", "ns");
    let refused = send(&server, "?numbers=exact", JSON, big()).await;
    assert_problem(refused, 400, "json_number_inexact").await;
    for (media, status) in [(JSON, StatusCode::CREATED), (JSON, StatusCode::OK)] {
        assert_eq!(send(&server, "", media, big()).await.status(), status);
    }
    let streamed = send(&server, "", NDJSON, big()).await;
    assert_eq!(lines(&streamed.bytes().await.unwrap())[0]["duplicate"], true);
    let bad = send(&server, "?numbers=maybe", JSON, big()).await;
    assert_problem(bad, 400, "query_invalid").await;
    let misspelled = send(&server, "?number=text", JSON, big()).await;
    let problem = assert_problem(misspelled, 400, "query_invalid").await;
    assert!(problem["detail"].as_str().unwrap().contains("did you mean `numbers`?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_outside_of_the_event_is_never_taken_for_a_text() {
    let server = Server::with_ledger().await;
    let id = "{\"event\":{},\"id\":1795238040123456789}";
    let answer = send(&server, "?numbers=text", JSON, id.into()).await;
    assert_problem(answer, 400, "id_invalid").await;
}
