//! What the tests of the binary share.

use std::net::{SocketAddr, TcpListener};

use assert_cmd::Command;

/// The binary, with nothing of the caller's environment that would change what it does.
pub(crate) fn portolan() -> Command {
    let mut command = Command::cargo_bin("portolan").unwrap();
    for name in ["PORTOLAN_LOG", "PORTOLAN_DATA", "PORTOLAN_CONFIG", "PORTOLAN_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command.timeout(std::time::Duration::from_mins(1));
    command
}

/// A listener on loopback, on a port from the system.
pub(crate) fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
