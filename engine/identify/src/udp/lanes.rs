//! How many UDP ports of one host are asked at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Ports of one host that are asked at once, each 40 datagrams a second at most. A connection
/// tells when a host can't keep up; datagrams don't, so this is fixed.
const OF_HOST_MAX: usize = 64;

/// Every host's share.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    hosts: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

impl Lanes {
    /// Waits until a port of `host` may be asked.
    pub(crate) async fn enter(&self, host: IpAddr) -> Option<OwnedSemaphorePermit> {
        let lane = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let lane = || Arc::new(Semaphore::new(OF_HOST_MAX));
            Arc::clone(hosts.entry(host).or_insert_with(lane))
        };
        lane.acquire_owned().await.ok()
    }

    /// Leaves, and forgets `host` where nobody else asks it.
    pub(crate) fn leave(&self, host: IpAddr, lane: Option<OwnedSemaphorePermit>) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        drop(lane);
        if hosts.get(&host).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            hosts.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_is_forgotten_with_its_last_port() {
        let lanes = Lanes::default();
        let host = IpAddr::from([127, 0, 0, 1]);
        let (one, other) = (lanes.enter(host).await, lanes.enter(host).await);
        lanes.leave(host, one);
        assert_eq!(lanes.hosts.lock().unwrap().len(), 1);
        lanes.leave(host, other);
        assert_eq!(lanes.hosts.lock().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_host_has_as_many_as_it_may() {
        let lanes = Lanes::default();
        let host = IpAddr::from([127, 0, 0, 1]);
        let mut held = Vec::new();
        for _ in 0..OF_HOST_MAX {
            held.push(lanes.enter(host).await);
        }
        let hosts = lanes.hosts.lock().unwrap();
        assert_eq!(hosts[&host].available_permits(), 0);
    }
}
