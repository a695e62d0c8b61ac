//! Our own hello, RFC 8446 §4.1.2 and RFC 5246 §7.4.1.2: it is said to servers with which no
//! session is wanted or possible, and offers what they may need, however weak.

use super::cipher::{OFFERED, OFFERED_TLS13};
use super::version::Version;

/// Random octets that a hello needs.
pub(super) const ENTROPY_LEN: usize = 96;
/// Octets of a DNS name, RFC 1035 §2.3.4.
const NAME_LEN_MAX: usize = 253;
/// Application protocols that are offered, at most.
const ALPN_MAX: usize = 16;
/// Groups, best first: x25519, P-256, x448, P-384, P-521, secp256k1, those of Brainpool and of
/// characteristic two, finite fields of 2048 and 3072 bits; RFC 8422 §5.1.1, RFC 7919.
const GROUPS: &[u16] = &[
    0x001d, 0x0017, 0x001e, 0x0018, 0x0019, 0x0016, 0x001a, 0x001b, 0x001c, 0x000e, 0x000d, 0x000b,
    0x000c, 0x0009, 0x000a, 0x0100, 0x0101,
];
/// Signatures, best first: ECDSA, `EdDSA`, RSA-PSS, RSA, those with SHA-224 and SHA-1, and DSA; RFC
/// 8446 §4.2.3.
const SIGNATURES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x081a, 0x081b, 0x081c, 0x0809, 0x080a, 0x080b, 0x0804,
    0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0302, 0x0202,
];

/// A client's hello.
#[derive(Debug, Clone, Copy)]
pub struct ClientHello<'a> {
    highest: Version,
    entropy: &'a [u8; ENTROPY_LEN],
    server_name: Option<&'a str>,
    alpn: &'a [&'a str],
}

impl<'a> ClientHello<'a> {
    /// A hello that accepts every version from TLS 1.0 to `highest`, with `entropy` as its random,
    /// its session and its key: nobody will know the secret of that key.
    pub const fn new(highest: Version, entropy: &'a [u8; ENTROPY_LEN]) -> Self {
        Self { highest, entropy, server_name: None, alpn: &[] }
    }

    /// Also says whom it wants to talk to, RFC 6066 §3, unless `name` is an address or no name.
    #[must_use]
    pub fn server_name(mut self, name: Option<&'a str>) -> Self {
        self.server_name = name.and_then(dns_name);
        self
    }

    /// Also offers these application protocols, RFC 7301, the first 16 of them.
    #[must_use]
    pub const fn alpn(mut self, alpn: &'a [&'a str]) -> Self {
        self.alpn = alpn;
        self
    }

    /// The hello as one record.
    pub fn record(&self) -> Vec<u8> {
        let mut body = self.body(0);
        // Between 256 and 511 octets some load balancers don't answer, RFC 7685.
        if (252..508).contains(&body.len()) {
            body = self.body(508_usize.saturating_sub(body.len() + 4).max(1));
        }
        let mut message = vec![1, 0];
        put_vector16(&mut message, &body);
        // The first record's version is low because some servers want it so, RFC 8446 §5.1.
        let mut record = vec![22, 3, 1];
        put_vector16(&mut record, &message);
        record
    }

    fn body(&self, padding_len: usize) -> Vec<u8> {
        let is_tls13 = self.highest >= Version::Tls13;
        let version = self.highest.min(Version::Tls12).number();
        let (random, rest) = self.entropy.split_at(32);
        let (session, _) = rest.split_at(32);
        let mut body = version.to_be_bytes().to_vec();
        body.extend_from_slice(random);
        put_vector8(&mut body, if is_tls13 { session } else { &[] });
        let ciphers = [if is_tls13 { OFFERED_TLS13 } else { &[] }, OFFERED].concat();
        put_vector16(&mut body, &numbers(&ciphers));
        put_vector8(&mut body, &[0]);
        put_vector16(&mut body, &self.extensions(padding_len));
        body
    }

    fn extensions(&self, padding_len: usize) -> Vec<u8> {
        let mut list = Vec::new();
        if let Some(name) = self.server_name {
            put_extension(
                &mut list,
                0,
                &vector16(&[&[0][..], &vector16(name.as_bytes())].concat()),
            );
        }
        // Extended master secret, renegotiation, points, groups.
        put_extension(&mut list, 23, &[]);
        put_extension(&mut list, 0xff01, &[0]);
        put_extension(&mut list, 11, &[1, 0]);
        put_extension(&mut list, 10, &vector16(&numbers(GROUPS)));
        put_extension(&mut list, 35, &[]);
        if !self.alpn.is_empty() {
            let mut names = Vec::new();
            for name in self.alpn.iter().take(ALPN_MAX) {
                put_vector8(&mut names, name.as_bytes());
            }
            put_extension(&mut list, 16, &vector16(&names));
        }
        if self.highest >= Version::Tls12 {
            put_extension(&mut list, 13, &vector16(&numbers(SIGNATURES)));
        }
        if self.highest >= Version::Tls13 {
            let versions = Version::TLS.map(Version::number);
            let mut vector = Vec::new();
            put_vector8(&mut vector, &numbers(&versions));
            put_extension(&mut list, 43, &vector);
            let (_, key) = self.entropy.split_at(64);
            let share = [&numbers(&[0x001d])[..], &vector16(key)].concat();
            put_extension(&mut list, 51, &vector16(&share));
            put_extension(&mut list, 45, &[1, 1]);
        }
        if padding_len > 0 {
            put_extension(&mut list, 21, &vec![0; padding_len]);
        }
        list
    }
}

/// `name` without the dot at its end, if it is a DNS name and not an address.
pub(super) fn dns_name(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    let is_address = name.rsplit('.').next().is_none_or(|last| last.parse::<u64>().is_ok());
    (name.len() <= NAME_LEN_MAX && !is_address && name.split('.').all(label)).then_some(name)
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn put_extension(list: &mut Vec<u8>, kind: u16, data: &[u8]) {
    list.extend(kind.to_be_bytes());
    put_vector16(list, data);
}

fn vector16(data: &[u8]) -> Vec<u8> {
    let mut vector = Vec::new();
    put_vector16(&mut vector, data);
    vector
}

/// Puts `data` with its length before it; what is too long for that is cut.
fn put_vector16(out: &mut Vec<u8>, data: &[u8]) {
    let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
    out.extend(len.to_be_bytes());
    out.extend(data.iter().take(len.into()));
}

/// Puts `data` with its length before it; what is too long for that is cut.
fn put_vector8(out: &mut Vec<u8>, data: &[u8]) {
    let len = u8::try_from(data.len()).unwrap_or(u8::MAX);
    out.push(len);
    out.extend(data.iter().take(len.into()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::octets::Octets;

    const ENTROPY: [u8; ENTROPY_LEN] = [7; ENTROPY_LEN];

    /// Reads a hello back: its version, ciphers, and extensions.
    fn read(record: &[u8]) -> (u16, usize, Vec<(u16, Vec<u8>)>) {
        let mut octets = Octets::new(record);
        assert_eq!(octets.array(), Some([22, 3, 1]));
        let mut message = octets.vector16().unwrap();
        assert!(octets.is_empty());
        assert_eq!(message.u8(), Some(1));
        assert_eq!(message.len24(), Some(message.rest().len()));
        let version = message.u16().unwrap();
        assert_eq!(message.array(), Some([7_u8; 32]));
        message.vector8().unwrap();
        let ciphers = message.vector16().unwrap().rest().len() / 2;
        assert_eq!(message.vector8().unwrap().rest(), [0]);
        let mut list = message.vector16().unwrap();
        assert!(message.is_empty());
        let mut extensions = Vec::new();
        while !list.is_empty() {
            let kind = list.u16().unwrap();
            extensions.push((kind, list.vector16().unwrap().rest().to_vec()));
        }
        (version, ciphers, extensions)
    }

    #[test]
    fn hellos_read_back() {
        for (highest, number) in
            [(Version::Tls10, 0x0301), (Version::Tls11, 0x0302), (Version::Tls12, 0x0303)]
        {
            let (version, ciphers, extensions) =
                read(&ClientHello::new(highest, &ENTROPY).record());
            assert_eq!((version, ciphers), (number, OFFERED.len()));
            assert!(extensions.iter().all(|(kind, _)| ![0, 16, 43, 51].contains(kind)));
            let signatures = extensions.iter().any(|(kind, _)| *kind == 13);
            assert_eq!(signatures, highest == Version::Tls12);
        }
        let hello = ClientHello::new(Version::Tls13, &ENTROPY);
        let hello = hello.server_name(Some("a.example")).alpn(&["http/1.1"]);
        let (version, ciphers, extensions) = read(&hello.record());
        assert_eq!((version, ciphers), (0x0303, OFFERED.len() + OFFERED_TLS13.len()));
        let of = |kind| extensions.iter().find(|(k, _)| *k == kind).map(|(_, data)| &data[..]);
        assert_eq!(of(0), Some(&b"\x00\x0c\x00\x00\x09a.example"[..]));
        assert_eq!(of(16), Some(&b"\x00\x09\x08http/1.1"[..]));
        assert_eq!(of(43), Some(&[8, 3, 4, 3, 3, 3, 2, 3, 1][..]));
        assert_eq!(of(51).unwrap().len(), 38);
    }

    #[test]
    fn no_hello_is_of_a_length_that_is_not_answered() {
        let names: Vec<String> =
            (1..100).map(|len| format!("{}.a", "n".repeat(len % 60))).collect();
        for name in &names {
            let hello = ClientHello::new(Version::Tls10, &ENTROPY).server_name(Some(name));
            let len = hello.record().len() - 5;
            assert!(!(256..512).contains(&len), "{len}");
            read(&hello.record());
        }
    }

    #[test]
    fn only_names_are_names() {
        for name in ["localhost", "a.example", "_x.a-b.example", "xn--bcher-kva.example"] {
            assert_eq!(dns_name(name), Some(name));
        }
        assert_eq!(dns_name("a.example."), Some("a.example"));
        let long = "a.".repeat(127) + "a";
        for other in ["", ".", "192.0.2.1", "::1", "a..b", "a b", "b\u{fc}cher.example", &long] {
            assert_eq!(dns_name(other), None, "{other}");
        }
    }
}
