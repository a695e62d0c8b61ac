//! Packets before there are keys (RFC 4253 §6), and the frame that those with keys share.

use super::fault::Fault;

/// Largest `packet_length` that is accepted (RFC 4253 §6.1).
pub const PACKET_LEN_MAX: usize = 35_000;
/// Fewest octets of padding (RFC 4253 §6).
const PADDING_LEN_MIN: u8 = 4;
/// Fewest octets of a whole packet, without its authentication code (RFC 4253 §6).
const PACKET_WHOLE_LEN_MIN: usize = 16;
/// Block of packets that are not encrypted (RFC 4253 §6).
pub(super) const PLAIN_BLOCK: usize = 8;

/// Reads a packet that is not encrypted and has no authentication code.
///
/// Returns its payload, which is not empty, and the octets that the packet takes; `None` while
/// more is needed.
///
/// # Errors
/// [`Fault::TooLong`] or [`Fault::Malformed`], as soon as that is known.
pub fn parse(data: &[u8]) -> Result<Option<(&[u8], usize)>, Fault> {
    let Some((len, rest)) = data.split_first_chunk::<4>() else { return Ok(None) };
    let len = length(*len)?;
    let Some((body, _)) = rest.split_at_checked(len) else { return Ok(None) };
    Ok(Some((payload(body)?, len + 4)))
}

/// A `packet_length`.
///
/// # Errors
/// [`Fault::TooLong`] above [`PACKET_LEN_MAX`]; [`Fault::Malformed`] if nothing fits in.
pub(super) fn length(octets: [u8; 4]) -> Result<usize, Fault> {
    let len = usize::try_from(u32::from_be_bytes(octets)).unwrap_or(usize::MAX);
    if len > PACKET_LEN_MAX {
        return Err(Fault::TooLong("a packet"));
    }
    if len < 2 + usize::from(PADDING_LEN_MIN) {
        return Err(Fault::Malformed("a packet"));
    }
    Ok(len)
}

/// The payload of `padding_length ‖ payload ‖ padding`; it is not empty.
///
/// # Errors
/// [`Fault::Malformed`] if the padding leaves no payload or is too short.
pub(super) fn payload(body: &[u8]) -> Result<&[u8], Fault> {
    let fault = Fault::Malformed("a packet");
    let Some((padding, rest)) = body.split_first() else { return Err(fault) };
    let Some(len) = rest.len().checked_sub(usize::from(*padding)) else { return Err(fault) };
    match rest.get(..len) {
        Some(payload) if len > 0 && *padding >= PADDING_LEN_MIN => Ok(payload),
        _ => Err(fault),
    }
}

/// `packet_length ‖ padding_length ‖ payload ‖ padding`.
///
/// All but the first `uncounted` octets (0, or 4 where the length is not encrypted with the rest)
/// are a multiple of `block`.
/// The padding is zeros: nothing here is secret.
pub(super) fn frame(payload: &[u8], block: usize, uncounted: usize) -> Vec<u8> {
    let least = usize::from(PADDING_LEN_MIN);
    let len = 5 + payload.len() + least;
    // No packet is shorter than this (RFC 4253 §6).
    let counted = (len - uncounted).max(PACKET_WHOLE_LEN_MIN - uncounted);
    let padding = least + counted.next_multiple_of(block) - (len - uncounted);
    let body = u32::try_from(1 + payload.len() + padding).unwrap_or(u32::MAX);
    let mut packet = Vec::with_capacity(len + block);
    packet.extend(body.to_be_bytes());
    packet.push(u8::try_from(padding).unwrap_or(u8::MAX));
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_has_its_bounds() {
        let packet = [0, 0, 0, 6, 4, 20, 0, 0, 0, 0];
        assert_eq!(parse(&packet), Ok(Some((&[20][..], 10))));
        assert_eq!(parse(&packet[..9]), Ok(None));
        let mut short = packet;
        short[4] = 3;
        assert_eq!(parse(&short), Err(Fault::Malformed("a packet")), "too little padding");
        short[4] = 5;
        assert_eq!(parse(&short), Err(Fault::Malformed("a packet")), "nothing but padding");
        assert_eq!(parse(&[0, 0, 0, 5]), Err(Fault::Malformed("a packet")));
        assert_eq!(parse(&[0, 0, 0x88, 0xb8]), Ok(None), "35,000 may come");
        assert_eq!(parse(&[0, 0, 0x88, 0xb9]), Err(Fault::TooLong("a packet")));
        // A server that speaks HTTP.
        assert_eq!(parse(b"HTTP/1.1 400"), Err(Fault::TooLong("a packet")));
    }

    proptest! {
        #[test]
        fn any_octets(data in prop::collection::vec(any::<u8>(), 0..100), small: bool) {
            let data = if small { [vec![0, 0, 0], data].concat() } else { data };
            if let Ok(Some((payload, len))) = parse(&data) {
                prop_assert!(!payload.is_empty() && payload.len() + 9 <= len && len <= data.len());
            }
        }

        #[test]
        fn what_is_framed_is_read(
            payload in prop::collection::vec(any::<u8>(), 1..200),
            block in prop::sample::select(vec![8_usize, 16]),
            uncounted in prop::sample::select(vec![0_usize, 4]),
        ) {
            let packet = frame(&payload, block, uncounted);
            prop_assert_eq!((packet.len() - uncounted) % block, 0);
            prop_assert!(packet.len() >= 16);
            prop_assert_eq!(parse(&packet), Ok(Some((&payload[..], packet.len()))));
        }
    }
}
