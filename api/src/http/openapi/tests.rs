use std::collections::BTreeSet;

use super::*;

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            documented.insert((method.to_uppercase(), path.clone()));
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        }
    }
    let routed: BTreeSet<_> = ROUTES
        .iter()
        .flat_map(|r| r.operations.iter().map(|o| (o.method.to_string(), r.template.to_owned())))
        .collect();
    assert_eq!(documented, routed);
    assert_eq!(ROUTES.len(), paths.len(), "a template is there twice");
}

#[test]
fn every_parameter_is_described() {
    for route in ROUTES {
        let in_path: BTreeSet<_> = params(route).iter().map(|p| p["name"].to_string()).collect();
        assert_eq!(in_path.len(), route.template.matches('{').count(), "{}", route.template);
        for name in route.operations.iter().flat_map(|o| o.query) {
            assert_ne!(parameter(name)["description"], "", "{name}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_ids_are_unique() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, "$ref", &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut ids = Vec::new();
    collect(&document, "operationId", &mut ids);
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn the_text_is_the_document() {
    let read: Value = serde_json::from_str(text()).unwrap();
    assert_eq!(read, document());
    assert_eq!(read["openapi"], "3.1.0");
}

fn collect(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                match inner {
                    Value::String(text) if name == key => found.push(text.clone()),
                    _ => collect(inner, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, found)),
        _ => {}
    }
}
