//! Interrupts: the first asks for a clean end, the second ends at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::console;
use crate::exit::Exit;

/// Calls `first` at the first SIGINT or SIGTERM, and ends the process at the second.
///
/// # Errors
/// The signal handlers can't be set.
pub(crate) fn on_interrupt(first: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut next = || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
        };
        next();
        console::say("stopping: interrupt again to stop at once");
        first();
        next();
        leave();
    })?;
    Ok(())
}

/// Ends the process at once.
#[expect(clippy::exit, reason = "the second interrupt asks for just that")]
pub(crate) fn leave() {
    std::process::exit(i32::from(Exit::Interrupted.code()));
}
