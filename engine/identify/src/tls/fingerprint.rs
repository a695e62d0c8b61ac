//! A server's hello in one short line.

use std::fmt;

use sha2::{Digest, Sha256};

use super::server_hello::ServerHello;

/// Characters of the application protocol that are written.
const ALPN_LEN_MAX: usize = 16;

/// What a server chose, in one line by which servers of the same program and configuration are
/// found again.
///
/// Five parts with `_` between them:
///
/// | part | is |
/// |---|---|
/// | `0304` | the chosen version's number, hexadecimal |
/// | `1302` | the chosen cipher suite's number, hexadecimal |
/// | `02` | how many extensions the hello has, decimal, at least two digits |
/// | `http11` | the chosen application protocol's letters and digits, `-` if none |
/// | `0f2c9a31d5b7` | SHA-256 of the extensions' kinds in their order, its first six octets |
///
/// What a server chooses depends on what it was offered, so fingerprints from the same sort of
/// asking compare: those from sessions with each other, and those from our own hello likewise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of `hello`, after which `alpn` was agreed on.
    pub fn of(hello: &ServerHello, alpn: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        for kind in &hello.extensions {
            hash.update(kind.to_be_bytes());
        }
        let hash: [u8; 32] = hash.finalize().into();
        let alpn = alpn.unwrap_or("-").chars();
        let alpn: String =
            alpn.filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(ALPN_LEN_MAX).collect();
        let (version, cipher, count) = (hello.version, hello.cipher.0, hello.extensions.len());
        let mut text = format!("{version:04x}_{cipher:04x}_{count:02}_{alpn}_");
        text.extend(hash.iter().take(6).map(|octet| format!("{octet:02x}")));
        Self(text)
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::server_hello::tests::hello_of;

    fn fingerprint(extensions: &[(u16, &[u8])], alpn: Option<&str>) -> String {
        let hello = ServerHello::parse(&hello_of(0x0303, 0x1302, extensions)).unwrap();
        Fingerprint::of(&hello, alpn).to_string()
    }

    #[test]
    fn order_counts() {
        // printf '\x00\x2b\x00\x33' | sha256sum
        let one = fingerprint(&[(43, &[3, 4]), (51, &[0, 29])], Some("http/1.1"));
        assert_eq!(one, "0304_1302_02_http11_af7d922ec2dc");
        let other = fingerprint(&[(51, &[0, 29]), (43, &[3, 4])], Some("http/1.1"));
        assert_ne!(one, other);
        assert_eq!(fingerprint(&[], None), "0303_1302_00_-_e3b0c44298fc");
        assert!(fingerprint(&[], Some("a_b\u{1b}[")).contains("_ab_"));
    }
}
