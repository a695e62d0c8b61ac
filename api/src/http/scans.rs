//! Scans: posting reports, starting runs, pruning.

use std::io::BufReader;
use std::sync::Arc;

use portolan_core::UnixTime;
use portolan_store::{ScanId, SiteName};
use warp::http::StatusCode;
use warp::http::header::{HeaderValue, LOCATION};
use warp::reply::Response as WarpResponse;

use super::{App, Request, blocking, body, dto, json, no_content, read};
use crate::importer::{self, ImportFailure};
use crate::problem::Problem;
use crate::scheduler::RunNowError;

/// `POST /v1/scan`: another program's report becomes a scan.
pub(super) async fn import(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let media_type = body::media_type(&request.headers);
    let plain = matches!(
        media_type.as_str(),
        "text/plain" | "application/x-ndjson" | "application/octet-stream"
    );
    if !(body::is_xml(&media_type) || body::is_json(&media_type) || plain) {
        let expected = "application/xml (nmap -oX), application/json (masscan -oJ) or text/plain (masscan -oL)";
        return Err(body::unsupported(&media_type, expected));
    }
    let site = request.query.site()?.unwrap_or_default();
    let app = Arc::clone(app);
    let id = blocking(move || post(&app, &request.body, site)).await?;
    let mut response = no_content();
    let location = HeaderValue::from_str(&format!("/v1/scan/{id}"));
    response.headers_mut().insert(LOCATION, location.map_err(|e| Problem::internal(&e))?);
    Ok(response)
}

fn post(app: &App, report: &[u8], site: SiteName) -> Result<ScanId, Problem> {
    let reader = BufReader::new(report);
    let outcome = importer::import(&app.store, &app.metrics, reader, site, app.clock.now());
    outcome.map_err(|failure| match failure {
        ImportFailure::Unknown => {
            Problem::bad_request("neither nmap XML nor masscan JSON nor a masscan list")
        }
        ImportFailure::Report(error) => {
            Problem::bad_request(format!("the report can't be read: {error}"))
        }
        ImportFailure::Read(error) => Problem::internal(&error),
        ImportFailure::Store(error) => error.into(),
    })
}

/// `POST /v1/run` and `POST /v1/run/{name}`.
pub(super) async fn run(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let name = request.params.first().cloned();
    let started = app.scheduler.run_now(name).await.map_err(|error| match error {
        RunNowError::Unknown(_) => Problem::not_found(error.to_string()),
        RunNowError::Stopping => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    })?;
    let runs = started.into_iter().map(dto::Run::from).collect();
    let mut response = json(&dto::RunsStarted { runs })?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// `GET /v1/schedule`.
pub(super) fn schedule(app: &Arc<App>) -> Result<WarpResponse, Problem> {
    let status = app.scheduler.status();
    let rows: Vec<dto::Scheduled> = status.iter().map(dto::Scheduled::from).collect();
    json(&rows)
}

/// `DELETE /v1/scans` and `DELETE /v1/scans/{keep}`: one transaction, strictly before `keep`.
pub(super) async fn prune(app: &Arc<App>, request: Request) -> Result<WarpResponse, Problem> {
    let keep = match request.params.first() {
        None => app.clock.now(),
        Some(text) => UnixTime::from_seconds(read::scan_id("keep", text)?.as_i64()),
    };
    let store = app.store.clone();
    let outcome = blocking(move || Ok(store.prune(keep)?)).await?;
    tracing::info!(scans = outcome.scans, endpoints = outcome.endpoints, "pruned");
    Ok(no_content())
}
