//! What the engine needs to know of UDP payloads, without knowing any protocol.

/// Payloads by port; implemented where the protocols are known.
pub trait UdpPayloads: Send + Sync {
    /// What to send to `port`, cookie fields zero; empty where nothing is usual.
    fn template(&self, port: u16) -> &[u8];

    /// Writes `cookie` into a copy of the template, where the protocol has a field that is echoed.
    fn patch(&self, port: u16, payload: &mut [u8], cookie: u64);

    /// Whether `reply` echoes `cookie`.
    fn check(&self, port: u16, reply: &[u8], cookie: u64) -> Echo;

    /// Whether servers of `port` answer from another port, as TFTP's do (RFC 1350 §4).
    fn answers_from_elsewhere(&self, port: u16) -> bool {
        let _ = port;
        false
    }
}

/// What a reply's payload says of the probe it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// It carries our cookie.
    Confirmed,
    /// It carries something else where our cookie should be.
    Contradicted,
    /// The protocol, or this reply, echoes nothing.
    Unknown,
}

/// Empty datagrams everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPayloads;

impl UdpPayloads for NoPayloads {
    fn template(&self, _port: u16) -> &[u8] {
        &[]
    }

    fn patch(&self, _port: u16, _payload: &mut [u8], _cookie: u64) {}

    fn check(&self, _port: u16, _reply: &[u8], _cookie: u64) -> Echo {
        Echo::Unknown
    }
}
