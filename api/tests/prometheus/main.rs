//! A real Prometheus scrapes the daemon. A program of its own: a store that is being opened while
//! another test starts a process may find its lock taken by the child for a moment.

#[cfg(test)]
#[expect(dead_code, reason = "the daemon's own tests use the rest")]
#[path = "../daemon/client.rs"]
mod client;
#[cfg(test)]
#[expect(dead_code, reason = "the daemon's own tests use the rest")]
#[path = "../daemon/lab.rs"]
mod lab;
#[cfg(test)]
#[expect(dead_code, reason = "the daemon's own tests use the rest")]
#[path = "../daemon/network.rs"]
mod network;
#[cfg(test)]
mod scrape;
