//! The accept loop: so many connections, each with its time limits, and an orderly end.
//!
//! warp's own server sets no timer, so that a head may drip in for ever; this one does. The head's
//! time runs while a kept-alive connection is idle, too.

/// A stream that remembers when it last moved.
mod watched;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use warp::filters::BoxedFilter;
use warp::http::Request;
use warp::reply::Response as WarpResponse;

use crate::config::Limits;
use crate::runner::CancelToken;
use watched::{Activity, Watched};

/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Between two tries to accept when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `filter` on `listener` until `stop` is cancelled, then drains: open requests are
/// answered, within [`Limits::drain_timeout`].
pub async fn serve(
    listener: TcpListener,
    filter: BoxedFilter<(WarpResponse,)>,
    limits: Limits,
    stop: CancelToken,
) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    let stopped = stop.cancelled();
    let mut stopped = pin!(stopped);
    loop {
        let accept = async {
            // The slot comes first: beyond the cap, connections wait in the kernel's queue.
            let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        tokio::select! {
            () = &mut stopped => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            Some((slot, accepted)) = accept => match accepted {
                Ok((stream, peer)) => {
                    tracing::trace!(%peer, "connection accepted");
                    let connection = connection(stream, filter.clone(), limits, stop.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "closing connections that did not end in time");
        connections.shutdown().await;
    }
}

/// A connection that broke before it was accepted is none of our business; a system without
/// descriptors needs a moment.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "no connection could be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

async fn connection(
    stream: TcpStream,
    filter: BoxedFilter<(WarpResponse,)>,
    limits: Limits,
    stop: CancelToken,
) {
    // A socket that can't be told so still works.
    let _refused = stream.set_nodelay(true);
    let activity = Activity::new();
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let inner = TowerToHyperService::new(warp::service(filter));
    let service = service_fn(|request: Request<Incoming>| {
        let busy = activity.busy();
        let answer = inner.call(request);
        async move {
            let response: Result<WarpResponse, Infallible> = answer.await;
            drop(busy);
            response
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(true)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let stalled = activity.stalled(limits.idle_timeout);
    let mut stalled = pin!(stalled);
    let stopped = stop.cancelled();
    let mut stopped = pin!(stopped);
    let mut draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %crate::problem::Chain(&error), "connection ended");
                }
                return;
            }
            () = &mut stalled => {
                tracing::debug!("connection closed: nothing moved");
                return;
            }
            () = &mut stopped, if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
