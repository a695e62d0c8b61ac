//! What is weak in what a server offers, and who says so.
//!
//! A name is here only if a source calls it weak or says that it is on its way out.
//! The curves `ecdh-sha2-nistp*` are not: RFC 9142 §4 says SHOULD for them.

use std::fmt;

use super::host_key::HostKey;
use super::identification::Identification;
use super::kex_init::KexInit;

/// What a weakness is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The protocol's version.
    Protocol,
    /// A key exchange method.
    KeyExchange,
    /// A host key, or an algorithm of host keys.
    HostKey,
    /// A cipher.
    Cipher,
    /// An authentication code.
    Mac,
    /// A compression.
    Compression,
    /// A way in for users.
    Authentication,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol => "protocol version",
            Self::KeyExchange => "key exchange method",
            Self::HostKey => "host key algorithm",
            Self::Cipher => "cipher",
            Self::Mac => "MAC",
            Self::Compression => "compression",
            Self::Authentication => "authentication method",
        })
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// The source expects no attack today, but says that it is on its way out.
    Legacy,
    /// The source forbids it or advises against it, or there is an attack.
    Weak,
}

/// Something weak that a server offers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Weakness {
    /// The algorithm's name, or what else is weak.
    pub name: String,
    /// What it is one of.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// Why, in half a sentence.
    pub why: &'static str,
    /// Who says so, with the section.
    pub source: &'static str,
}

/// Shortest modulus of RSA and DSA that is not weak, bits (NIST SP 800-131A r2 §3).
const MODULUS_BITS_MIN: u32 = 2048;
/// The marker of servers that are not exposed to Terrapin.
const STRICT: &str = "kex-strict-s-v00@openssh.com";
const CHACHA: &str = "chacha20-poly1305@openssh.com";

struct Row {
    /// A name; one `*` stands for anything.
    pattern: &'static str,
    kind: Kind,
    severity: Severity,
    why: &'static str,
    source: &'static str,
}

const fn row(
    pattern: &'static str,
    kind: Kind,
    severity: Severity,
    why: &'static str,
    source: &'static str,
) -> Row {
    Row { pattern, kind, severity, why, source }
}

const GROUP1: &str = "a group of 1024 bits, and SHA-1";
const SHA1_KEX: &str = "hashes the exchange with SHA-1";
const BLOCK64: &str = "blocks of 64 bits (CVE-2016-2183), in CBC mode";
const DES: &str = "a key of 56 bits";
const RC4: &str = "RC4 is broken";
const CBC: &str = "CBC mode as SSH uses it gives away plaintext (CVE-2008-5161)";
const CBC_SOURCE: &str = "RFC 4344 §1; RFC 4251 §9.3.1";
const MD5: &str = "HMAC with MD5: no attack on its use here is known, no new design should use it";
const SHA1_MAC: &str = "HMAC with SHA-1: acceptable, but SHA-1 is to be retired by the end of 2030";
const SHA1_MAC_SOURCE: &str = "NIST SP 800-131A r2 §10; NIST's notice of 15 December 2022";
const RIPEMD: &str = "HMAC with RIPEMD-160, an approved hash nowhere, and removed from OpenSSH";
const NO_CIPHER: &str = "no encryption at all";

/// The first row that fits a name is its row.
static TABLE: &[Row] = {
    use Kind::{Cipher, Compression, HostKey, KeyExchange, Mac};
    use Severity::{Legacy, Weak};
    &[
        row("diffie-hellman-group1-sha1", KeyExchange, Weak, GROUP1, "RFC 9142 §4: SHOULD NOT"),
        row(
            "diffie-hellman-group-exchange-sha1",
            KeyExchange,
            Weak,
            SHA1_KEX,
            "RFC 9142 §4: SHOULD NOT",
        ),
        row(
            "diffie-hellman-group14-sha1",
            KeyExchange,
            Legacy,
            SHA1_KEX,
            "RFC 9142 §4: no more than MAY, for the transition",
        ),
        row("gss-group1-sha1-*", KeyExchange, Weak, GROUP1, "RFC 9142 §4: SHOULD NOT; RFC 8732 §6"),
        row("gss-gex-sha1-*", KeyExchange, Weak, SHA1_KEX, "RFC 9142 §4: SHOULD NOT; RFC 8732 §6"),
        row(
            "gss-group14-sha1-*",
            KeyExchange,
            Weak,
            SHA1_KEX,
            "RFC 9142 §4: SHOULD NOT; RFC 8732 §6",
        ),
        row(
            "rsa1024-sha1",
            KeyExchange,
            Weak,
            "RSA of 1024 bits, and SHA-1",
            "RFC 9142 §4: MUST NOT",
        ),
        row(
            "ssh-rsa",
            HostKey,
            Weak,
            "signs with SHA-1",
            "NIST SP 800-131A r2 §3 and §9; RFC 8332 §5.1",
        ),
        row(
            "ssh-dss",
            HostKey,
            Weak,
            "DSA of 1024 bits, and SHA-1",
            "NIST SP 800-131A r2 §3; RFC 8332 §5.1",
        ),
        row("none", Cipher, Weak, NO_CIPHER, "RFC 4253 §6.3: NOT RECOMMENDED"),
        row("arcfour*", Cipher, Weak, RC4, "RFC 8758 §1 and §2: MUST NOT"),
        row("des-cbc*", Cipher, Weak, DES, "NIST SP 800-131A r2 §2"),
        row(
            "3des-*",
            Cipher,
            Weak,
            "blocks of 64 bits (CVE-2016-2183)",
            "NIST SP 800-131A r2 §2: disallowed after 2023",
        ),
        row("blowfish-cbc", Cipher, Weak, BLOCK64, CBC_SOURCE),
        row("cast128-cbc", Cipher, Weak, BLOCK64, CBC_SOURCE),
        row("idea-cbc", Cipher, Weak, BLOCK64, CBC_SOURCE),
        row("*-cbc", Cipher, Legacy, CBC, CBC_SOURCE),
        row("rijndael-cbc@lysator.liu.se", Cipher, Legacy, CBC, CBC_SOURCE),
        row("seed-cbc@ssh.com", Cipher, Legacy, CBC, CBC_SOURCE),
        row("none", Mac, Weak, "no authentication code at all", "RFC 4253 §6.4: NOT RECOMMENDED"),
        row("hmac-md5*", Mac, Legacy, MD5, "RFC 6151 §2"),
        row("hmac-sha1*", Mac, Legacy, SHA1_MAC, SHA1_MAC_SOURCE),
        row("hmac-ripemd160*", Mac, Legacy, RIPEMD, "OpenSSH 7.6 release notes"),
        row("hmac-ripemd", Mac, Legacy, RIPEMD, "OpenSSH 7.6 release notes"),
        row(
            "zlib",
            Compression,
            Legacy,
            "decompresses what those send who have not yet proved who they are",
            "OpenSSH 7.4 release notes",
        ),
    ]
};

/// The algorithms of `offer` that are weak, in the server's order, key exchange first.
pub fn algorithms(offer: &KexInit) -> Vec<Weakness> {
    let lists = [
        (Kind::KeyExchange, borrowed(&offer.kex)),
        (Kind::HostKey, borrowed(&offer.host_key)),
        (Kind::Cipher, offer.ciphers.all()),
        (Kind::Mac, offer.macs.all()),
        (Kind::Compression, offer.compression.all()),
    ];
    let names = lists.iter().flat_map(|(kind, names)| names.iter().map(move |name| (*kind, *name)));
    names.filter_map(|(kind, name)| algorithm(kind, name)).collect()
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// What is weak about one algorithm, if anything is.
pub fn algorithm(kind: Kind, name: &str) -> Option<Weakness> {
    let row = TABLE.iter().find(|row| row.kind == kind && fits(row.pattern, name))?;
    let Row { severity, why, source, .. } = *row;
    Some(Weakness { name: name.to_owned(), kind, severity, why, source })
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
        }
    }
}

/// Whether a man in the middle may cut off the beginning of a session unseen: Terrapin,
/// CVE-2023-48795.
///
/// That is so if ChaCha20-Poly1305, or CBC with encrypt-then-MAC in the same direction, is offered
/// without the marker of strict key exchange; whether it happens depends on the client too.
/// Source: Bäumer, Brinkmann, Schwenk, "Terrapin Attack" (USENIX Security 2024), §5 and §8;
/// OpenSSH's PROTOCOL §1.9.
pub fn terrapin(offer: &KexInit) -> bool {
    let exposed = |ciphers: &[String], macs: &[String]| {
        let cbc = ciphers.iter().any(|name| fits("*-cbc", name) || name.contains("-cbc@"));
        let etm = macs.iter().any(|name| fits("*-etm@openssh.com", name));
        ciphers.iter().any(|name| name == CHACHA) || (cbc && etm)
    };
    !offer.kex.iter().any(|name| name == STRICT)
        && (exposed(offer.ciphers.to_server(), offer.macs.to_server())
            || exposed(offer.ciphers.to_client(), offer.macs.to_client()))
}

/// What is weak about a host key's size, if anything is.
pub(super) fn host_key(key: &HostKey) -> Option<Weakness> {
    let bits = key.bits.filter(|bits| *bits < MODULUS_BITS_MIN)?;
    ["ssh-rsa", "ssh-dss"].contains(&key.algorithm.as_str()).then(|| Weakness {
        name: format!("{} of {bits} bits", key.algorithm),
        kind: Kind::HostKey,
        severity: Severity::Weak,
        why: "a modulus of less than 2048 bits",
        source: "NIST SP 800-131A r2 §3; RFC 8332 §5.1",
    })
}

/// What is weak about a version, if anything is.
pub(super) fn version(identification: &Identification) -> Option<Weakness> {
    identification.speaks_1().then(|| Weakness {
        name: format!("SSH-{}", identification.protocol),
        kind: Kind::Protocol,
        severity: Severity::Weak,
        why: "version 1 guards integrity with a CRC, which can be forged",
        source: "CERT VU#13877; OpenSSH 7.6 release notes",
    })
}

/// A server that lets in who proves nothing.
pub(super) fn let_in() -> Weakness {
    Weakness {
        name: "none".to_owned(),
        kind: Kind::Authentication,
        severity: Severity::Weak,
        why: "lets in who proves nothing",
        source: "RFC 4252 §5.2",
    }
}

#[cfg(test)]
mod tests {
    use super::super::kex_init::{parse, write};
    use super::*;

    fn offer(kex: &str, ciphers: [&str; 2], macs: [&str; 2]) -> KexInit {
        let [c1, c2] = ciphers;
        let [m1, m2] = macs;
        parse(&write([0; 16], [kex, "ssh-ed25519", c1, c2, m1, m2, "none", "none"])).unwrap()
    }

    #[test]
    fn what_no_source_calls_weak_is_not_weak() {
        let fine = [
            (Kind::KeyExchange, "ecdh-sha2-nistp256"),
            (Kind::KeyExchange, "ecdh-sha2-nistp521"),
            (Kind::KeyExchange, "diffie-hellman-group14-sha256"),
            (Kind::KeyExchange, "diffie-hellman-group-exchange-sha256"),
            (Kind::KeyExchange, "gss-group14-sha256-toWM5Slw5Ew8Mqkay+al2g=="),
            (Kind::KeyExchange, STRICT),
            (Kind::HostKey, "rsa-sha2-256"),
            (Kind::HostKey, "ecdsa-sha2-nistp256"),
            (Kind::Cipher, "aes128-ctr"),
            (Kind::Cipher, CHACHA),
            (Kind::Mac, "hmac-sha2-256"),
            (Kind::Mac, "umac-64@openssh.com"),
            (Kind::Compression, "none"),
            (Kind::Compression, "zlib@openssh.com"),
        ];
        for (kind, name) in fine {
            assert_eq!(algorithm(kind, name), None, "{name}");
        }
    }

    #[test]
    fn what_a_source_calls_weak_is_named_with_it() {
        let weak = [
            (Kind::KeyExchange, "diffie-hellman-group1-sha1", Severity::Weak, "RFC 9142"),
            (Kind::KeyExchange, "diffie-hellman-group14-sha1", Severity::Legacy, "RFC 9142"),
            (Kind::KeyExchange, "gss-gex-sha1-toWM5Slw5Ew8Mqkay==", Severity::Weak, "RFC 9142"),
            (Kind::HostKey, "ssh-rsa", Severity::Weak, "RFC 8332"),
            (Kind::HostKey, "ssh-dss", Severity::Weak, "RFC 8332"),
            (Kind::Cipher, "arcfour256", Severity::Weak, "RFC 8758"),
            (Kind::Cipher, "3des-cbc", Severity::Weak, "800-131A"),
            (Kind::Cipher, "blowfish-cbc", Severity::Weak, "RFC 4344"),
            (Kind::Cipher, "aes256-cbc", Severity::Legacy, "RFC 4344"),
            (Kind::Cipher, "des-cbc@ssh.com", Severity::Weak, "800-131A"),
            (Kind::Cipher, "none", Severity::Weak, "RFC 4253"),
            (Kind::Mac, "hmac-md5-96", Severity::Legacy, "RFC 6151"),
            (Kind::Mac, "hmac-sha1-etm@openssh.com", Severity::Legacy, "800-131A"),
            (Kind::Mac, "hmac-ripemd160@openssh.com", Severity::Legacy, "OpenSSH 7.6"),
            (Kind::Compression, "zlib", Severity::Legacy, "OpenSSH 7.4"),
        ];
        for (kind, name, severity, source) in weak {
            let found = algorithm(kind, name).unwrap();
            assert_eq!((found.severity, found.kind), (severity, kind), "{name}");
            assert!(found.source.contains(source), "{found:?}");
        }
    }

    #[test]
    fn a_weak_algorithm_of_either_direction_is_named_once() {
        let offer = offer("k", ["aes128-cbc", "aes128-cbc"], ["hmac-md5", "none"]);
        let names: Vec<String> = algorithms(&offer).into_iter().map(|weak| weak.name).collect();
        assert_eq!(names, ["aes128-cbc", "hmac-md5", "none"]);
    }

    #[test]
    fn terrapin_needs_a_cipher_and_no_marker() {
        let [ctr, cbc, etm, mac] =
            ["aes128-ctr", "aes128-cbc", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"];
        let cases = [
            (false, "k", [ctr; 2], [etm; 2]),
            (false, "k", [cbc; 2], [mac; 2]),
            (true, "k", [cbc; 2], [etm; 2]),
            (true, "k", [CHACHA, ctr], [mac; 2]),
            (true, "k", [ctr, CHACHA], [mac; 2]),
            (false, "k", [cbc, ctr], [mac, etm]),
            (false, STRICT, [CHACHA; 2], [mac; 2]),
        ];
        for (exposed, kex, ciphers, macs) in cases {
            assert_eq!(terrapin(&offer(kex, ciphers, macs)), exposed, "{ciphers:?} {macs:?}");
        }
    }

    #[test]
    fn every_row_says_why_and_who() {
        for row in TABLE {
            assert!(!row.why.is_empty() && row.source.contains(char::is_numeric));
            assert!(row.pattern.matches('*').count() < 2, "{}", row.pattern);
        }
    }
}
