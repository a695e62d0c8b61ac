//! A server's public key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::digest;

use super::fault::Fault;
use super::wire::{NAME_LEN_MAX, Reader, bits};

/// What is known of a server's public key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HostKey {
    /// Its type, as the key itself names it: `ssh-ed25519`, say, or `ssh-rsa`, whatever hash its
    /// signatures use (RFC 8332 §3).
    pub algorithm: String,
    /// Bits of an RSA or DSA modulus or of a curve's field, as OpenSSH counts them; `None` for
    /// types that are not known here.
    pub bits: Option<u32>,
    /// `SHA256:` and the digest of the key in base64 without padding, as OpenSSH prints it.
    pub fingerprint: String,
}

/// Reads the encoding of a public key: `ssh-rsa` and `ssh-dss` (RFC 4253 §6.6),
/// `ecdsa-sha2-*` (RFC 5656 §3.1), `ssh-ed25519` and `ssh-ed448` (RFC 8709 §4); of other types
/// only the name and the fingerprint.
///
/// # Errors
/// [`Fault::Malformed`] if it names no type, or is not what its type prescribes.
pub fn parse(blob: &[u8]) -> Result<HostKey, Fault> {
    let (algorithm, bits) = read(blob).ok_or(Fault::Malformed("the host key"))?;
    let digest = digest::digest(&digest::SHA256, blob);
    let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(digest));
    Ok(HostKey { algorithm: algorithm.to_owned(), bits, fingerprint })
}

fn read(blob: &[u8]) -> Option<(&str, Option<u32>)> {
    let mut reader = Reader::new(blob);
    let name = std::str::from_utf8(reader.string()?).ok()?;
    if !(1..=NAME_LEN_MAX).contains(&name.len()) || !name.bytes().all(|c| c.is_ascii_graphic()) {
        return None;
    }
    let bits = match name {
        "ssh-rsa" => {
            let (_exponent, modulus) = (reader.string()?, reader.string()?);
            Some(bits(modulus))
        }
        "ssh-dss" => {
            let modulus = reader.string()?;
            // The subgroup's order, its generator, the public value.
            for _ in 0..3 {
                reader.string()?;
            }
            Some(bits(modulus))
        }
        "ssh-ed25519" => Some(256).filter(|_| reader.string().is_some_and(|key| key.len() == 32)),
        "ssh-ed448" => Some(448).filter(|_| reader.string().is_some_and(|key| key.len() == 57)),
        "ecdsa-sha2-nistp256" => Some(256).filter(|_| is_point("nistp256", &mut reader)),
        "ecdsa-sha2-nistp384" => Some(384).filter(|_| is_point("nistp384", &mut reader)),
        "ecdsa-sha2-nistp521" => Some(521).filter(|_| is_point("nistp521", &mut reader)),
        _ => return Some((name, None)),
    };
    bits.filter(|bits| *bits > 0).map(|bits| (name, Some(bits)))
}

/// Whether a point of `curve` comes next, behind the curve's name.
fn is_point(curve: &str, reader: &mut Reader<'_>) -> bool {
    reader.string() == Some(curve.as_bytes()) && reader.string().is_some_and(|q| !q.is_empty())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::super::wire::put_string;
    use super::*;

    fn blob(parts: &[&[u8]]) -> Vec<u8> {
        let mut blob = Vec::new();
        for part in parts {
            put_string(&mut blob, part);
        }
        blob
    }

    #[test]
    fn a_key_that_the_world_knows() {
        // A large forge publishes key and fingerprint side by side.
        let line = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let key = parse(&STANDARD.decode(line).unwrap()).unwrap();
        assert_eq!((key.algorithm.as_str(), key.bits), ("ssh-ed25519", Some(256)));
        assert_eq!(key.fingerprint, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    }

    #[test]
    fn bits_are_counted() {
        let modulus = [&[0, 0x80][..], &[0; 127]].concat();
        let rsa = parse(&blob(&[b"ssh-rsa", &[1, 0, 1], &modulus])).unwrap();
        assert_eq!(rsa.bits, Some(1024));
        let dss = parse(&blob(&[b"ssh-dss", &modulus, &[1], &[2], &[3]])).unwrap();
        assert_eq!(dss.bits, Some(1024));
        let ecdsa = parse(&blob(&[b"ecdsa-sha2-nistp521", b"nistp521", &[4]])).unwrap();
        assert_eq!(ecdsa.bits, Some(521));
        let other = parse(&blob(&[b"ssh-new@example.org", b"?"])).unwrap();
        assert_eq!((other.algorithm.as_str(), other.bits), ("ssh-new@example.org", None));
    }

    #[test]
    fn what_is_not_a_key_is_not_taken_for_one() {
        let cases = [
            blob(&[]),
            blob(&[b""]),
            blob(&[b"a b"]),
            blob(&[b"ssh-rsa", &[1, 0, 1]]),
            blob(&[b"ssh-rsa", &[1, 0, 1], &[0, 0]]),
            blob(&[b"ssh-dss", &[1], &[1]]),
            blob(&[b"ssh-ed25519", &[0; 31]]),
            blob(&[b"ecdsa-sha2-nistp256", b"nistp384", &[4]]),
            blob(&[&[b'x'; NAME_LEN_MAX + 1]]),
        ];
        for case in cases {
            assert_eq!(parse(&case), Err(Fault::Malformed("the host key")), "{case:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets(
            kind in prop::sample::select(vec!["ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp256"]),
            data in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let _ = parse(&data);
            let _ = parse(&[blob(&[kind.as_bytes()]), data].concat());
        }
    }
}
