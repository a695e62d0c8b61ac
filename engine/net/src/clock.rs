//! The clocks: one monotonic, one civil, read together once.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portolan_core::{Timestamp, UnixTime};

/// A scan's clock: its zero is the moment it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanClock {
    start: Instant,
    epoch: UnixTime,
}

impl ScanClock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Self { start: Instant::now(), epoch: UnixTime::from_millis(millis) }
    }

    /// Since the start.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.start.elapsed()
    }

    /// Since the start, as a span.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Civil time of the start; later civil times are this plus what the monotonic clock says, so
    /// that a step of the civil clock in mid-scan does not show.
    pub(crate) const fn epoch(&self) -> UnixTime {
        self.epoch
    }

    /// Civil time now.
    pub(crate) fn unix_now(&self) -> UnixTime {
        self.epoch.after(self.start.elapsed())
    }
}
