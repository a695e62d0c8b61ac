//! The server's hello, RFC 8446 §4.1.3 and RFC 5246 §7.4.1.3.

use super::cipher::CipherSuite;
use super::octets::Octets;
use super::version::Version;

/// Extensions of a hello that are kept, at most.
const EXTENSIONS_MAX: usize = 64;
/// ALPN, RFC 7301.
const ALPN: u16 = 16;
/// `supported_versions`, RFC 8446 §4.2.1.
const SUPPORTED_VERSIONS: u16 = 43;
/// What says that it is a `HelloRetryRequest`: SHA-256 of those words, RFC 8446 §4.1.3.
pub(super) const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a server answers to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerHello {
    /// The number of the version that it chose: `supported_versions` where it is there.
    pub version: u16,
    /// The cipher suite that it chose.
    pub cipher: CipherSuite,
    /// The kinds of its extensions in their order; the first 64 of them.
    pub extensions: Vec<u16>,
    /// The application protocol that it chose in the plain, before TLS 1.3.
    pub alpn: Option<Vec<u8>>,
    /// Whether it asks for another hello, RFC 8446 §4.1.4.
    pub retry: bool,
}

impl ServerHello {
    /// Reads the body of the handshake message; `None` if it is cut short.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(body);
        let version = octets.u16()?;
        let random: [u8; 32] = octets.array()?;
        octets.vector8()?;
        let cipher = CipherSuite(octets.u16()?);
        octets.u8()?;
        let (extensions, alpn, retry) = (Vec::new(), None, random == RETRY_RANDOM);
        let mut hello = Self { version, cipher, extensions, alpn, retry };
        if !octets.is_empty() {
            hello.read_extensions(octets.vector16()?)?;
        }
        Some(hello)
    }

    /// The version that it chose, if it is one that is known.
    pub const fn version(&self) -> Option<Version> {
        Version::of_number(self.version)
    }

    fn read_extensions(&mut self, mut octets: Octets<'_>) -> Option<()> {
        while !octets.is_empty() {
            let kind = octets.u16()?;
            let mut body = octets.vector16()?;
            if self.extensions.len() < EXTENSIONS_MAX {
                self.extensions.push(kind);
            }
            match kind {
                SUPPORTED_VERSIONS => self.version = body.u16()?,
                ALPN => {
                    let chosen = body.vector16().and_then(|mut list| list.vector8());
                    self.alpn = chosen.map(|chosen| chosen.rest().to_vec());
                }
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The body of a hello with these extensions.
    pub(crate) fn hello_of(version: u16, cipher: u16, extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [&version.to_be_bytes()[..], &[7; 32], &[0]].concat();
        body.extend(cipher.to_be_bytes());
        body.push(0);
        let list: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, data)| {
                let len = u16::try_from(data.len()).unwrap();
                [&kind.to_be_bytes()[..], &len.to_be_bytes(), data].concat()
            })
            .collect();
        if !extensions.is_empty() {
            body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
            body.extend(list);
        }
        body
    }

    #[test]
    fn hellos_of_all_times_are_read() {
        let old = ServerHello::parse(&hello_of(0x0301, 0x002f, &[])).unwrap();
        assert_eq!((old.version(), old.cipher.0), (Some(Version::Tls10), 0x2f));
        assert_eq!((old.extensions.len(), old.retry), (0, false));

        let alpn = [0, 9, 8, b'h', b't', b't', b'p', b'/', b'1', b'.', b'1'];
        let tls12 = hello_of(0x0303, 0xc02f, &[(0xff01, &[0]), (16, &alpn), (23, &[])]);
        let tls12 = ServerHello::parse(&tls12).unwrap();
        assert_eq!(tls12.extensions, [0xff01, 16, 23]);
        assert_eq!(tls12.alpn.as_deref(), Some(&b"http/1.1"[..]));

        let tls13 = hello_of(0x0303, 0x1301, &[(43, &[3, 4]), (51, &[0, 29, 0, 1, 7])]);
        assert_eq!(ServerHello::parse(&tls13).unwrap().version(), Some(Version::Tls13));
        let mut retry = hello_of(0x0303, 0x1301, &[(43, &[3, 4]), (51, &[0, 23])]);
        retry[2..34].copy_from_slice(&RETRY_RANDOM);
        let retry = ServerHello::parse(&retry).unwrap();
        assert!(retry.retry && retry.version() == Some(Version::Tls13));
    }

    #[test]
    fn cut_hellos_are_none() {
        let whole = hello_of(0x0303, 0x1301, &[(43, &[3, 4]), (51, &[0, 29, 0, 1, 7])]);
        let without_extensions = 38;
        for len in 0..whole.len() {
            let told = ServerHello::parse(&whole[..len]).is_some();
            assert_eq!(told, len == without_extensions, "{len}");
        }
    }

    #[test]
    fn a_thousand_extensions_are_not_kept() {
        let many: Vec<(u16, &[u8])> = (0..1_000).map(|kind| (kind + 100, &[][..])).collect();
        let hello = ServerHello::parse(&hello_of(0x0303, 0xc02f, &many)).unwrap();
        assert_eq!(hello.extensions.len(), EXTENSIONS_MAX);
    }
}
