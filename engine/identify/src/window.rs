//! How many endpoints of one host are asked at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Endpoints of a host that has shown nothing yet.
const WINDOW_FIRST: usize = 16;
/// Endpoints of a host that seems to drown.
const WINDOW_MIN: usize = 2;
/// Endpoints of a host that keeps up with everything.
const WINDOW_MAX: usize = 16_384;
/// How often a window may double or be halved: what a host makes of a change takes that long to
/// show, for its kernel accepts connections long before its programs are heard of.
const ROUND: Duration = Duration::from_millis(500);

/// Every host's window.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    hosts: Mutex<HashMap<IpAddr, Arc<Window>>>,
}

impl Windows {
    /// The window of `host`.
    pub(crate) fn of(&self, host: IpAddr) -> Arc<Window> {
        let window = || Arc::new(Window::new(Instant::now()));
        Arc::clone(lock(&self.hosts).entry(host).or_insert_with(window))
    }

    /// Forgets `host` where nobody else asks it.
    pub(crate) fn done(&self, host: IpAddr, window: Arc<Window>) {
        let mut hosts = lock(&self.hosts);
        drop(window);
        if hosts.get(&host).is_some_and(|window| Arc::strong_count(window) == 1) {
            hosts.remove(&host);
        }
    }
}

/// How much one host is trusted to stand: it doubles each round as long as connections come
/// about, and is halved when one does not or when a reply is late, as TCP's congestion window
/// (RFC 5681) by loss and Vegas' (Brakmo, Peterson, 1995) by delay.
#[derive(Debug)]
pub(crate) struct Window {
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    size: usize,
    /// By how much it may still grow in this round.
    growth: usize,
    round_began: Instant,
}

/// The right to ask one endpoint, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Window {
    fn new(now: Instant) -> Self {
        let state = State { size: WINDOW_FIRST, growth: 0, round_began: now };
        Self { places: Arc::new(Semaphore::new(WINDOW_FIRST)), state: Mutex::new(state) }
    }

    /// Waits for a place.
    pub(crate) async fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).acquire_owned().await.ok().map(Place)
    }

    /// A connection came about.
    pub(crate) fn widen(&self, now: Instant) {
        let mut state = lock(&self.state);
        if state.begin_round(now) {
            state.growth = state.size.min(WINDOW_MAX.saturating_sub(state.size));
        }
        if state.growth > 0 {
            state.growth -= 1;
            state.size += 1;
            self.places.add_permits(1);
        }
    }

    /// A connection did not come about, or a reply was late.
    pub(crate) fn narrow(&self, now: Instant) {
        let mut state = lock(&self.state);
        state.growth = 0;
        if !state.begin_round(now) {
            return;
        }
        let less = (state.size / 2).min(state.size.saturating_sub(WINDOW_MIN));
        // Only places that are free can go at once; those taken are left as they are.
        state.size -= self.places.forget_permits(less).min(less);
    }
}

impl State {
    /// Begins a round if the last one is over.
    fn begin_round(&mut self, now: Instant) -> bool {
        let over = now.saturating_duration_since(self.round_began) >= ROUND;
        if over {
            self.round_began = now;
        }
        over
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_doubles_and_halves_once_a_round_between_bounds() {
        let mut now = Instant::now();
        let window = Window::new(now);
        let size = || window.places.available_permits();
        window.widen(now);
        assert_eq!(size(), WINDOW_FIRST, "the first round is not over");
        now += ROUND;
        for _ in 0..10 * WINDOW_FIRST {
            window.widen(now);
        }
        assert_eq!(size(), 2 * WINDOW_FIRST);
        for _ in 0..10 {
            window.narrow(now);
        }
        assert_eq!(size(), 2 * WINDOW_FIRST, "this round has had its change");
        for _ in 0..20 {
            now += ROUND;
            window.narrow(now);
            window.narrow(now);
        }
        assert_eq!(size(), WINDOW_MIN);
        for _ in 0..20 {
            now += ROUND;
            (0..2 * WINDOW_MAX).for_each(|_| window.widen(now));
        }
        assert_eq!(size(), WINDOW_MAX);
    }

    #[tokio::test]
    async fn a_host_is_forgotten_with_its_last_user() {
        let windows = Windows::default();
        let host = IpAddr::from([127, 0, 0, 1]);
        let (one, other) = (windows.of(host), windows.of(host));
        windows.done(host, one);
        assert_eq!(windows.hosts.lock().unwrap().len(), 1);
        windows.done(host, other);
        assert_eq!(windows.hosts.lock().unwrap().len(), 0);
    }
}
