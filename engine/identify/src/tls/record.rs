//! Records, RFC 8446 §5.1 and RFC 5246 §6.2.

/// Octets of a record's header.
pub(super) const HEADER_LEN: usize = 5;
/// What a record's body may have: 2¹⁴ octets and what encryption adds, RFC 5246 §6.2.3.
const BODY_LEN_MAX: usize = (1 << 14) + 2_048;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Heartbeat,
}

impl Content {
    const fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::ApplicationData,
            24 => Self::Heartbeat,
            _ => return None,
        })
    }
}

/// Whether a record can begin with `octet`.
pub(super) const fn begins_record(octet: u8) -> bool {
    Content::of_number(octet).is_some()
}

/// What some octets begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A record, and as much of its body as there is; it is whole if `lacking` is 0.
    Record { content: Content, body: &'a [u8], lacking: usize },
    /// Less than a header.
    More,
    /// Something else.
    Broken,
}

/// The record that `octets` begin with.
///
/// Its version must be one of 3.0 to 3.4; which one says nothing, RFC 8446 appendix D.
pub(super) fn next(octets: &[u8]) -> Next<'_> {
    let Some((&[content, major, minor, high, low], rest)) = octets.split_first_chunk() else {
        return Next::More;
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    match Content::of_number(content) {
        Some(content) if major == 3 && minor <= 4 && len <= BODY_LEN_MAX => {
            let body = rest.get(..len).unwrap_or(rest);
            Next::Record { content, body, lacking: len - body.len() }
        }
        _ => Next::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked() {
        let (content, body) = (Content::Alert, &[2, 40][..]);
        assert_eq!(next(&[21, 3, 1, 0, 2, 2, 40, 9]), Next::Record { content, body, lacking: 0 });
        assert_eq!(next(&[21, 3, 1, 0, 4, 2, 40]), Next::Record { content, body, lacking: 2 });
        assert_eq!(next(&[21, 3, 1, 0]), Next::More);
        for broken in [*b"HTTP/", *b"220 x", [22, 2, 1, 0, 2], [22, 3, 5, 0, 2]] {
            assert_eq!(next(&broken), Next::Broken, "{broken:?}");
        }
        let header = |len: usize| [&[23, 3, 3][..], &len.to_be_bytes()[6..]].concat();
        assert!(matches!(next(&header(BODY_LEN_MAX)), Next::Record { .. }));
        assert_eq!(next(&header(BODY_LEN_MAX + 1)), Next::Broken);
    }
}
