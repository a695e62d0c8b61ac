//! `SSH_MSG_KEXINIT`: what a server offers (RFC 4253 §7.1).

use super::fault::Fault;
use super::wire::{Reader, put_string, put_uint32};

/// `SSH_MSG_KEXINIT` (RFC 4250 §4.1.2).
pub const KEXINIT: u8 = 20;

/// Names of algorithms that may differ between the two directions, each in the server's order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Directed {
    /// The same in both directions.
    Same(Vec<String>),
    /// Different ones.
    Differing {
        /// From client to server.
        to_server: Vec<String>,
        /// From server to client.
        to_client: Vec<String>,
    },
}

impl Directed {
    fn new(to_server: Vec<String>, to_client: Vec<String>) -> Self {
        if to_server == to_client {
            Self::Same(to_server)
        } else {
            Self::Differing { to_server, to_client }
        }
    }

    /// Those from client to server.
    pub fn to_server(&self) -> &[String] {
        match self {
            Self::Same(names) | Self::Differing { to_server: names, .. } => names,
        }
    }

    /// Those from server to client.
    pub fn to_client(&self) -> &[String] {
        match self {
            Self::Same(names) | Self::Differing { to_client: names, .. } => names,
        }
    }

    /// Those of both directions, each once.
    pub fn all(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for name in self.to_server().iter().chain(self.to_client()) {
            if !all.contains(&name.as_str()) {
                all.push(name);
            }
        }
        all
    }
}

/// What a server offers.
///
/// Every list holds at most 256 names of printable ASCII, at most 64 octets each; what a server
/// lists besides is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KexInit {
    /// Key exchange methods, and markers of extensions (RFC 8308 §2.1).
    pub kex: Vec<String>,
    /// Algorithms of the server's host keys.
    pub host_key: Vec<String>,
    /// Ciphers.
    pub ciphers: Directed,
    /// Authentication codes.
    pub macs: Directed,
    /// Compression.
    pub compression: Directed,
}

/// Reads the payload of a `SSH_MSG_KEXINIT`.
///
/// # Errors
/// [`Fault::OutOfTurn`] if it is another message, [`Fault::Malformed`] if it is cut short.
pub fn parse(payload: &[u8]) -> Result<KexInit, Fault> {
    match payload.first() {
        Some(&KEXINIT) => {}
        Some(number) => return Err(Fault::OutOfTurn(*number)),
        None => return Err(Fault::Malformed("KEXINIT")),
    }
    lists(payload).ok_or(Fault::Malformed("KEXINIT"))
}

fn lists(payload: &[u8]) -> Option<KexInit> {
    let mut reader = Reader::new(payload);
    // The number and the cookie.
    reader.take(1 + 16)?;
    let found = KexInit {
        kex: reader.names()?,
        host_key: reader.names()?,
        ciphers: Directed::new(reader.names()?, reader.names()?),
        macs: Directed::new(reader.names()?, reader.names()?),
        compression: Directed::new(reader.names()?, reader.names()?),
    };
    // Languages, which nobody uses, whether a guess follows, and what is reserved.
    // No method that is spoken here lets the server speak first, so there is nothing to guess.
    reader.string()?;
    reader.string()?;
    reader.take(1 + 4)?;
    Some(found)
}

/// A client's `SSH_MSG_KEXINIT` whose eight lists hold one name each, in the order of the packet.
pub(super) fn write(cookie: [u8; 16], names: [&str; 8]) -> Vec<u8> {
    let mut payload = vec![KEXINIT];
    payload.extend(cookie);
    for name in names {
        put_string(&mut payload, name.as_bytes());
    }
    put_string(&mut payload, &[]);
    put_string(&mut payload, &[]);
    payload.push(0);
    put_uint32(&mut payload, 0);
    payload
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 8] = ["k", "h", "c", "c2", "m", "m", "none", "none"];

    #[test]
    fn what_is_written_is_read_and_nothing_less() {
        let payload = write([7; 16], NAMES);
        let found = parse(&payload).unwrap();
        assert_eq!((found.kex, found.host_key), (vec!["k".to_owned()], vec!["h".to_owned()]));
        assert_eq!(found.ciphers.to_server(), ["c"]);
        assert_eq!(found.ciphers.to_client(), ["c2"]);
        assert_eq!(found.ciphers.all(), ["c", "c2"]);
        assert_eq!(found.macs, Directed::Same(vec!["m".to_owned()]));
        for len in 0..payload.len() {
            assert_eq!(parse(&payload[..len]), Err(Fault::Malformed("KEXINIT")), "{len} octets");
        }
        assert_eq!(parse(&[21]), Err(Fault::OutOfTurn(21)));
    }

    proptest! {
        #[test]
        fn any_octets(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&data);
            let damaged: Vec<u8> =
                write([0; 16], NAMES).into_iter().zip(data).map(|(a, b)| a ^ (b & 3)).collect();
            let _ = parse(&damaged);
        }
    }
}
