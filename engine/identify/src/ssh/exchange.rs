//! One key exchange, a client's half of it.

use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::digest;
use ring::rand::SystemRandom;

use super::fault::Fault;
use super::groups::{Digits, GROUP_1, GROUP_14, GROUP_16, octets};
use super::kex_reply::{KexReply, parse_group};
use super::modulus::Modulus;
use super::wire::{put_mpint, put_string, put_uint32};

/// `SSH_MSG_KEXDH_INIT` and `SSH_MSG_KEX_ECDH_INIT`.
const INIT: u8 = 30;
/// Their replies, and `SSH_MSG_KEX_DH_GEX_GROUP`.
const REPLY: u8 = 31;
const GEX_INIT: u8 = 32;
const GEX_REPLY: u8 = 33;
const GEX_REQUEST: u8 = 34;
/// Bits of a group that is asked for: at least, preferably, at most (RFC 4419 §3).
const GEX_BITS: [u32; 3] = [1024, 2048, super::modulus::BITS_MAX];
/// The client's exponent is 2 to this power: 2^8192 has been reduced in every group.
const SQUARINGS: u32 = 13;

/// A key exchange method that is spoken here.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    hash: &'static digest::Algorithm,
    kind: MethodKind,
}

#[derive(Debug, Clone, Copy)]
enum MethodKind {
    /// RFC 8731 §3, RFC 5656 §4.
    Curve(&'static agreement::Algorithm),
    /// RFC 4253 §8, RFC 8268 §3.
    Group(Digits),
    /// RFC 4419 §3.
    AskForGroup,
}

const fn method(name: &'static str, hash: &'static digest::Algorithm, kind: MethodKind) -> Method {
    Method { name, hash, kind }
}

/// The methods, the cheapest first.
pub(super) static METHODS: [Method; 10] = {
    use MethodKind::{AskForGroup, Curve, Group};
    use agreement::{ECDH_P256, ECDH_P384, X25519};
    use digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA256, SHA384, SHA512};
    [
        method("curve25519-sha256", &SHA256, Curve(&X25519)),
        method("curve25519-sha256@libssh.org", &SHA256, Curve(&X25519)),
        method("ecdh-sha2-nistp256", &SHA256, Curve(&ECDH_P256)),
        method("ecdh-sha2-nistp384", &SHA384, Curve(&ECDH_P384)),
        method("diffie-hellman-group14-sha256", &SHA256, Group(GROUP_14)),
        method("diffie-hellman-group14-sha1", &SHA1, Group(GROUP_14)),
        method("diffie-hellman-group16-sha512", &SHA512, Group(GROUP_16)),
        method("diffie-hellman-group-exchange-sha256", &SHA256, AskForGroup),
        method("diffie-hellman-group-exchange-sha1", &SHA1, AskForGroup),
        method("diffie-hellman-group1-sha1", &SHA1, Group(GROUP_1)),
    ]
};

/// What both sides have said before the exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) client_line: &'a [u8],
    pub(super) server_line: &'a [u8],
    pub(super) client_init: &'a [u8],
    pub(super) server_init: &'a [u8],
}

/// A client's half.
pub(super) struct Exchange {
    method: &'static Method,
    state: State,
}

enum State {
    Curve {
        algorithm: &'static agreement::Algorithm,
        private: EphemeralPrivateKey,
        public: Vec<u8>,
    },
    Asked,
    Group {
        modulus: Modulus,
        asked: Vec<u8>,
        public: Vec<u8>,
    },
}

impl Exchange {
    /// Begins; the message is to be sent.
    pub(super) fn begin(method: &'static Method) -> Result<(Self, Vec<u8>), Fault> {
        let mut message = vec![INIT];
        let state = match method.kind {
            MethodKind::Curve(algorithm) => {
                let private = EphemeralPrivateKey::generate(algorithm, &SystemRandom::new());
                let private = private.map_err(|_| Fault::Random)?;
                let public = private.compute_public_key().map_err(|_| Fault::Random)?;
                let public = public.as_ref().to_vec();
                put_string(&mut message, &public);
                State::Curve { algorithm, private, public }
            }
            MethodKind::Group(digits) => {
                let (modulus, public) = group(&octets(digits), &[2])?;
                put_mpint(&mut message, &public);
                State::Group { modulus, asked: Vec::new(), public }
            }
            MethodKind::AskForGroup => {
                message = vec![GEX_REQUEST];
                put_gex_bits(&mut message);
                State::Asked
            }
        };
        Ok((Self { method, state }, message))
    }

    /// Whether the server's group comes before its reply.
    pub(super) const fn awaits_group(&self) -> bool {
        matches!(self.state, State::Asked)
    }

    /// Takes the server's group; the message is to be sent.
    pub(super) fn take_group(&mut self, payload: &[u8]) -> Result<Vec<u8>, Fault> {
        let (prime, generator) = parse_group(payload, REPLY)?;
        let (modulus, public) = group(prime, generator)?;
        let mut message = vec![GEX_INIT];
        put_mpint(&mut message, &public);
        // What the hash holds besides: RFC 4419 §3.
        let mut asked = Vec::new();
        put_gex_bits(&mut asked);
        put_string(&mut asked, prime);
        put_string(&mut asked, generator);
        self.state = State::Group { modulus, asked, public };
        Ok(message)
    }

    /// The number of the server's reply.
    pub(super) const fn reply_number(&self) -> u8 {
        match self.method.kind {
            MethodKind::AskForGroup => GEX_REPLY,
            MethodKind::Curve(_) | MethodKind::Group(_) => REPLY,
        }
    }

    /// What both sides know after the server's reply.
    ///
    /// The signature is not looked at: the host key is told, not trusted.
    pub(super) fn finish(self, before: &Before<'_>, reply: &KexReply<'_>) -> Result<Secret, Fault> {
        let mut hashed = Vec::new();
        let said = [before.client_line, before.server_line, before.client_init, before.server_init];
        for part in said {
            put_string(&mut hashed, part);
        }
        put_string(&mut hashed, reply.host_key);
        let mut shared = Vec::new();
        match self.state {
            State::Asked => return Err(Fault::NotAsked),
            State::Curve { algorithm, private, public } => {
                put_string(&mut hashed, &public);
                put_string(&mut hashed, reply.public);
                let theirs = UnparsedPublicKey::new(algorithm, reply.public);
                let agreed = agreement::agree_ephemeral(private, &theirs, <[u8]>::to_vec);
                put_mpint(&mut shared, &agreed.map_err(|_| Fault::PublicValue)?);
            }
            State::Group { modulus, asked, public } => {
                hashed.extend(asked);
                put_mpint(&mut hashed, &public);
                put_string(&mut hashed, reply.public);
                let agreed = modulus.power(reply.public, SQUARINGS).ok_or(Fault::PublicValue)?;
                put_mpint(&mut shared, &agreed);
            }
        }
        hashed.extend_from_slice(&shared);
        let hash = digest::digest(self.method.hash, &hashed);
        Ok(Secret { shared, hash, algorithm: self.method.hash })
    }
}

fn put_gex_bits(into: &mut Vec<u8>) {
    for bits in GEX_BITS {
        put_uint32(into, bits);
    }
}

/// A group and our public value in it.
fn group(prime: &[u8], generator: &[u8]) -> Result<(Modulus, Vec<u8>), Fault> {
    let modulus = Modulus::new(prime).ok_or(Fault::PublicValue)?;
    let public = modulus.power(generator, SQUARINGS).ok_or(Fault::PublicValue)?;
    Ok((modulus, public))
}

/// What keys are made of.
pub(super) struct Secret {
    /// An `mpint`.
    shared: Vec<u8>,
    /// The exchange's hash, which is the session's identifier too: there is no second exchange.
    hash: digest::Digest,
    algorithm: &'static digest::Algorithm,
}

impl Secret {
    /// `len` octets of the key that is lettered so (RFC 4253 §7.2).
    pub(super) fn key(&self, letter: u8, len: usize) -> Vec<u8> {
        let digest = |tail: &[&[u8]]| {
            let mut context = digest::Context::new(self.algorithm);
            for part in [self.shared.as_slice(), self.hash.as_ref()].iter().chain(tail) {
                context.update(part);
            }
            context.finish()
        };
        let mut key = digest(&[&[letter], self.hash.as_ref()]).as_ref().to_vec();
        while key.len() < len {
            let more = digest(&[&key]);
            key.extend_from_slice(more.as_ref());
        }
        key.truncate(len);
        key
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::kex_reply;
    use super::*;

    /// Something to make keys of.
    pub(in super::super) fn secret() -> Secret {
        let hash = digest::digest(&digest::SHA256, b"an exchange");
        Secret { shared: vec![0, 0, 0, 1, 7], hash, algorithm: &digest::SHA256 }
    }

    const BEFORE: Before<'_> = Before {
        client_line: b"SSH-2.0-a",
        server_line: b"SSH-2.0-b",
        client_init: b"c",
        server_init: b"s",
    };

    #[test]
    fn groups_agree_with_the_other_side() {
        for method in METHODS.iter().filter(|m| matches!(m.kind, MethodKind::Group(_))) {
            let MethodKind::Group(digits) = method.kind else { unreachable!() };
            let (exchange, message) = Exchange::begin(method).unwrap();
            // The server's exponent is 2⁵, so that both sides agree on 2^(2^18).
            let modulus = Modulus::new(&octets(digits)).unwrap();
            let theirs = modulus.power(&[2], 5).unwrap();
            let mut sent = vec![REPLY];
            put_string(&mut sent, b"key");
            put_mpint(&mut sent, &theirs);
            put_string(&mut sent, b"signature");
            assert_eq!((message[0], exchange.reply_number()), (INIT, REPLY));
            let reply = kex_reply::parse(&sent, REPLY).unwrap();
            let secret = exchange.finish(&BEFORE, &reply).unwrap();
            let mut expected = Vec::new();
            put_mpint(&mut expected, &modulus.power(&message[5..], 5).unwrap());
            assert_eq!(secret.shared, expected, "{}", method.name);
            assert_eq!(secret.key(b'A', 100).len(), 100);
            assert_eq!(secret.key(b'A', 100)[..10], secret.key(b'A', 10));
            assert_ne!(secret.key(b'A', 10), secret.key(b'B', 10));
        }
    }

    #[test]
    fn a_servers_group_is_looked_at() {
        let ask = METHODS.iter().find(|m| matches!(m.kind, MethodKind::AskForGroup)).unwrap();
        let (mut exchange, message) = Exchange::begin(ask).unwrap();
        assert_eq!(message[0], GEX_REQUEST);
        assert!(exchange.awaits_group());
        let mut payload = vec![REPLY];
        put_mpint(&mut payload, &[0xff; 64]);
        let generator_at = payload.len();
        put_mpint(&mut payload, &[1]);
        assert_eq!(exchange.take_group(&payload), Err(Fault::PublicValue));
        payload.truncate(generator_at);
        put_mpint(&mut payload, &[5]);
        assert_eq!(exchange.take_group(&payload).unwrap()[0], GEX_INIT);
        assert!(!exchange.awaits_group());
        assert_eq!(exchange.reply_number(), GEX_REPLY);
    }

    #[test]
    fn a_point_that_is_none_is_refused() {
        for method in METHODS.iter().filter(|m| matches!(m.kind, MethodKind::Curve(_))) {
            let (exchange, _) = Exchange::begin(method).unwrap();
            let reply = [31, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0];
            let reply = kex_reply::parse(&reply, REPLY).unwrap();
            assert_eq!(exchange.finish(&BEFORE, &reply).err(), Some(Fault::PublicValue));
        }
    }
}
