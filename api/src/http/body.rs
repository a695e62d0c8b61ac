//! Reads the bodies of requests, so many bytes and so long.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use hyper::body::Buf;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};

use crate::problem::Problem;

/// The whole body.
///
/// # Errors
/// 413 above `limit` bytes, told before anything is read where the length is announced; 408 after
/// `timeout`; 400 where the connection ends too early.
pub(super) async fn read<B: Buf>(
    chunks: impl Stream<Item = Result<B, ()>> + Send,
    headers: &HeaderMap,
    limit: usize,
    timeout: Duration,
) -> Result<Vec<u8>, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(Problem::too_large(limit));
    }
    let reading = async {
        let mut body = Vec::new();
        let mut chunks = std::pin::pin!(chunks);
        while let Some(chunk) = chunks.next().await {
            let Ok(mut chunk) = chunk else {
                return Err(Problem::bad_request("the body ended too early").closing());
            };
            if body.len().saturating_add(chunk.remaining()) > limit {
                return Err(Problem::too_large(limit));
            }
            while chunk.has_remaining() {
                let part = chunk.chunk();
                body.extend_from_slice(part);
                let len = part.len();
                chunk.advance(len);
            }
        }
        Ok(body)
    };
    let late = || {
        let seconds = timeout.as_secs_f32();
        let detail = format!("the body did not arrive within {seconds} seconds");
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).closing()
    };
    tokio::time::timeout(timeout, reading).await.map_err(|_| late())?
}

/// The media type in lower case, without parameters; empty where none is given.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type is JSON: `application/json`, `text/json` or `…+json` (RFC 6839).
pub(super) fn is_json(media_type: &str) -> bool {
    matches!(media_type, "application/json" | "text/json") || media_type.ends_with("+json")
}

/// Whether a media type is XML: `application/xml`, `text/xml` or `…+xml` (RFC 7303).
pub(super) fn is_xml(media_type: &str) -> bool {
    matches!(media_type, "application/xml" | "text/xml") || media_type.ends_with("+xml")
}

/// 415, with what would be understood.
pub(super) fn unsupported(media_type: &str, expected: &str) -> Problem {
    let given = if media_type.is_empty() {
        "no Content-Type".to_owned()
    } else {
        format!("{media_type:?}")
    };
    let detail = format!("{given}; expected {expected}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).closing()
}
