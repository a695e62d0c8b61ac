//! What a client answers an offer with: one algorithm of each kind.

use super::cipher::{CIPHERS, Cipher, MACS, Mac};
use super::exchange::{METHODS, Method};
use super::fault::Fault;
use super::kex_init::{KexInit, write};
use super::weak::Kind;

/// A cipher and the authentication code that it needs.
pub(super) type Suite = (Cipher, Option<Mac>);

/// One algorithm of each kind.
#[derive(Debug)]
pub(super) struct Choice {
    /// Spoken here.
    pub(super) method: &'static Method,
    /// From client to server and back; an algorithm that is not spoken here may be chosen all the
    /// same, since the host key is told before it is used.
    pub(super) suites: Result<[Suite; 2], Fault>,
    names: [String; 8],
}

impl Choice {
    /// Of `offer`, for a host key of `host_key`.
    ///
    /// # Errors
    /// [`Fault::NoCommon`] if no key exchange method is spoken here.
    pub(super) fn new(offer: &KexInit, host_key: &str) -> Result<Self, Fault> {
        let method = METHODS.iter().find(|method| offer.kex.iter().any(|kex| kex == method.name));
        let method = method.ok_or(Fault::NoCommon(Kind::KeyExchange))?;
        let to_server = direction(
            offer.ciphers.to_server(),
            offer.macs.to_server(),
            offer.compression.to_server(),
        );
        let to_client = direction(
            offer.ciphers.to_client(),
            offer.macs.to_client(),
            offer.compression.to_client(),
        );
        let [cipher1, mac1, compression1] = to_server.names;
        let [cipher2, mac2, compression2] = to_client.names;
        let suites = match (to_server.suite, to_client.suite) {
            (Ok(one), Ok(other)) => Ok([one, other]),
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
        };
        let (kex, host_key) = (method.name.to_owned(), host_key.to_owned());
        // The order of the packet.
        let names = [kex, host_key, cipher1, cipher2, mac1, mac2, compression1, compression2];
        Ok(Self { method, suites, names })
    }

    /// The client's `SSH_MSG_KEXINIT`.
    pub(super) fn message(&self, cookie: [u8; 16]) -> Vec<u8> {
        write(cookie, self.names.each_ref().map(String::as_str))
    }
}

struct Direction {
    suite: Result<Suite, Fault>,
    names: [String; 3],
}

fn direction(ciphers: &[String], macs: &[String], compression: &[String]) -> Direction {
    let offered = |list: &[String], name: &str| list.iter().any(|offered| offered == name);
    let first = |list: &[String]| list.first().cloned().unwrap_or_default();
    let mac = MACS.iter().find(|(name, _)| offered(macs, name));
    // A cipher that needs a code is no use without one.
    let usable = |cipher: Cipher| cipher.is_aead() || mac.is_some();
    let cipher = CIPHERS.iter().find(|(name, c)| offered(ciphers, name) && usable(*c));
    // Delayed compression begins with a success, which ends what is asked here.
    let compressor =
        ["none", "zlib@openssh.com"].into_iter().find(|name| offered(compression, name));
    let suite = match cipher {
        _ if compressor.is_none() => Err(Fault::NoCommon(Kind::Compression)),
        Some((_, cipher)) => Ok((*cipher, mac.map(|(_, mac)| *mac))),
        None if CIPHERS.iter().any(|(name, _)| offered(ciphers, name)) => {
            Err(Fault::NoCommon(Kind::Mac))
        }
        None => Err(Fault::NoCommon(Kind::Cipher)),
    };
    let names = [
        cipher.map_or_else(|| first(ciphers), |(name, _)| (*name).to_owned()),
        mac.map_or_else(|| first(macs), |(name, _)| (*name).to_owned()),
        compressor.map_or_else(|| first(compression), str::to_owned),
    ];
    Direction { suite, names }
}

#[cfg(test)]
mod tests {
    use super::super::kex_init::parse;
    use super::*;

    fn choose(names: [&str; 8]) -> Result<Choice, Fault> {
        Choice::new(&parse(&write([0; 16], names)).unwrap(), names[1])
    }

    fn chosen(names: [&str; 8]) -> [String; 8] {
        choose(names).unwrap().names
    }

    #[test]
    fn the_best_of_what_is_spoken_here() {
        let kex = "x,diffie-hellman-group1-sha1,curve25519-sha256";
        let macs = "umac-64@openssh.com,hmac-sha1,hmac-sha2-256";
        let ciphers = "aes256-ctr,chacha20-poly1305@openssh.com";
        let names = [kex, "ssh-rsa", ciphers, "aes128-ctr", macs, macs, "none", "zlib,none"];
        let expected = [
            "curve25519-sha256",
            "ssh-rsa",
            "chacha20-poly1305@openssh.com",
            "aes128-ctr",
            "hmac-sha2-256",
            "hmac-sha2-256",
            "none",
            "none",
        ];
        assert_eq!(chosen(names), expected);
    }

    #[test]
    fn what_is_not_spoken_here_is_chosen_for_the_host_key_alone() {
        let kex = "ecdh-sha2-nistp256";
        let offer = |cipher, mac, compression| {
            let names = [kex, "k", cipher, cipher, mac, mac, compression, compression];
            let choice = choose(names).unwrap();
            assert_eq!(choice.names, names);
            choice.suites.unwrap_err()
        };
        assert_eq!(offer("aes128-cbc", "hmac-sha1", "none"), Fault::NoCommon(Kind::Cipher));
        assert_eq!(offer("aes128-ctr", "hmac-md5", "none"), Fault::NoCommon(Kind::Mac));
        assert_eq!(offer("aes128-ctr", "hmac-sha1", "zlib"), Fault::NoCommon(Kind::Compression));
        let none = choose(["sntrup761x25519-sha512", "k", "c", "c", "m", "m", "none", "none"]);
        assert_eq!(none.unwrap_err(), Fault::NoCommon(Kind::KeyExchange));
    }

    #[test]
    fn an_aead_needs_no_code() {
        let cipher = "aes128-gcm@openssh.com,aes128-ctr";
        let names = ["curve25519-sha256", "k", cipher, cipher, "m", "m", "none", "none"];
        let choice = choose(names).unwrap();
        assert_eq!(choice.suites, Ok([(Cipher::Gcm(16), None); 2]));
    }
}
