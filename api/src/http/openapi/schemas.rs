//! The shapes of bodies, as JSON Schema 2020-12.

use serde_json::{Map, Value, json};

use super::reference;

/// Every schema by its name.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    let mut add = |name: &str, schema: Value| {
        all.insert(name.to_owned(), schema);
    };
    add("Object", json!({"type": "object"}));
    add("Health", object(&[("status", json!({"const": "ok"}))]));
    add("Protocol", json!({"type": "string", "enum": ["tcp", "udp", "sctp", "ip"]}));
    add("State", states(&[]));
    add("StateOrNone", states(&[""]));
    add("Time", json!({"type": ["string", "null"], "format": "date-time"}));
    add("Problem", problem());
    add("Info", info());
    add("Service", service());
    add("Tls", tls());
    add("Certificate", certificate());
    add("Ssh", ssh());
    differences(&mut add);
    states_of_endpoints(&mut add);
    add(
        "Host",
        object(&[
            ("address", text()),
            ("site", text()),
            ("mac", json!({"type": ["string", "null"]})),
            ("open", integer()),
            ("first_seen", reference("Time")),
            ("last_seen", reference("Time")),
        ]),
    );
    add("Selector", selector(&[]));
    add("Expectation", selector(&[("state", reference("State")), ("comment", text())]));
    add("Scan", scan());
    add("Runs", runs());
    add("Scheduled", scheduled());
    all.into()
}

fn differences(add: &mut impl FnMut(&str, Value)) {
    add(
        "Drift",
        object(&with_endpoint(&[
            ("expected_state", reference("StateOrNone")),
            ("actual_state", reference("StateOrNone")),
            ("scan_id", id_or_null()),
            ("comment", text()),
            ("kind", text()),
        ])),
    );
    add(
        "Change",
        object(&with_endpoint(&[
            ("state_a", reference("StateOrNone")),
            ("state_b", reference("StateOrNone")),
            ("scan_a", id_or_null()),
            ("scan_b", id_or_null()),
            ("comment", text()),
            ("kind", text()),
            ("changes", json!({"type": "array", "items": reference("ServiceChange")})),
        ])),
    );
    add("ServiceChange", object(&[("kind", kinds()), ("from", text()), ("to", text())]));
}

fn kinds() -> Value {
    json!({"type": "string", "enum": portolan_store::ChangeKind::ALL.map(portolan_store::ChangeKind::name)})
}

fn states_of_endpoints(add: &mut impl FnMut(&str, Value)) {
    add(
        "Found",
        object(&with_endpoint(&[
            ("state", reference("State")),
            ("scan_id", integer()),
            ("reason", text()),
            ("ttl", json!({"type": ["integer", "null"]})),
            ("rtt_us", json!({"type": ["integer", "null"]})),
            ("at", reference("Time")),
            ("service", or_null("Service")),
            ("banner", json!({"type": ["string", "null"], "description": "Escaped as ASCII."})),
        ])),
    );
    add(
        "Current",
        object(&with_endpoint(&[
            ("state", reference("State")),
            ("scan_id", integer()),
            ("reason", text()),
            ("service", or_null("Service")),
            ("first_seen", reference("Time")),
            ("last_seen", reference("Time")),
            ("since", reference("Time")),
        ])),
    );
    add(
        "Transition",
        object(&with_endpoint(&[
            ("from", reference("StateOrNone")),
            ("to", reference("State")),
            ("scan_id", integer()),
            ("at", reference("Time")),
            ("kind", kinds()),
            ("before", text_or_null()),
            ("after", text_or_null()),
        ])),
    );
}

/// An object whose every property is always there.
fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": names, "properties": properties})
}

fn with_endpoint<'a>(more: &[(&'a str, Value)]) -> Vec<(&'a str, Value)> {
    let mut all = vec![
        ("address", text()),
        ("port", json!({"type": "integer", "minimum": 0, "maximum": 65_535})),
        ("protocol", reference("Protocol")),
        ("site", text()),
    ];
    all.extend_from_slice(more);
    all
}

fn text() -> Value {
    json!({"type": "string"})
}

fn integer() -> Value {
    json!({"type": "integer"})
}

fn id_or_null() -> Value {
    json!({"type": ["integer", "null"]})
}

fn or_null(name: &str) -> Value {
    json!({"oneOf": [reference(name), {"type": "null"}]})
}

fn states(more: &[&str]) -> Value {
    let names = portolan_core::PortState::ALL.map(portolan_core::PortState::name);
    let names: Vec<&str> = names.into_iter().chain(more.iter().copied()).collect();
    json!({"type": "string", "enum": names})
}

fn selector(more: &[(&str, Value)]) -> Value {
    let mut all = vec![
        (
            "address",
            json!({
                "type": "string",
                "description": "An address, a CIDR block, or a range first-last.",
                "examples": ["10.0.0.7", "10.0.0.0/24", "10.0.0.1-10.0.0.9", "2001:db8::1"]
            }),
        ),
        (
            "port",
            json!({
                "description": "A port, or a range as text.",
                "oneOf": [
                    {"type": "integer", "minimum": 1, "maximum": 65_535},
                    {"type": "string", "examples": ["8000-8100"]}
                ]
            }),
        ),
        ("protocol", reference("Protocol")),
    ];
    all.extend_from_slice(more);
    let required: Vec<&str> =
        all.iter().map(|(name, _)| *name).filter(|n| *n != "comment").collect();
    all.push(("site", json!({"type": "string", "default": "default"})));
    let mut schema = object(&all);
    if let Some(object) = schema.as_object_mut() {
        object.insert("required".to_owned(), json!(required));
    }
    schema
}

fn problem() -> Value {
    let part = object(&[("index", integer()), ("pointer", text()), ("detail", text())]);
    json!({
        "type": "object",
        "description": "RFC 9457.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": text(),
            "title": text(),
            "status": integer(),
            "detail": text(),
            "errors": {"type": "array", "items": part}
        }
    })
}

fn info() -> Value {
    object(&[
        ("last_successful_import", json!({"type": "number"})),
        ("imports_failed", integer()),
        ("scans", integer()),
        ("hosts", integer()),
        ("expected", integer()),
        ("version", text()),
        ("time", reference("Time")),
    ])
}

fn text_or_null() -> Value {
    json!({"type": ["string", "null"]})
}

fn texts() -> Value {
    json!({"type": "array", "items": text()})
}

fn service() -> Value {
    object(&[
        ("name", text()),
        ("product", text_or_null()),
        ("version", text_or_null()),
        ("extra", text_or_null()),
        ("cpe", texts()),
        ("tls", json!({"type": "boolean", "description": "Spoken inside TLS from the start."})),
        ("vendor", text_or_null()),
        ("os", text_or_null()),
        ("device", text_or_null()),
        ("tls_info", or_null("Tls")),
        ("ssh", or_null("Ssh")),
    ])
}

fn tls() -> Value {
    object(&[
        ("version", text_or_null()),
        ("cipher", text_or_null()),
        ("alpn", text_or_null()),
        ("accepted", texts()),
        ("fingerprint", text_or_null()),
        ("chain_len", integer()),
        ("certificate", or_null("Certificate")),
    ])
}

fn certificate() -> Value {
    object(&[
        ("subject", text()),
        ("common_name", text_or_null()),
        ("names", texts()),
        ("names_total", integer()),
        ("issuer", text()),
        ("serial", text()),
        ("not_before", reference("Time")),
        ("not_after", reference("Time")),
        ("key", text()),
        ("signature", text()),
        ("sha256", text_or_null()),
        ("self_signed", json!({"type": "boolean"})),
    ])
}

fn ssh() -> Value {
    let key = object(&[
        ("type", text()),
        ("bits", json!({"type": ["integer", "null"]})),
        ("fingerprint", text()),
    ]);
    let lists = ["kex", "host_keys", "ciphers", "macs", "compression"];
    let weakness = object(&["name", "kind", "severity", "why", "source"].map(|n| (n, text())));
    object(&[
        ("software", text_or_null()),
        ("host_keys", json!({"type": "array", "items": key})),
        ("algorithms", object(&lists.map(|name| (name, texts())))),
        (
            "auth_methods",
            json!({
                "type": ["array", "null"],
                "items": text(),
                "description": "Null where it could not be told."
            }),
        ),
        ("weaknesses", json!({"type": "array", "items": weakness})),
        ("terrapin", json!({"type": ["boolean", "null"], "description": "CVE-2023-48795."})),
    ])
}

fn scan() -> Value {
    object(&[
        ("id", integer()),
        ("site", text()),
        ("source", text()),
        ("name", json!({"type": ["string", "null"]})),
        ("started_at", reference("Time")),
        ("finished_at", reference("Time")),
        ("complete", json!({"type": "boolean"})),
        ("pruned", json!({"type": "boolean"})),
        ("endpoints", json!({"type": ["integer", "null"]})),
        ("probes_sent", integer()),
        ("replies", integer()),
        ("open", integer()),
        ("closed", integer()),
        ("filtered", integer()),
        ("loss_estimate", json!({"type": ["number", "null"]})),
        ("coverage", json!({"type": "number"})),
        ("kernel_drops", integer()),
    ])
}

fn runs() -> Value {
    let run = object(&[
        ("id", integer()),
        ("name", text()),
        ("started", json!({"type": "boolean", "description": "False if it ran already."})),
    ]);
    object(&[("runs", json!({"type": "array", "items": run}))])
}

fn scheduled() -> Value {
    let ended = object(&[
        ("id", integer()),
        ("started_at", reference("Time")),
        ("finished_at", reference("Time")),
        ("scan_id", id_or_null()),
        ("error", json!({"type": ["string", "null"]})),
    ]);
    object(&[
        ("name", text()),
        ("site", text()),
        ("cadence", text()),
        ("running", id_or_null()),
        ("next_due", reference("Time")),
        ("last_run", json!({"oneOf": [ended, {"type": "null"}]})),
    ])
}
