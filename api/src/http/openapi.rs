//! The description of the API: OpenAPI 3.1, made from the same table that routes requests.

/// The shapes of bodies.
mod schemas;

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::routes::{BodyKind, Op, Operation, ROUTES, Route};

/// The document as JSON.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| document().to_string())
}

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let mut item = Map::new();
        if !params(route).is_empty() {
            item.insert("parameters".to_owned(), params(route).into());
        }
        for operation in route.operations {
            let method = operation.method.as_str().to_ascii_lowercase();
            item.insert(method, describe(route, operation));
        }
        paths.insert(route.template.to_owned(), item.into());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portolan",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Which ports are open, since when, and what differs from what is \
                expected. Scan ids are UNIX seconds; a missing id is null and a missing state is \
                the empty string. Unknown query parameters are refused. HEAD works wherever GET \
                does. Errors are RFC 9457 problem details.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "responses": {"Problem": {
                "description": "The request was not done; nothing was changed.",
                "content": {"application/problem+json": {"schema": reference("Problem")}}
            }},
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "description": "Needed for every write where the daemon has a token, which it \
                    must where it listens beyond loopback."
            }}
        }
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn params(route: &Route) -> Vec<Value> {
    let segments = route.template.split('/');
    let names = segments.filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let (schema, description) = match name {
                "name" => (json!({"type": "string"}), "The configured scan's name."),
                "keep" => (json!({"type": "integer"}), "UNIX seconds: what is older may go."),
                _ => (json!({"type": "integer"}), "A scan's id."),
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema,
                   "description": description})
        })
        .collect()
}

/// What an operation is for, and what it answers.
struct Doc {
    summary: &'static str,
    description: &'static str,
    status: &'static str,
    answer: Answer,
}

enum Answer {
    Nothing,
    Text(&'static str),
    One(&'static str),
    List(&'static str),
}

const fn doc(summary: &'static str, description: &'static str, answer: Answer) -> Doc {
    let status = match answer {
        Answer::Nothing => "204",
        _ => "200",
    };
    Doc { summary, description, status, answer }
}

fn doc_of(op: Op) -> Doc {
    match op {
        Op::Hello => doc("Says hello", "", Answer::Text("text/plain")),
        Op::Health => doc("Says whether the daemon answers", "", Answer::One("Health")),
        Op::OpenApi => doc("This document", "", Answer::One("Object")),
        Op::Metrics => doc(
            "Metrics for Prometheus",
            "Text format 0.0.4. The portmantool_* families can be switched off.",
            Answer::Text("text/plain"),
        ),
        Op::Info => doc("Figures of the whole store", "", Answer::One("Info")),
        Op::DiffExpected => doc(
            "What differs between the expected and the current state",
            "States that are not open are equal to each other and to never having been seen, \
             unless strict is true.",
            Answer::List("Drift"),
        ),
        Op::DiffScan => doc(
            "What differs between a scan and the expected state",
            "With against=current: the current state.",
            Answer::List("Change"),
        ),
        Op::DiffScans => doc("What differs between two scans", "", Answer::List("Change")),
        Op::Current => doc(
            "The current state",
            "What the last scan that asked an endpoint found there.",
            Answer::List("Current"),
        ),
        Op::Hosts => doc("The hosts that were ever seen", "", Answer::List("Host")),
        Op::Transitions => doc(
            "Changes of states and services, oldest first",
            "A change of a service, product, version, certificate or host key is a row of its \
             own, in which from and to are both the state. What a scan could not tell has not \
             changed.",
            Answer::List("Transition"),
        ),
        Op::Expected => doc("The expected state", "", Answer::List("Expectation")),
        Op::Scans => doc("The stored scans, by id", "", Answer::List("Scan")),
        Op::Scan => doc("What a scan found", "", Answer::List("Found")),
        Op::Schedule => doc("Where the configured scans stand", "", Answer::List("Scheduled")),
        other => doc_of_write(other),
    }
}

fn doc_of_write(op: Op) -> Doc {
    match op {
        Op::PatchExpected => doc(
            "Adds or replaces expectations",
            "All of them or none. One address and one port require the state; a block of \
             addresses or a range of ports permits it.",
            Answer::Nothing,
        ),
        Op::DeleteExpected => doc(
            "Removes expectations",
            "The selectors in the body, or those that match the query; not both.",
            Answer::Nothing,
        ),
        Op::Prune => doc(
            "Removes what later scans have superseded",
            "Only what is older than keep, or than now. The current state does not change.",
            Answer::Nothing,
        ),
        Op::PostScan => doc(
            "Imports a report as a scan",
            "nmap XML, masscan JSON or a masscan list. Location names the scan.",
            Answer::Nothing,
        ),
        Op::Run => Doc {
            status: "202",
            ..doc(
                "Starts configured scans now",
                "A scan that runs already is not started again. The ids are those of the runs; \
                 /v1/schedule tells which scan a run has stored.",
                Answer::One("Runs"),
            )
        },
        _ => doc("", "", Answer::Nothing),
    }
}

fn describe(route: &Route, operation: &Operation) -> Value {
    let doc = doc_of(operation.op);
    let mut value = json!({
        "summary": doc.summary,
        "operationId": operation_id(route, operation),
        "responses": responses(&doc),
    });
    let Some(object) = value.as_object_mut() else {
        return value;
    };
    if !doc.description.is_empty() {
        object.insert("description".to_owned(), doc.description.into());
    }
    if !operation.query.is_empty() {
        let query: Vec<Value> = operation.query.iter().map(|name| parameter(name)).collect();
        object.insert("parameters".to_owned(), query.into());
    }
    if let Some(body) = request_body(operation) {
        object.insert("requestBody".to_owned(), body);
    }
    if operation.writes() {
        object.insert("security".to_owned(), json!([{"token": []}, {}]));
    }
    value
}

fn operation_id(route: &Route, operation: &Operation) -> String {
    let words = route.template.split(['/', '.']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|w| w.trim_matches(['{', '}'])).collect();
    format!("{}_{}", operation.method.as_str().to_ascii_lowercase(), words.join("_"))
}

fn responses(doc: &Doc) -> Value {
    let content = match doc.answer {
        Answer::Nothing => None,
        Answer::Text(kind) => Some(json!({kind: {"schema": {"type": "string"}}})),
        Answer::One(name) => Some(json!({"application/json": {"schema": reference(name)}})),
        Answer::List(name) => Some(json!({"application/json": {
            "schema": {"type": "array", "items": reference(name)}
        }})),
    };
    let mut done = json!({"description": if content.is_some() { "The answer." } else { "Done." }});
    if let (Some(object), Some(content)) = (done.as_object_mut(), content) {
        object.insert("content".to_owned(), content);
        if matches!(doc.answer, Answer::List(_)) {
            let link = json!({"Link": {
                "description": "RFC 8288; rel=next leads to the next page, where there is one.",
                "schema": {"type": "string"}
            }});
            object.insert("headers".to_owned(), link);
        }
    }
    json!({doc.status: done, "default": {"$ref": "#/components/responses/Problem"}})
}

fn parameter(name: &str) -> Value {
    let (schema, description) = match name {
        "address" => (json!({"type": "string"}), "Addresses, CIDR blocks and ranges."),
        "port" => (json!({"type": "string"}), "Ports and ranges: 22,80,8000-8100."),
        "protocol" => (reference("Protocol"), "Only this protocol."),
        "state" => (json!({"type": "string"}), "States, with commas between them."),
        "site" => (json!({"type": "string"}), "The address space; default where one is written."),
        "strict" => (json!({"type": "boolean"}), "Whether any difference in state is a row."),
        "services" => (
            json!({"type": "boolean"}),
            "Whether what is open on both sides is a row where its service, product, version, \
             certificate or host key is another.",
        ),
        "limit" => (
            json!({"type": "integer", "minimum": 1, "maximum": super::query::ROWS_MAX}),
            "Most rows of the answer.",
        ),
        "cursor" => {
            (json!({"type": "string"}), "Where to go on, from the Link of the page before.")
        }
        "against" => (
            json!({"type": "string", "enum": ["expected", "current"], "default": "expected"}),
            "What the scan is compared with.",
        ),
        _ => (json!({}), ""),
    };
    json!({"name": name, "in": "query", "schema": schema, "description": description})
}

fn request_body(operation: &Operation) -> Option<Value> {
    let array = |name| {
        json!({"application/json": {
            "schema": {"type": "array", "items": reference(name)}
        }})
    };
    let (required, content) = match (operation.body, operation.op) {
        (BodyKind::None, _) => return None,
        (_, Op::PatchExpected) => (true, array("Expectation")),
        (_, Op::DeleteExpected) => (false, array("Selector")),
        _ => (
            true,
            json!({
                "application/xml": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "array"}},
                "text/plain": {"schema": {"type": "string"}},
            }),
        ),
    };
    Some(json!({"required": required, "content": content}))
}

#[cfg(test)]
mod tests;
