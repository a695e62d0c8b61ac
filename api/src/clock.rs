//! Time, injected: the scheduler asks a [`Clock`], so that tests can turn its hands.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use portolan_core::UnixTime;

/// The longest single sleep. The wall clock may be set while we sleep: so often we look at it.
const NAP_MAX: Duration = Duration::from_secs(30);

/// Civil time, and waiting for it.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixTime;

    /// Completes when it is `at` or later; at once if it already is.
    fn sleep_until(&self, at: UnixTime) -> BoxFuture<'static, ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep_until(&self, at: UnixTime) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let left = at.as_millis().saturating_sub(Self.now().as_millis());
                let Ok(left @ 1..) = u64::try_from(left) else {
                    return;
                };
                tokio::time::sleep(Duration::from_millis(left).min(NAP_MAX)).await;
            }
        })
    }
}
