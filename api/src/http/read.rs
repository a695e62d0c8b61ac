//! Lists: what the store knows, filtered, a page at a time.

use std::sync::Arc;

use portolan_core::UnixTime;
use portolan_store::{DiffOptions, DiffRow, Filter, Page, PageRequest, ScanId, Side};
use serde::Serialize;
use warp::http::header::{HeaderValue, LINK};
use warp::reply::Response as WarpResponse;

use super::{App, Request, blocking, bytes, dto, json};
use crate::metrics::{self, Snapshot};
use crate::problem::Problem;

/// `GET /metrics`.
pub(super) async fn metrics(app: &Arc<App>) -> Result<WarpResponse, Problem> {
    let app = Arc::clone(app);
    let text = blocking(move || {
        let snapshot = Snapshot {
            summary: app.store.summary()?,
            scans: &app.scheduler.status(),
            store_bytes: app.store.size_bytes(),
            store_read_only: app.store.is_read_only(),
            config: &app.settings().metrics,
        };
        app.metrics.render(&snapshot).map_err(|e| Problem::internal(&e))
    })
    .await?;
    Ok(bytes(metrics::CONTENT_TYPE, text.into_bytes()))
}

#[derive(Serialize)]
struct Info {
    last_successful_import: f64,
    imports_failed: u64,
    scans: u64,
    hosts: u64,
    expected: u64,
    version: &'static str,
    time: Option<String>,
}

/// `GET /v1/info`.
pub(super) async fn info(app: &Arc<App>) -> Result<WarpResponse, Problem> {
    let now = app.clock.now();
    let store = app.store.clone();
    let summary = blocking(move || Ok(store.summary()?)).await?;
    json(&Info {
        last_successful_import: summary.imports_last.map_or(0.0, seconds),
        imports_failed: summary.imports_failed_total,
        scans: summary.scans,
        hosts: summary.hosts,
        expected: summary.expected,
        version: env!("CARGO_PKG_VERSION"),
        time: dto::time(now),
    })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit a double")]
fn seconds(at: UnixTime) -> f64 {
    at.as_millis() as f64 / 1_000.0
}

/// `GET /v1/diff`.
pub(super) async fn diff_expected(
    app: &Arc<App>,
    request: Request,
) -> Result<WarpResponse, Problem> {
    diff(app, request, Side::Expected, Side::Current, dto::Drift::from).await
}

/// `GET /v1/diff/{id1}`.
pub(super) async fn diff_scan(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let id = scan_id("id1", request.param(0))?;
    let against = match request.query.get("against") {
        None | Some("expected") => Side::Expected,
        Some("current") => Side::Current,
        Some(other) => {
            let detail = format!("query parameter against={other:?}: expected or current");
            return Err(Problem::bad_request(detail));
        }
    };
    diff(app, request, Side::Scan(id), against, dto::Change::from).await
}

/// `GET /v1/diff/{id1}/{id2}`.
pub(super) async fn diff_scans(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let from = scan_id("id1", request.param(0))?;
    let to = scan_id("id2", request.param(1))?;
    diff(app, request, Side::Scan(from), Side::Scan(to), dto::Change::from).await
}

async fn diff<R: Serialize + Send + 'static>(
    app: &Arc<App>,
    request: Request,
    from: Side,
    to: Side,
    row: fn(DiffRow) -> R,
) -> Result<WarpResponse, Problem> {
    let options = DiffOptions {
        strict: request.query.flag("strict")?,
        services: request.query.flag("services")?,
    };
    let store = app.store.clone();
    list(request, row, move |filter, page| known(store.diff(from, to, filter, &options, page)?))
        .await
}

/// `GET /v1/expected`.
pub(super) async fn expected(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let store = app.store.clone();
    list(request, dto::Expected::from, move |filter, page| Ok(store.expected(filter, page)?)).await
}

/// `GET /v1/current`.
pub(super) async fn current(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let store = app.store.clone();
    list(request, dto::Current::from, move |filter, page| Ok(store.current(filter, page)?)).await
}

/// `GET /v1/hosts`.
pub(super) async fn hosts(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let store = app.store.clone();
    list(request, dto::Host::from, move |filter, page| Ok(store.hosts(filter, page)?)).await
}

/// `GET /v1/transitions`.
pub(super) async fn transitions(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let store = app.store.clone();
    list(request, dto::Turn::from, move |filter, page| Ok(store.transitions(filter, page)?)).await
}

/// `GET /v1/scans`.
pub(super) async fn scans(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let store = app.store.clone();
    list(request, dto::Scan::from, move |_, page| Ok(store.scans(page)?)).await
}

/// `GET /v1/scan/{id}`.
pub(super) async fn scan(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let id = scan_id("id", request.param(0))?;
    let store = app.store.clone();
    list(request, dto::Found::from, move |filter, page| known(store.scan_states(id, filter, page)?))
        .await
}

/// Reads a page, turns its rows into JSON and links to the next.
async fn list<T, R: Serialize>(
    request: Request,
    row: impl Fn(T) -> R + Send + 'static,
    read: impl FnOnce(&Filter, &PageRequest) -> Result<Page<T>, Problem> + Send + 'static,
) -> Result<WarpResponse, Problem> {
    let filter = request.query.filter()?;
    let page = request.query.page()?;
    let (body, next) = blocking(move || {
        let found = read(&filter, &page)?;
        let rows: Vec<R> = found.items.into_iter().map(row).collect();
        let body = serde_json::to_vec(&rows).map_err(|e| Problem::internal(&e))?;
        Ok((body, found.next))
    })
    .await?;
    let mut response = bytes("application/json", body);
    if let Some(next) = next {
        let link = request.query.next_link(&request.path, &next);
        let link = HeaderValue::from_str(&link).map_err(|e| Problem::internal(&e))?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

fn known<T>(found: Option<T>) -> Result<T, Problem> {
    found.ok_or_else(|| Problem::not_found("there is no scan with this id"))
}

/// A scan's id in a path: a whole number.
pub(super) fn scan_id(name: &str, text: &str) -> Result<ScanId, Problem> {
    let problem =
        |_| Problem::bad_request(format!("{name}: {text:?} is no scan id; expected UNIX seconds"));
    text.parse::<ScanId>().map_err(problem)
}
