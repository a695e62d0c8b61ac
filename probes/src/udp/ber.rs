//! Just enough of ASN.1's basic encoding to find a field in a reply.
//!
//! Source: ITU-T X.690 §8.1. Tags of one octet, definite lengths.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const SEQUENCE: u8 = 0x30;

/// The value of the element at the beginning, and what follows it, if its tag is `tag`.
///
/// A value that the packet cuts short is returned as far as it goes: a truncated reply still
/// shows its id.
pub(super) fn expect(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, value, rest) = element(octets)?;
    (found == tag).then_some((value, rest))
}

/// Tag, value and rest.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // No UDP payload needs more than four octets of length.
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(5))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |len: usize, digit| (len << 8) | usize::from(*digit)), rest)
    };
    let (value, rest) = rest.split_at(len.min(rest.len()));
    Some((tag, value, rest))
}

/// Every constructed element is filled exactly by its children.
#[cfg(test)]
pub(crate) fn assert_well_formed(octets: &[u8]) {
    let mut rest = octets;
    while !rest.is_empty() {
        let (tag, value, tail) = element(rest).expect("a tag and a length");
        let header = rest.len() - value.len() - tail.len();
        let mut again = rest[..header].to_vec();
        again.extend_from_slice(value);
        assert_eq!(element(&again).map(|(_, v, r)| (v.len(), r.len())), Some((value.len(), 0)));
        let declared = match rest[1] {
            short @ 0..=0x7f => usize::from(short),
            long => rest[2..2 + usize::from(long & 0x7f)]
                .iter()
                .fold(0, |len, digit| len << 8 | usize::from(*digit)),
        };
        assert_eq!(value.len(), declared, "an element of tag {tag:#x} is cut short");
        if tag & 0x20 != 0 {
            assert_well_formed(value);
        }
        rest = tail;
    }
}
