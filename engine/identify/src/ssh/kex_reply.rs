//! What a server answers in a key exchange, all of it in clear.

use super::fault::Fault;
use super::wire::Reader;

/// A server's half of a key exchange: `SSH_MSG_KEXDH_REPLY` (RFC 4253 §8),
/// `SSH_MSG_KEX_ECDH_REPLY` (RFC 5656 §4), `SSH_MSG_KEX_DH_GEX_REPLY` (RFC 4419 §3): they differ
/// in their number only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KexReply<'a> {
    /// `K_S`, the public host key.
    pub host_key: &'a [u8],
    /// `f` or `Q_S`.
    pub public: &'a [u8],
    /// Made with the host key; not looked into.
    pub signature: &'a [u8],
}

/// Reads a reply whose message number is `number`.
///
/// # Errors
/// [`Fault::OutOfTurn`] if it is another message, [`Fault::Malformed`] if it is cut short.
pub fn parse(payload: &[u8], number: u8) -> Result<KexReply<'_>, Fault> {
    let mut reader = Reader::new(payload);
    let found = reader.octet().ok_or(Fault::Malformed("the key exchange reply"))?;
    if found != number {
        return Err(Fault::OutOfTurn(found));
    }
    let mut string = || reader.string().ok_or(Fault::Malformed("the key exchange reply"));
    Ok(KexReply { host_key: string()?, public: string()?, signature: string()? })
}

/// Reads `SSH_MSG_KEX_DH_GEX_GROUP` (RFC 4419 §3): the modulus and the generator.
///
/// # Errors
/// [`Fault::OutOfTurn`] if it is another message, [`Fault::Malformed`] if it is cut short.
pub fn parse_group(payload: &[u8], number: u8) -> Result<(&[u8], &[u8]), Fault> {
    let mut reader = Reader::new(payload);
    let found = reader.octet().ok_or(Fault::Malformed("the group"))?;
    if found != number {
        return Err(Fault::OutOfTurn(found));
    }
    let mut string = || reader.string().ok_or(Fault::Malformed("the group"));
    Ok((string()?, string()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reply_is_whole_or_not_one() {
        let payload = [31, 0, 0, 0, 1, b'k', 0, 0, 0, 1, b'q', 0, 0, 0, 1, b's'];
        let reply = KexReply { host_key: b"k", public: b"q", signature: b"s" };
        assert_eq!(parse(&payload, 31), Ok(reply));
        assert_eq!(parse(&payload, 33), Err(Fault::OutOfTurn(31)));
        for len in 0..payload.len() {
            let cut = parse(&payload[..len], 31);
            assert_eq!(cut, Err(Fault::Malformed("the key exchange reply")), "{len} octets");
        }
        assert_eq!(parse_group(&payload, 31), Ok((&b"k"[..], &b"q"[..])));
        assert_eq!(parse_group(&payload[..9], 31), Err(Fault::Malformed("the group")));
        assert_eq!(parse_group(&payload, 30), Err(Fault::OutOfTurn(31)));
    }

    proptest! {
        #[test]
        fn any_octets(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&data, 31);
            let _ = parse_group(&data, 31);
        }
    }
}
