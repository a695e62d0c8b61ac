//! Groups that have a number (RFC 2409 §6.2; RFC 3526 §3 and §5).

/// A modulus of a group whose generator is 2, in hexadecimal digits.
pub(super) type Digits = &'static str;

/// 1024 bits (RFC 2409 §6.2), which SSH counts as the first (RFC 4253 §8.1).
pub(super) static GROUP_1: Digits = concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff",
);

/// 2048 bits (RFC 3526 §3).
pub(super) static GROUP_14: Digits = concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05",
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb",
    "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b",
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718",
    "3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff",
);

/// 4096 bits (RFC 3526 §5).
pub(super) static GROUP_16: Digits = concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05",
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb",
    "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b",
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718",
    "3995497cea956ae515d2261898fa051015728e5a8aaac42dad33170d04507a33",
    "a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7",
    "abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864",
    "d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e2",
    "08e24fa074e5ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d7",
    "88719a10bdba5b2699c327186af4e23c1a946834b6150bda2583e9ca2ad44ce8",
    "dbbbc2db04de8ef92e8efc141fbecaa6287c59474e6bc05d99b2964fa090c3a2",
    "233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa9",
    "93b4ea988d8fddc186ffb7dc90a6c08f4df435c934063199ffffffffffffffff",
);

/// The octets of `digits`.
pub(super) fn octets(digits: Digits) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
    let pairs = digits.as_bytes().as_chunks::<2>().0;
    pairs.iter().filter_map(|[high, low]| Some((value(*high)? << 4) | value(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::modulus::Modulus;
    use super::*;

    #[test]
    fn groups_are_whole() {
        for (digits, bits) in [(GROUP_1, 1024), (GROUP_14, 2048), (GROUP_16, 4096)] {
            let octets = octets(digits);
            assert_eq!(octets.len() * 8, bits);
            assert_eq!(&octets[..8], [0xff; 8]);
            assert_eq!(&octets[octets.len() - 8..], [0xff; 8]);
            // 2⁻⁶⁴ times the middle begins with π: 3.243f6a88…, one bit of it in the first limb.
            assert_eq!(&octets[8..12], [0xc9, 0x0f, 0xda, 0xa2]);
            assert!(Modulus::new(&octets).is_some());
        }
        // The longer hold the shorter but for the end of it.
        assert_eq!(GROUP_1[..220], GROUP_14[..220]);
        assert_eq!(GROUP_14[..480], GROUP_16[..480]);
    }
}
