//! What one endpoint may cost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::options::Options;

/// Octets and time that are left for one endpoint, over all conversations with it.
#[derive(Debug)]
pub(crate) struct Budget {
    octets: AtomicUsize,
    until: Instant,
}

impl Budget {
    /// The whole of it, from `now` on.
    pub(crate) fn new(options: &Options, now: Instant) -> Self {
        let until = now + options.endpoint_time_max;
        Self { octets: AtomicUsize::new(options.endpoint_octets_max), until }
    }

    /// Time begins again at `now`; octets do not.
    pub(crate) fn begin_again(&mut self, time: Duration, now: Instant) {
        self.until = now + time;
    }

    /// When time is up.
    pub(crate) const fn until(&self) -> Instant {
        self.until
    }

    /// Octets that may still be read.
    pub(crate) fn octets(&self) -> usize {
        self.octets.load(Ordering::Relaxed)
    }

    /// Takes `count` octets that were read.
    pub(crate) fn spend(&self, count: usize) {
        let less = |left: usize| Some(left.saturating_sub(count));
        // The closure always gives a number, so nothing can fail.
        let _ = self.octets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn octets_run_out_and_do_not_come_back() {
        let options = Options { endpoint_octets_max: 10, ..Options::default() };
        let budget = Budget::new(&options, Instant::now());
        budget.spend(4);
        assert_eq!(budget.octets(), 6);
        budget.spend(7);
        assert_eq!(budget.octets(), 0);
    }
}
