//! Packets with keys, one direction of them.

use ring::aead::chacha20_poly1305_openssh::{OpeningKey, SealingKey};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

use super::aes::{BLOCK_LEN, Ctr};
use super::exchange::Secret;
use super::fault::Fault;
use super::packet::{PLAIN_BLOCK, frame, length, payload};

/// Octets of the tag of both AEADs.
const TAG_LEN: usize = 16;
/// Octets of a nonce of GCM (RFC 5647 §7.1).
const NONCE_LEN: usize = 12;

/// A cipher that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    /// OpenSSH's PROTOCOL.chacha20poly1305.
    ChaCha,
    /// RFC 5647, with the names of OpenSSH's PROTOCOL §1.6, and the key's length in octets.
    Gcm(usize),
    /// RFC 4344 §4, and the key's length in octets.
    Ctr(usize),
}

/// The ciphers with their names, those first that take the least.
pub(super) static CIPHERS: [(&str, Cipher); 5] = [
    ("chacha20-poly1305@openssh.com", Cipher::ChaCha),
    ("aes128-gcm@openssh.com", Cipher::Gcm(16)),
    ("aes256-gcm@openssh.com", Cipher::Gcm(32)),
    ("aes128-ctr", Cipher::Ctr(16)),
    ("aes256-ctr", Cipher::Ctr(32)),
];

impl Cipher {
    /// Whether it authenticates packets itself.
    pub(super) const fn is_aead(self) -> bool {
        matches!(self, Self::ChaCha | Self::Gcm(_))
    }
}

/// An authentication code that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mac {
    algorithm: hmac::Algorithm,
    /// Octets that are sent.
    tag_len: usize,
    /// Over what is encrypted, and the length is not (OpenSSH's PROTOCOL §1.5).
    encrypted: bool,
}

const fn mac(algorithm: hmac::Algorithm, tag_len: usize, encrypted: bool) -> Mac {
    Mac { algorithm, tag_len, encrypted }
}

/// The authentication codes with their names (RFC 6668 §2, RFC 4253 §6.4).
pub(super) static MACS: [(&str, Mac); 7] = [
    ("hmac-sha2-256-etm@openssh.com", mac(hmac::HMAC_SHA256, 32, true)),
    ("hmac-sha2-256", mac(hmac::HMAC_SHA256, 32, false)),
    ("hmac-sha2-512-etm@openssh.com", mac(hmac::HMAC_SHA512, 64, true)),
    ("hmac-sha2-512", mac(hmac::HMAC_SHA512, 64, false)),
    ("hmac-sha1-etm@openssh.com", mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, 20, true)),
    ("hmac-sha1", mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, 20, false)),
    ("hmac-sha1-96", mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, 12, false)),
];

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// One direction with its keys and its sequence number.
pub(super) struct Channel {
    keys: Keys,
    sequence: u32,
}

enum Keys {
    ChaCha { seal: SealingKey, open: OpeningKey },
    Gcm { key: Box<LessSafeKey>, nonce: [u8; NONCE_LEN] },
    Ctr { stream: Ctr, mac: Mac, key: hmac::Key },
}

impl Channel {
    /// `sequence` counts the packets that went this way without keys; they are not counted anew
    /// (RFC 4253 §6.4).
    ///
    /// `None` if `mac` is missing where it is needed.
    pub(super) fn new(
        secret: &Secret,
        way: Way,
        cipher: Cipher,
        mac: Option<Mac>,
        sequence: u32,
    ) -> Option<Self> {
        // RFC 4253 §7.2: the initial vector, the key, the key of the authentication code.
        let [iv, key, code] = match way {
            Way::ToServer => *b"ACE",
            Way::ToClient => *b"BDF",
        };
        let keys = match cipher {
            Cipher::ChaCha => {
                let material = secret.key(key, 64);
                let material = material.first_chunk::<64>()?;
                Keys::ChaCha { seal: SealingKey::new(material), open: OpeningKey::new(material) }
            }
            Cipher::Gcm(len) => {
                let algorithm = if len == 16 { &AES_128_GCM } else { &AES_256_GCM };
                let key = UnboundKey::new(algorithm, &secret.key(key, len)).ok()?;
                let nonce = *secret.key(iv, NONCE_LEN).first_chunk()?;
                Keys::Gcm { key: Box::new(LessSafeKey::new(key)), nonce }
            }
            Cipher::Ctr(len) => {
                let counter = *secret.key(iv, BLOCK_LEN).first_chunk()?;
                let mac = mac?;
                let code = secret.key(code, mac.algorithm.digest_algorithm().output_len());
                let code = hmac::Key::new(mac.algorithm, &code);
                Keys::Ctr { stream: Ctr::new(&secret.key(key, len), counter)?, mac, key: code }
            }
        };
        Some(Self { keys, sequence })
    }

    /// The packet that carries `payload`.
    pub(super) fn seal(&mut self, payload: &[u8]) -> Result<Vec<u8>, Fault> {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        match &mut self.keys {
            Keys::ChaCha { seal, .. } => {
                let mut packet = frame(payload, PLAIN_BLOCK, 4);
                let mut tag = [0; TAG_LEN];
                seal.seal_in_place(sequence, &mut packet, &mut tag);
                packet.extend(tag);
                Ok(packet)
            }
            Keys::Gcm { key, nonce } => {
                let mut packet = frame(payload, BLOCK_LEN, 4);
                let fault = Fault::Malformed("a packet");
                let (len, body) = packet.split_first_chunk_mut::<4>().ok_or(fault)?;
                let nonce = Nonce::assume_unique_for_key(step(nonce));
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(*len), body);
                let tag = tag.map_err(|_| Fault::Forged)?;
                packet.extend_from_slice(tag.as_ref());
                Ok(packet)
            }
            Keys::Ctr { stream, mac, key } => {
                let mut packet = frame(payload, BLOCK_LEN, if mac.encrypted { 4 } else { 0 });
                let before = code(key, sequence, &packet);
                let clear = if mac.encrypted { 4 } else { 0 };
                stream.apply(packet.get_mut(clear..).unwrap_or_default());
                let tag = if mac.encrypted { code(key, sequence, &packet) } else { before };
                packet.extend(tag.as_ref().iter().take(mac.tag_len));
                Ok(packet)
            }
        }
    }

    /// Opens the packet at the beginning of `data`.
    ///
    /// Returns its payload, which is not empty, and the octets that the packet takes; `None` while
    /// more is needed.
    pub(super) fn open(&mut self, data: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Fault> {
        let Some((first, _)) = data.split_first_chunk::<4>() else { return Ok(None) };
        let (len, tag_len) = match &self.keys {
            Keys::ChaCha { open, .. } => {
                (open.decrypt_packet_length(self.sequence, *first), TAG_LEN)
            }
            Keys::Gcm { .. } => (*first, TAG_LEN),
            Keys::Ctr { mac, .. } if mac.encrypted => (*first, mac.tag_len),
            Keys::Ctr { stream, mac, .. } => (stream.peek(*first), mac.tag_len),
        };
        let len = 4 + length(len)?;
        let Some((packet, rest)) = data.split_at_checked(len) else { return Ok(None) };
        let Some(tag) = rest.get(..tag_len) else { return Ok(None) };
        let body = self.decrypt(packet.to_vec(), tag)?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(Some((payload(&body)?.to_vec(), len + tag_len)))
    }

    /// All of a packet but its length, in clear.
    fn decrypt(&mut self, mut packet: Vec<u8>, tag: &[u8]) -> Result<Vec<u8>, Fault> {
        let sequence = self.sequence;
        match &mut self.keys {
            Keys::ChaCha { open, .. } => {
                let tag = tag.first_chunk::<TAG_LEN>().ok_or(Fault::Forged)?;
                let body = open.open_in_place(sequence, &mut packet, tag);
                Ok(body.map_err(|_| Fault::Forged)?.to_vec())
            }
            Keys::Gcm { key, nonce } => {
                let (len, body) = packet.split_first_chunk::<4>().ok_or(Fault::Forged)?;
                let nonce = Nonce::assume_unique_for_key(step(nonce));
                let mut body = [body, tag].concat();
                let clear = key.open_in_place(nonce, Aad::from(*len), &mut body);
                Ok(clear.map_err(|_| Fault::Forged)?.to_vec())
            }
            Keys::Ctr { stream, mac, key } => {
                let before = code(key, sequence, &packet);
                let clear = if mac.encrypted { 4 } else { 0 };
                stream.apply(packet.get_mut(clear..).unwrap_or_default());
                let expected = if mac.encrypted { before } else { code(key, sequence, &packet) };
                if expected.as_ref().get(..mac.tag_len) != Some(tag) {
                    return Err(Fault::Forged);
                }
                Ok(packet.split_off(4))
            }
        }
    }
}

/// RFC 4253 §6.4.
fn code(key: &hmac::Key, sequence: u32, packet: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(&sequence.to_be_bytes());
    context.update(packet);
    context.sign()
}

/// This packet's nonce; the next is one more, in its last eight octets (RFC 5647 §7.1).
fn step(nonce: &mut [u8; NONCE_LEN]) -> [u8; NONCE_LEN] {
    let this = *nonce;
    if let Some(counter) = nonce.last_chunk_mut::<8>() {
        *counter = u64::from_be_bytes(*counter).wrapping_add(1).to_be_bytes();
    }
    this
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::exchange::tests::secret;
    use super::*;

    fn pairs() -> Vec<(String, Channel, Channel)> {
        let secret = secret();
        let mut pairs = Vec::new();
        for (name, cipher) in CIPHERS {
            for (mac_name, mac) in MACS {
                let new = || Channel::new(&secret, Way::ToServer, cipher, Some(mac), 3).unwrap();
                pairs.push((format!("{name} {mac_name}"), new(), new()));
            }
        }
        pairs
    }

    #[test]
    fn what_is_sealed_opens_and_only_whole() {
        for (name, mut seal, mut open) in pairs() {
            for len in [1, 5, 16, 300] {
                let packet = seal.seal(&vec![7; len]).unwrap();
                for cut in 0..packet.len() {
                    assert_eq!(open.open(&packet[..cut]), Ok(None), "{name}, {cut} octets");
                }
                let opened = open.open(&[&packet[..], &[9]].concat()).unwrap().unwrap();
                assert_eq!(opened, (vec![7; len], packet.len()), "{name}");
            }
        }
    }

    #[test]
    fn what_was_changed_does_not_open() {
        for (name, mut seal, mut open) in pairs() {
            let mut packet = seal.seal(&[7; 20]).unwrap();
            packet[10] ^= 1;
            assert_eq!(open.open(&packet), Err(Fault::Forged), "{name}");
        }
    }

    #[test]
    fn a_cipher_without_its_own_code_needs_one() {
        assert!(Channel::new(&secret(), Way::ToClient, Cipher::Ctr(16), None, 0).is_none());
        assert!(Channel::new(&secret(), Way::ToClient, Cipher::Gcm(16), None, 0).is_some());
    }

    proptest! {
        #[test]
        fn any_octets(data in prop::collection::vec(any::<u8>(), 0..100)) {
            for (_, _, mut open) in pairs() {
                let opened = open.open(&data);
                prop_assert!(!matches!(opened, Ok(Some(_))));
                let _ = open.open(&[&[0, 0, 0, 12][..], &data].concat());
            }
        }
    }
}
