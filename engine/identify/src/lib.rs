//! Asks open ports what answers there: bounded conversations over kernel sockets, and what the
//! answers tell.
//!
//! To read: [`target`], what is asked; [`options`], how; [`identified`], what came of it.
//! Inside: `course`, in which order an endpoint is asked what; `question`, one conversation;
//! `evidence`, what the answers say together; `interview`, all of it for one endpoint; `window`,
//! how much a host is trusted to stand.

#![forbid(unsafe_code)]

/// What one endpoint may cost.
mod budget;
/// The way to one endpoint.
mod caller;
/// In which order an endpoint is asked what.
mod course;
/// One endpoint, from the first connection to what is told of it.
mod endpoint;
/// What an endpoint's answers say together.
mod evidence;
/// Listening to one connection.
mod hearing;
/// Pages and what they lead to.
mod http;
/// What came of it.
pub mod identified;
/// All questions to one endpoint.
mod interview;
/// How to ask.
pub mod options;
/// How long to wait for what.
mod pace;
/// One question to an endpoint.
mod question;
pub mod ssh;
/// What is asked.
pub mod target;
pub mod tls;
/// Asking UDP ports.
mod udp;
/// How many connections one host is asked over at once.
mod window;

pub use identified::Identified;
pub use options::Options;
pub use target::Target;

use std::sync::Arc;

use portolan_fingerprints::Database;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinSet;

use crate::endpoint::{Shared, identify_one};
use crate::interview::OPEN_MAX;

/// Endpoints that are asked at once, unless the options say.
const ENDPOINTS_MAX: usize = 2_048;

/// Asks every endpoint that comes out of `targets`, many at a time, and tells `found` what came of
/// each, each once, in the order in which they are done.
///
/// Each is bounded as `options` say, whatever it does. Ends when `targets` is closed and
/// everything has been told, or when nobody listens to `found` any more; what is under way is
/// then broken off.
pub async fn identify(
    mut targets: Receiver<Target>,
    found: Sender<Identified>,
    options: &Options,
    database: &'static Database,
) {
    let sockets = options.sockets.max(1);
    // With sockets for all their questions, none waits for one while it holds others.
    let endpoints = (sockets / OPEN_MAX).min(options.concurrency.unwrap_or(ENDPOINTS_MAX)).max(1);
    let shared = Arc::new(Shared::new(options, database));
    let places = Arc::new(Semaphore::new(endpoints.min(Semaphore::MAX_PERMITS)));
    let mut asking = JoinSet::new();
    loop {
        let target = tokio::select! {
            target = targets.recv() => target,
            () = found.closed() => return,
            // Those that are done are let go of at once.
            Some(_) = asking.join_next() => continue,
        };
        let Some(target) = target else { break };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let (shared, found) = (Arc::clone(&shared), found.clone());
        asking.spawn(async move {
            let told = identify_one(&shared, target).await;
            // If nobody listens any more, the loop above ends.
            let _ = found.send(told).await;
            drop(place);
        });
    }
    tokio::select! {
        () = async { while asking.join_next().await.is_some() {} } => {}
        () = found.closed() => {}
    }
}
