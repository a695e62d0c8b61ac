//! The expected state: `PATCH` and `DELETE`, all of a request or nothing of it.

use std::collections::HashMap;
use std::sync::Arc;

use portolan_core::target::{AddrRange, PortSpec, TargetSpec};
use portolan_core::{PortState, Transport};
use portolan_store::{ExpectError, Expectation, PageRequest, Selector, SiteName};
use serde_json::{Map, Value};
use warp::reply::Response as WarpResponse;

use super::{App, Request, blocking, body, no_content};
use crate::problem::{PartError, Problem};

/// Most bytes of a comment, as the store has it.
const COMMENT_BYTES_MAX: usize = 1_024;
/// Most wrong entries that are told of.
const ERRORS_MAX: usize = 1_000;

/// What is wrong with an entry: the field and a sentence.
type FieldErrors = Vec<(&'static str, String)>;

/// `PATCH /v1/expected`.
pub(super) async fn patch(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let entries = entries(&request)?;
    let expectations = read_all(&entries, read_expectation, |e| &e.selector)?;
    let store = app.store.clone();
    let outcome = blocking(move || Ok(store.expect(&expectations))).await?;
    match outcome {
        Ok(()) => Ok(no_content()),
        Err(ExpectError::Store(error)) => Err(error.into()),
        Err(ExpectError::Invalid(list)) => {
            let errors = list.into_iter().map(|(index, problem)| part(index, "", problem));
            Err(refused(errors.collect()))
        }
    }
}

/// `DELETE /v1/expected`: selectors in the body, or filters in the query.
pub(super) async fn delete(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let store = app.store.clone();
    if request.query.is_empty() {
        let entries = entries(&request)?;
        let selectors = read_all(&entries, read_selector, |s| s)?;
        blocking(move || Ok(store.unexpect(&selectors)?)).await?;
        return Ok(no_content());
    }
    if !request.body.is_empty() {
        return Err(Problem::bad_request(
            "selectors in the body and filters in the query; use one",
        ));
    }
    let filter = request.query.filter()?;
    blocking(move || {
        let found = store.expected(&filter, &PageRequest::all())?;
        let selectors: Vec<Selector> = found.items.into_iter().map(|e| e.selector).collect();
        Ok(store.unexpect(&selectors)?)
    })
    .await?;
    Ok(no_content())
}

/// Reads octets as the body of `PATCH /v1/expected`; how many expectations they hold.
///
/// # Errors
/// The problem that a client would be told of.
pub fn check_expectations(body: &[u8]) -> Result<usize, Problem> {
    read_all(&array(body)?, read_expectation, |e| &e.selector).map(|all| all.len())
}

/// The body's array.
fn entries(request: &Request) -> Result<Vec<Value>, Problem> {
    let media_type = body::media_type(&request.headers);
    if !body::is_json(&media_type) {
        return Err(body::unsupported(&media_type, "application/json"));
    }
    array(&request.body)
}

fn array(body: &[u8]) -> Result<Vec<Value>, Problem> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| Problem::bad_request(format!("the body is no JSON: {e}")))?;
    match value {
        Value::Array(entries) => Ok(entries),
        _ => Err(Problem::bad_request("the body is no array; expected [{\"address\":…},…]")),
    }
}

/// Reads every entry; one that is wrong, or is there twice, refuses them all.
fn read_all<T>(
    entries: &[Value],
    read: fn(&Fields<'_>) -> Result<T, FieldErrors>,
    key: fn(&T) -> &Selector,
) -> Result<Vec<T>, Problem> {
    let mut errors = Vec::new();
    let mut all = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let outcome = match entry {
            Value::Object(map) => read(&Fields(map)),
            _ => Err(vec![("", "expected an object".to_owned())]),
        };
        match outcome {
            Ok(value) => all.push((index, value)),
            Err(list) => errors.extend(list.into_iter().map(|(field, e)| part(index, field, e))),
        }
    }
    let mut seen: HashMap<&Selector, usize> = HashMap::new();
    for (index, value) in &all {
        if let Some(first) = seen.insert(key(value), *index) {
            errors.push(part(*index, "", format!("speaks of the same as entry {first}")));
            errors.push(part(first, "", format!("speaks of the same as entry {index}")));
        }
    }
    if errors.is_empty() {
        Ok(all.into_iter().map(|(_, value)| value).collect())
    } else {
        Err(refused(errors))
    }
}

fn refused(mut errors: Vec<PartError>) -> Problem {
    let mut wrong: Vec<usize> = errors.iter().map(|e| e.index).collect();
    wrong.sort_unstable();
    wrong.dedup();
    let detail = format!("{} of the entries can't be accepted; nothing was changed", wrong.len());
    errors.sort();
    errors.truncate(ERRORS_MAX);
    Problem::bad_request(detail).with_errors(errors)
}

fn part(index: usize, field: &str, detail: String) -> PartError {
    let pointer = if field.is_empty() { format!("/{index}") } else { format!("/{index}/{field}") };
    PartError { index, pointer, detail }
}

/// An entry's fields; like portmantool's, their names are matched without regard to case.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let exact = self.0.get(name);
        let alike = || self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        exact.or_else(|| alike().map(|(_, value)| value)).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{other}; expected text")),
        }
    }

    fn required<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        parse(self.text(name)?.ok_or_else(|| "is missing".to_owned())?)
    }
}

fn read_expectation(fields: &Fields<'_>) -> Result<Expectation, FieldErrors> {
    let mut errors = Vec::new();
    let selector = read_selector(fields).map_err(|e| errors.extend(e)).ok();
    let state =
        fields.required("state", |text| text.parse::<PortState>().map_err(|e| e.to_string()));
    let state = note(&mut errors, "state", state);
    let comment = fields.text("comment").and_then(|text| {
        let text = text.unwrap_or_default();
        if text.len() > COMMENT_BYTES_MAX {
            return Err(format!("longer than {COMMENT_BYTES_MAX} bytes"));
        }
        Ok(text.to_owned())
    });
    let comment = note(&mut errors, "comment", comment);
    match (selector, state, comment) {
        (Some(selector), Some(state), Some(comment)) => {
            Ok(Expectation { selector, state, comment })
        }
        _ => Err(errors),
    }
}

fn read_selector(fields: &Fields<'_>) -> Result<Selector, FieldErrors> {
    let mut errors = Vec::new();
    let addrs = note(&mut errors, "address", fields.required("address", address));
    let ports = note(&mut errors, "port", ports(fields.get("port")));
    let transport =
        fields.required("protocol", |t| t.parse::<Transport>().map_err(|e| e.to_string()));
    let transport = note(&mut errors, "protocol", transport);
    let site = fields.text("site").and_then(|text| {
        let site = text.map(|t| t.parse::<SiteName>().map_err(|e| e.to_string()));
        Ok(site.transpose()?.unwrap_or_default())
    });
    let site = note(&mut errors, "site", site);
    match (site, addrs, transport, ports) {
        (Some(site), Some(addrs), Some(transport), Some(ports)) => {
            Ok(Selector { site, addrs, transport, ports })
        }
        _ => Err(errors),
    }
}

fn note<T>(errors: &mut FieldErrors, field: &'static str, outcome: Result<T, String>) -> Option<T> {
    outcome.map_err(|e| errors.push((field, e))).ok()
}

/// `10.0.0.1`, `10.0.0.0/24` or `10.0.0.1-10.0.0.9`.
fn address(text: &str) -> Result<AddrRange, String> {
    let fail = || format!("{text:?}; expected an address, a CIDR block or a range first-last");
    if text.contains(|c: char| c == ',' || c.is_whitespace()) {
        return Err(fail());
    }
    let spec: TargetSpec = text.parse().map_err(|e| format!("{e}"))?;
    match (spec.names(), spec.addrs().ranges()) {
        ([], [range]) => Ok(*range),
        _ => Err(fail()),
    }
}

/// `22` or `"8000-8100"`.
fn ports(value: Option<&Value>) -> Result<(u16, u16), String> {
    match value {
        None => Err("is missing".to_owned()),
        Some(Value::Number(number)) => {
            let port = number.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
            port.map(|p| (p, p)).ok_or_else(|| format!("{number}; expected 1 to 65535"))
        }
        Some(Value::String(text)) => {
            let spec = PortSpec::parse(text, &|_| Vec::new()).map_err(|e| e.to_string())?;
            let one_range = spec.tcp.is_empty() && spec.udp.is_empty() && !text.contains(',');
            match spec.any.ranges() {
                [range] if one_range => Ok(*range),
                _ => Err(format!("{text:?}; expected one port or one range, as in \"8000-8100\"")),
            }
        }
        Some(other) => Err(format!("{other}; expected a number, or a range as text")),
    }
}
