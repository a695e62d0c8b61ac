//! Just enough of ASN.1's basic encoding: tags of one octet, definite lengths.
//!
//! Source: ITU-T X.690 §8.1.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Tag, value and what follows of the element at the beginning; a value that is cut short goes as
/// far as there are octets.
pub(super) fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(5))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |len: usize, digit| (len << 8) | usize::from(*digit)), rest)
    };
    let (value, rest) = rest.split_at(len.min(rest.len()));
    Some((tag, value, rest))
}

/// Value and what follows of the element at the beginning, if its tag is `tag`.
pub(super) fn expect(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, value, rest) = element(octets)?;
    (found == tag).then_some((value, rest))
}
