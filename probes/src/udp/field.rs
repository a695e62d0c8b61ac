//! Reading and writing fields at fixed places.

use super::Echo;

/// For protocols that hand nothing back.
pub(super) fn patch_nothing(_payload: &mut [u8], _cookie: u64) {}

/// For protocols that hand nothing back.
pub(super) fn check_nothing(_reply: &[u8], _cookie: u64) -> Echo {
    Echo::Unknown
}

/// The verdict on a field that was found.
pub(super) const fn judge(same: bool) -> Echo {
    if same { Echo::Confirmed } else { Echo::Contradicted }
}

/// The verdict where only a match says anything.
pub(super) const fn confirmed_if(found: bool) -> Echo {
    if found { Echo::Confirmed } else { Echo::Unknown }
}

/// Writes `octets` at `at`; nothing where they don't fit.
pub(super) fn put<const N: usize>(payload: &mut [u8], at: usize, octets: [u8; N]) {
    if let Some(field) = payload.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *field = octets;
    }
}

/// The `N` octets at `at`, if they are there.
pub(super) fn get<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..)?.first_chunk().copied()
}

/// Whether the octets at `at` are `expected`; false where the packet ends before.
pub(super) fn is_at(octets: &[u8], at: usize, expected: &[u8]) -> bool {
    octets.get(at..).is_some_and(|rest| rest.starts_with(expected))
}

/// Whether `needle` occurs in the first 4 KiB of `octets`.
pub(super) fn contains(octets: &[u8], needle: &[u8]) -> bool {
    octets.windows(needle.len().max(1)).take(4_096).any(|window| window == needle)
}

/// The low octet.
pub(super) const fn low8(cookie: u64) -> u8 {
    let [.., a] = cookie.to_be_bytes();
    a
}

/// The low 16 bits, network order.
pub(super) const fn low16(cookie: u64) -> [u8; 2] {
    let [.., a, b] = cookie.to_be_bytes();
    [a, b]
}

/// The low 32 bits, network order.
pub(super) const fn low32(cookie: u64) -> [u8; 4] {
    let [.., a, b, c, d] = cookie.to_be_bytes();
    [a, b, c, d]
}

/// The low 30 bits below a leading 01: a BER INTEGER that is positive and always four octets long.
///
/// Source: ITU-T X.690 §8.3.2 (the first nine bits are neither all ones nor all zeros).
pub(super) const fn ber30(cookie: u64) -> [u8; 4] {
    let [a, b, c, d] = low32(cookie);
    [(a & 0x3f) | 0x40, b, c, d]
}

/// The cookie as sixteen lower-case hexadecimal digits.
pub(super) fn hex(cookie: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for (digit, shift) in digits.iter_mut().rev().zip((0..64).step_by(4)) {
        let [.., low] = (cookie >> shift).to_be_bytes();
        let nibble = low & 0x0f;
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    }
    digits
}

/// The parts one after the other; a total other than `N` octets does not compile.
pub(crate) const fn concat<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut whole = [0; N];
    let mut room: &mut [u8] = &mut whole;
    let mut parts = parts;
    while let [part, more @ ..] = parts {
        let (field, rest) = room.split_at_mut(part.len());
        field.copy_from_slice(part);
        room = rest;
        parts = more;
    }
    assert!(room.is_empty(), "the parts must fill the template");
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_those_of_the_formatter() {
        for cookie in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(hex(cookie).as_slice(), format!("{cookie:016x}").as_bytes());
        }
    }

    #[test]
    fn fields_beyond_the_end_are_left_alone() {
        let mut payload = [0; 4];
        put(&mut payload, 3, [1, 2]);
        put(&mut payload, usize::MAX, [1, 2]);
        assert_eq!(payload, [0; 4]);
        assert_eq!(get::<2>(&payload, 3), None);
        assert!(!contains(&[], b"x"));
    }
}
