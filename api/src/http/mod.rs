//! HTTP: routes, what requests say, what answers say.
//!
//! One warp filter takes a request apart; a table of `routes` says who answers it. So a wrong
//! method is a 405 with `Allow`, an unknown parameter a 400, and metrics and documentation know
//! every route by its template.

/// Reads the bodies of requests.
mod body;
/// The rows of answers.
mod dto;
/// The expected state.
mod expected;
/// The description of all this.
pub mod openapi;
/// What a request's query says.
mod query;
/// Lists.
mod read;
/// Which paths and methods there are.
pub mod routes;
/// Scans: posting, running, pruning.
mod scans;

pub use expected::check_expectations;
pub use query::check_query;

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::{Stream, StreamExt as _};
use hyper::body::Buf;
use portolan_store::Store;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use warp::http::{Method, Response, StatusCode};
use warp::path::FullPath;
use warp::reply::Response as WarpResponse;

use crate::auth::{AccessRules, Refusal};
use crate::clock::Clock;
use crate::config::{Limits, MetricsConfig};
use crate::metrics::{HttpLabels, Metrics};
use crate::problem::Problem;
use crate::scheduler::SchedulerHandle;
use query::Query;
use routes::{BodyKind, Lookup, Op, Operation};

/// Most reports that are read at once: each may take a multiple of its size in memory.
const IMPORTS_AT_ONCE: usize = 2;

/// What the handlers work with.
pub struct App {
    /// Remembers.
    pub store: Store,
    /// Starts scans.
    pub scheduler: SchedulerHandle,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Bounds on bodies.
    pub limits: Limits,
    settings: RwLock<Settings>,
    imports: Semaphore,
}

/// What a reload may change.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may write.
    pub access: AccessRules,
    /// What `/metrics` shows.
    pub metrics: MetricsConfig,
}

impl App {
    /// Puts the parts together.
    pub fn new(
        store: Store,
        scheduler: SchedulerHandle,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        limits: Limits,
        settings: Settings,
    ) -> Self {
        let imports = Semaphore::new(IMPORTS_AT_ONCE);
        Self { store, scheduler, metrics, clock, limits, settings: RwLock::new(settings), imports }
    }

    /// Replaces what a reload may change; requests that are being answered keep the old.
    pub fn set_settings(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A request whose route and query are known to make sense.
struct Request {
    params: Vec<String>,
    path: String,
    query: Query,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }
}

/// Every route as one filter that never rejects.
pub fn filter(app: Arc<App>) -> BoxedFilter<(WarpResponse,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method, path, query, headers, body| {
            let app = Arc::clone(&app);
            async move { answer(&app, method, path, query, headers, body).await }
        })
        .boxed()
}

async fn answer<S, B>(
    app: &Arc<App>,
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    body: S,
) -> WarpResponse
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let started = Instant::now();
    let lookup = routes::find(&method, path.as_str());
    let route = lookup.template();
    let outcome = match lookup {
        Lookup::Found { operation, params, .. } => {
            let head = Head { operation, params, path: path.as_str(), query: &query, headers };
            head.answer(app, body).await
        }
        Lookup::Options { allow, .. } => options(&allow),
        Lookup::OtherMethods { allow, .. } => Err(Problem::method_not_allowed(allow)),
        Lookup::EmptyParam { name, .. } => {
            Err(Problem::bad_request(format!("{name} must not be empty")))
        }
        Lookup::Unknown => Err(Problem::not_found("there is nothing at this path")),
    };
    let response = outcome.unwrap_or_else(Problem::into_response);
    let code = response.status().as_u16();
    app.metrics.http(HttpLabels { method: method_label(&method), route, code }, started.elapsed());
    let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(method = ?method, path = ?path.as_str(), code, elapsed_us, "request");
    response
}

struct Head<'a> {
    operation: &'static Operation,
    params: Vec<String>,
    path: &'a str,
    query: &'a str,
    headers: HeaderMap,
}

impl Head<'_> {
    async fn answer<S, B>(self, app: &Arc<App>, body: S) -> Result<WarpResponse, Problem>
    where
        S: Stream<Item = Result<B, warp::Error>> + Send,
        B: Buf + Send,
    {
        let rules = app.settings().access;
        rules.check(&self.headers, self.operation.writes()).map_err(|refusal| {
            app.metrics.refused();
            tracing::warn!(path = ?self.path, %refusal, "request refused");
            refused(refusal)
        })?;
        let query = Query::parse(self.query, self.operation.query)?;
        let limit = match self.operation.body {
            BodyKind::None => 0,
            BodyKind::Small => app.limits.body_bytes_max,
            BodyKind::Report => app.limits.report_bytes_max,
        };
        // Held from before the body is read: it is the bodies that are large.
        let _permit = match self.operation.body {
            BodyKind::Report => app.imports.acquire().await.ok(),
            BodyKind::None | BodyKind::Small => None,
        };
        let body = match self.operation.body {
            // What nobody asked for is not read, so nothing can be hidden in it for the next.
            BodyKind::None => Vec::new(),
            BodyKind::Small | BodyKind::Report => {
                let chunks = body.map(|chunk| chunk.map_err(|_| ()));
                body::read(chunks, &self.headers, limit, app.limits.body_timeout).await?
            }
        };
        let path = self.path.to_owned();
        let request = Request { params: self.params, path, query, headers: self.headers, body };
        dispatch(app, self.operation.op, request).await
    }
}

async fn dispatch(app: &Arc<App>, op: Op, request: Request) -> Result<WarpResponse, Problem> {
    match op {
        Op::Hello => Ok(text("text/plain; charset=utf-8", "hello\n")),
        Op::Health => Ok(text("application/json", r#"{"status":"ok"}"#)),
        Op::OpenApi => Ok(text("application/json", openapi::text())),
        Op::Metrics => read::metrics(app).await,
        Op::Info => read::info(app).await,
        Op::DiffExpected => read::diff_expected(app, request).await,
        Op::DiffScan => read::diff_scan(app, request).await,
        Op::DiffScans => read::diff_scans(app, request).await,
        Op::Current => read::current(app, request).await,
        Op::Hosts => read::hosts(app, request).await,
        Op::Transitions => read::transitions(app, request).await,
        Op::Expected => read::expected(app, request).await,
        Op::Scans => read::scans(app, request).await,
        Op::Scan => read::scan(app, request).await,
        Op::Schedule => scans::schedule(app),
        Op::PatchExpected => expected::patch(app, request).await,
        Op::DeleteExpected => expected::delete(app, request).await,
        Op::Prune => scans::prune(app, request).await,
        Op::PostScan => scans::import(app, request).await,
        Op::Run => scans::run(app, request).await,
    }
}

fn refused(refusal: Refusal) -> Problem {
    let status = match refusal {
        Refusal::NoToken | Refusal::WrongToken => StatusCode::UNAUTHORIZED,
        Refusal::ForeignOrigin => StatusCode::FORBIDDEN,
        Refusal::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
    };
    Problem::new(status, refusal.to_string()).closing()
}

fn options(allow: &str) -> Result<WarpResponse, Problem> {
    let mut response = no_content();
    let value = HeaderValue::from_str(allow).map_err(|e| Problem::internal(&e))?;
    response.headers_mut().insert(ALLOW, value);
    Ok(response)
}

fn method_label(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

fn no_content() -> WarpResponse {
    let mut response = Response::new(Vec::new().into());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn text(content_type: &'static str, text: &'static str) -> WarpResponse {
    bytes(content_type, text.as_bytes().to_vec())
}

fn bytes(content_type: &'static str, body: Vec<u8>) -> WarpResponse {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json(value: &impl serde::Serialize) -> Result<WarpResponse, Problem> {
    let body = serde_json::to_vec(value).map_err(|e| Problem::internal(&e))?;
    Ok(bytes("application/json", body))
}

/// Runs what waits for the disk where waiting harms nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Problem::internal(&e))?
}
