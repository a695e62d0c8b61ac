//! Names of public keys and signature algorithms, RFC 3279, RFC 4055, RFC 5480, RFC 8410,
//! RFC 9881.

use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::name::{identifier, lossy};

/// `rsa 2048`, `ec p-256`, `ed25519`; the object identifier of what is not known.
pub(super) fn public_key(info: &SubjectPublicKeyInfo<'_>) -> String {
    let oid = identifier(&info.algorithm.algorithm);
    let name = match oid.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => return rsa(info),
        "1.2.840.10045.2.1" => return elliptic(info),
        "1.2.840.10040.4.1" => "dsa",
        "1.3.101.110" => "x25519",
        "1.3.101.112" => "ed25519",
        "1.3.101.113" => "ed448",
        "1.2.643.2.2.19" | "1.2.643.7.1.1.1.1" | "1.2.643.7.1.1.1.2" => "gost",
        "2.16.840.1.101.3.4.3.17" => "ml-dsa-44",
        "2.16.840.1.101.3.4.3.18" => "ml-dsa-65",
        "2.16.840.1.101.3.4.3.19" => "ml-dsa-87",
        _ => return lossy(oid.as_bytes()),
    };
    name.to_owned()
}

/// `rsa-sha256`, `ecdsa-sha384`, `ed25519`; `oid` itself if it is not known.
pub(super) fn signature_algorithm(oid: &str) -> String {
    let name = match oid {
        "1.2.840.113549.1.1.2" => "rsa-md2",
        "1.2.840.113549.1.1.4" => "rsa-md5",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "rsa-sha1",
        "1.2.840.113549.1.1.10" => "rsa-pss",
        "1.2.840.113549.1.1.11" => "rsa-sha256",
        "1.2.840.113549.1.1.12" => "rsa-sha384",
        "1.2.840.113549.1.1.13" => "rsa-sha512",
        "1.2.840.113549.1.1.14" => "rsa-sha224",
        "1.2.840.10045.4.1" => "ecdsa-sha1",
        "1.2.840.10045.4.3.1" => "ecdsa-sha224",
        "1.2.840.10045.4.3.2" => "ecdsa-sha256",
        "1.2.840.10045.4.3.3" => "ecdsa-sha384",
        "1.2.840.10045.4.3.4" => "ecdsa-sha512",
        "1.2.840.10040.4.3" => "dsa-sha1",
        "2.16.840.1.101.3.4.3.1" => "dsa-sha224",
        "2.16.840.1.101.3.4.3.2" => "dsa-sha256",
        "1.3.101.112" => "ed25519",
        "1.3.101.113" => "ed448",
        "2.16.840.1.101.3.4.3.17" => "ml-dsa-44",
        "2.16.840.1.101.3.4.3.18" => "ml-dsa-65",
        "2.16.840.1.101.3.4.3.19" => "ml-dsa-87",
        "1.2.156.10197.1.501" => "sm2-sm3",
        _ => return lossy(oid.as_bytes()),
    };
    name.to_owned()
}

fn rsa(info: &SubjectPublicKeyInfo<'_>) -> String {
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("rsa {}", bits(key.modulus)),
        _ => "rsa".to_owned(),
    }
}

fn elliptic(info: &SubjectPublicKeyInfo<'_>) -> String {
    let parameters = info.algorithm.parameters.as_ref();
    let Some(curve) = parameters.and_then(|parameters| parameters.as_oid().ok()) else {
        return "ec".to_owned();
    };
    let curve = identifier(&curve);
    let name = match curve.as_str() {
        "1.2.840.10045.3.1.1" => "p-192",
        "1.3.132.0.33" => "p-224",
        "1.2.840.10045.3.1.7" => "p-256",
        "1.3.132.0.34" => "p-384",
        "1.3.132.0.35" => "p-521",
        "1.3.132.0.10" => "secp256k1",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolp256r1",
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolp384r1",
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolp512r1",
        "1.2.156.10197.1.301" => "sm2",
        _ => return format!("ec {}", lossy(curve.as_bytes())),
    };
    format!("ec {name}")
}

/// Bits of a number without the zeros before it.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    let first = number.get(zeros).map_or(0, |octet| octet.leading_zeros());
    let len = number.len().saturating_sub(zeros).saturating_mul(8);
    len.saturating_sub(usize::try_from(first).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted() {
        assert_eq!(bits(&[]), 0);
        assert_eq!(bits(&[0, 0]), 0);
        assert_eq!(bits(&[0, 0x80, 0]), 16);
        assert_eq!(bits(&[0x7f, 0xff]), 15);
    }

    #[test]
    fn what_is_not_known_keeps_its_identifier() {
        assert_eq!(signature_algorithm("1.2.840.113549.1.1.11"), "rsa-sha256");
        assert_eq!(signature_algorithm("1.2.3"), "1.2.3");
    }
}
