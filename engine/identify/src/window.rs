//! How many connections one host is asked over at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections to a host that has shown nothing yet.
const WINDOW_FIRST: usize = 16;
/// Connections to a host that seems to drown.
const WINDOW_MIN: usize = 2;
/// Connections to a host that keeps up with everything.
const WINDOW_MAX: usize = 16_384;

/// Every host's window, and the sockets that all share.
#[derive(Debug)]
pub(crate) struct Windows {
    hosts: Mutex<HashMap<IpAddr, Arc<Window>>>,
    sockets: Arc<Semaphore>,
}

impl Windows {
    /// Windows over `sockets` connections in all.
    pub(crate) fn new(sockets: usize) -> Self {
        let sockets = Arc::new(Semaphore::new(sockets.min(Semaphore::MAX_PERMITS)));
        Self { hosts: Mutex::default(), sockets }
    }

    /// The window of `host`.
    pub(crate) fn of(&self, host: IpAddr) -> Arc<Window> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(host).or_insert_with(|| {
            let places = Arc::new(Semaphore::new(WINDOW_FIRST));
            let sockets = Arc::clone(&self.sockets);
            Arc::new(Window { places, size: AtomicUsize::new(WINDOW_FIRST), sockets })
        }))
    }

    /// Forgets `host` where nobody else asks it.
    pub(crate) fn done(&self, host: IpAddr, window: Arc<Window>) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        drop(window);
        if hosts.get(&host).is_some_and(|window| Arc::strong_count(window) == 1) {
            hosts.remove(&host);
        }
    }
}

/// How much one host is trusted to stand: it doubles each round trip as long as connections come
/// about, and is halved when one does not, as TCP's congestion window (RFC 5681).
#[derive(Debug)]
pub(crate) struct Window {
    places: Arc<Semaphore>,
    size: AtomicUsize,
    sockets: Arc<Semaphore>,
}

/// The right to one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _host: OwnedSemaphorePermit,
    _socket: OwnedSemaphorePermit,
}

impl Window {
    /// Waits for a place.
    pub(crate) async fn place(&self) -> Option<Place> {
        let host = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let socket = Arc::clone(&self.sockets).acquire_owned().await.ok()?;
        Some(Place { _host: host, _socket: socket })
    }

    /// A connection came about.
    pub(crate) fn widen(&self) {
        if self.size.load(Ordering::Relaxed) < WINDOW_MAX {
            self.size.fetch_add(1, Ordering::Relaxed);
            self.places.add_permits(1);
        }
    }

    /// A connection did not come about, at an endpoint that is known to be open.
    pub(crate) fn narrow(&self) {
        let size = self.size.load(Ordering::Relaxed);
        let less = (size / 2).min(size.saturating_sub(WINDOW_MIN));
        // Only places that are free can go at once; those taken are left as they are.
        let gone = self.places.forget_permits(less);
        self.size.fetch_sub(gone, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_widens_and_narrows_between_bounds() {
        let windows = Windows::new(100_000);
        let host = IpAddr::from([127, 0, 0, 1]);
        let window = windows.of(host);
        for _ in 0..10 {
            window.narrow();
        }
        assert_eq!(window.places.available_permits(), WINDOW_MIN);
        for _ in 0..2 * WINDOW_MAX {
            window.widen();
        }
        assert_eq!(window.places.available_permits(), WINDOW_MAX);
    }

    #[tokio::test]
    async fn a_host_is_forgotten_with_its_last_user() {
        let windows = Windows::new(10);
        let host = IpAddr::from([127, 0, 0, 1]);
        let (one, other) = (windows.of(host), windows.of(host));
        windows.done(host, one);
        assert_eq!(windows.hosts.lock().unwrap().len(), 1);
        windows.done(host, other);
        assert_eq!(windows.hosts.lock().unwrap().len(), 0);
    }
}
