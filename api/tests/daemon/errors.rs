//! What is said to requests that make no sense, or come from the wrong place.

use serde_json::Value;

use crate::client::{parse, raw, send};
use crate::lab::{Lab, ONE_SCAN, TOKEN, config};

#[tokio::test]
async fn every_documented_route_answers() {
    let lab = Lab::start(ONE_SCAN).await;
    lab.ran("lab").await;
    let document = lab.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (template, item) in document["paths"].as_object().unwrap() {
        let id = crate::lab::START.to_string();
        let target = template.replace("{id1}", &id).replace("{id2}", &id).replace("{id}", &id);
        let options = lab.send("OPTIONS", &target, "", "").await;
        assert_eq!(options.status, 204, "{template}");
        let allow = options.header("allow").unwrap();
        for method in item.as_object().unwrap().keys().filter(|k| *k != "parameters") {
            assert!(allow.contains(&method.to_uppercase()), "{template}: {allow}");
        }
        if item.get("get").is_none() {
            lab.get(&target).await.assert_problem(405);
            continue;
        }
        let get = lab.get(&target).await;
        assert_eq!(get.status, 200, "{template}: {}", get.text());
        let media_type = get.header("content-type").unwrap().split(';').next().unwrap();
        let documented = &item["get"]["responses"]["200"]["content"][media_type];
        assert!(documented.is_object(), "{template} answers {media_type}");
        check_shape(&document, &documented["schema"], &get.body, template);
        let head = lab.send("HEAD", &target, "", "").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{template}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{template}");
        let wrong = lab.send("PUT", &target, "", "").await;
        wrong.assert_problem(405);
        assert_eq!(wrong.header("allow"), Some(allow));
        lab.get(&format!("{target}?nosuch=1")).await.assert_problem(400);
    }
    lab.stop().await.unwrap();
}

/// The answer has every property that its schema requires, and none that it does not know.
fn check_shape(document: &Value, schema: &Value, body: &[u8], template: &str) {
    if schema["type"] == "string" {
        return;
    }
    let body: Value = serde_json::from_slice(body).unwrap();
    let (reference, rows) = match schema["items"]["$ref"].as_str() {
        Some(reference) => (reference, body.as_array().unwrap().clone()),
        None => (schema["$ref"].as_str().unwrap(), vec![body]),
    };
    let row_schema = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
    let Some(properties) = row_schema["properties"].as_object() else { return };
    for row in rows {
        let row = row.as_object().unwrap();
        for name in row_schema["required"].as_array().unwrap() {
            assert!(row.contains_key(name.as_str().unwrap()), "{template}: {name} is missing");
        }
        for name in row.keys() {
            assert!(properties.contains_key(name), "{template}: {name} is not documented");
        }
    }
}

#[tokio::test]
async fn small_answers_are_exact() {
    let lab = Lab::start("").await;
    assert_eq!(lab.get("/v1/hello").await.text(), "hello\n");
    assert_eq!(lab.get("/health").await.text(), r#"{"status":"ok"}"#);
    let metrics = lab.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn unknown_paths_are_problems_too() {
    let lab = Lab::start("").await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/diff",
        "/v1/nosuch",
        "/v1/diff/1/2/3",
        "//v1/diff",
        "/v1/diff%2f1",
        "/..%2f..%2fetc/passwd",
    ] {
        lab.get(path).await.assert_problem(404);
    }
    lab.get("/v1/diff/").await.assert_problem(400);
    lab.get("/v1/scan/").await.assert_problem(400);
    for bad in [
        "port=0",
        "port=1&port=2",
        "address=nosuch",
        "limit=0",
        "limit=1000000",
        "strict=maybe",
        "cursor=%00",
        "%ff=1",
        "state=ajar",
    ] {
        lab.get(&format!("/v1/diff?{bad}")).await.assert_problem(400);
    }
    lab.get("/v1/diff/1?against=tomorrow").await.assert_problem(400);
    let answered = "portolan_http_requests_total{method=\"GET\",route=\"unknown\",code=\"404\"}";
    assert_eq!(lab.metric(answered).await, Some(9.0));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn with_a_token_every_write_needs_it_and_no_read_does() {
    let with_token = |_: &tempfile::TempDir| {
        let token = portolan_api::Token::new(TOKEN).unwrap();
        portolan_api::DaemonConfig { token: Some(token), ..config(ONE_SCAN) }
    };
    let lab = Lab::with(with_token).await;
    lab.ran("lab").await;
    let writes = [
        ("PATCH", "/v1/expected"),
        ("DELETE", "/v1/expected"),
        ("DELETE", "/v1/scans"),
        ("DELETE", "/v1/scans/1"),
        ("POST", "/v1/scan"),
        ("POST", "/v1/run"),
        ("POST", "/v1/run/lab"),
    ];
    for (method, target) in writes {
        let none = lab.send(method, target, "application/json", "[]").await;
        none.assert_problem(401);
        assert_eq!(none.header("www-authenticate"), Some("Bearer"));
        let wrong =
            [("authorization", "Bearer 0123456789abcdeX"), ("content-type", "application/json")];
        send(lab.addr, method, target, &wrong, b"[]").await.assert_problem(401);
        let bearer = format!("Bearer {TOKEN}");
        let right = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let done = send(lab.addr, method, target, &right, b"[]").await;
        assert_ne!(done.status, 401, "{method} {target}");
    }
    assert_eq!(lab.get("/v1/expected").await.status, 200);
    assert_eq!(lab.metric("portolan_auth_failures_total").await, Some(14.0));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn browsers_from_elsewhere_are_turned_away() {
    let lab = Lab::start("").await;
    let foreign = [("origin", "http://evil.example"), ("content-type", "application/json")];
    send(lab.addr, "PATCH", "/v1/expected", &foreign, b"[]").await.assert_problem(403);
    let null = [("origin", "null"), ("content-type", "application/json")];
    send(lab.addr, "PATCH", "/v1/expected", &null, b"[]").await.assert_problem(403);
    let own = [("origin", "http://localhost"), ("content-type", "application/json")];
    assert_eq!(send(lab.addr, "PATCH", "/v1/expected", &own, b"[]").await.status, 204);
    let rebound = [("host", "evil.example:4280")];
    send(lab.addr, "GET", "/v1/current", &rebound, b"").await.assert_problem(421);
    assert_eq!(send(lab.addr, "GET", "/v1/diff", &[("host", "127.0.0.1")], b"").await.status, 200);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_closed() {
    let lab = Lab::start("").await;
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"\0\0\0\0\r\n\r\n",
                    b"GET / HTTP/9.9\r\n\r\n", b"GET /v1/hello HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
                    b"PATCH /v1/expected HTTP/1.1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"] {
        let answer = raw(lab.addr, garbage).await;
        assert!(answer.is_empty() || parse(&answer).status >= 400, "{garbage:?}");
    }
    let long =
        format!("GET /v1/hello HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let answer = raw(lab.addr, long.as_bytes()).await;
    assert!(
        answer.is_empty() || parse(&answer).status == 431,
        "{:?}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(lab.get("/health").await.status, 200);
    lab.stop().await.unwrap();
}
