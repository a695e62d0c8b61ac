//! What went wrong with a request, as RFC 9457 has it said.

use std::fmt;

use portolan_store::StoreError;
use serde::Serialize;
use warp::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use warp::http::{Response, StatusCode};
use warp::reply::Response as WarpResponse;

/// A request that was not done, and why. Answered as `application/problem+json`.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, in a sentence.
    detail: String,
    /// Which parts of the request are wrong, where it has parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<PartError>,
    /// For 405: what would have been allowed.
    #[serde(skip)]
    allow: Option<String>,
    /// Whether the rest of the request is still on its way and nobody will read it.
    #[serde(skip)]
    close: bool,
}

/// What is wrong with one entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PartError {
    /// Position in the list, from 0.
    pub index: usize,
    /// JSON pointer (RFC 6901) to the part.
    pub pointer: String,
    /// What is wrong with it and what was expected.
    pub detail: String,
}

impl Problem {
    /// A problem with this status and sentence.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            allow: None,
            close: false,
        }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405, with the methods that there are.
    pub fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this resource understands {allow}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, detail) }
    }

    /// 413: the body is longer than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body may have {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail).closing()
    }

    /// 500, of which the log says more than the answer.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %Chain(error), "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon failed; its log says why")
    }

    /// What is wrong with which part of the request, sorted.
    pub fn errors(&self) -> &[PartError] {
        &self.errors
    }

    /// The same with what is wrong in which entry.
    #[must_use]
    pub fn with_errors(mut self, mut errors: Vec<PartError>) -> Self {
        errors.sort();
        self.errors = errors;
        self
    }

    /// The same, and the connection ends with it.
    #[must_use]
    pub const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The answer that says it.
    pub fn into_response(self) -> WarpResponse {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(body.into());
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = self.allow.and_then(|a| HeaderValue::from_str(&a).ok()) {
            headers.insert(ALLOW, allow);
        }
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadCursor => Self::bad_request(error.to_string()),
            StoreError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            StoreError::Full { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
            }
            StoreError::ReadOnly | StoreError::Unfinished => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            other => Self::internal(&other),
        }
    }
}

/// An error with all that caused it, in one line.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What an error says may quote what came from outside.
        write!(f, "{}", self.0.to_string().escape_debug())?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {}", error.to_string().escape_debug())?;
            cause = error.source();
        }
        Ok(())
    }
}
