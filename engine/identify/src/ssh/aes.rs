//! AES in counter mode (FIPS 197; NIST SP 800-38A §6.5; RFC 4344 §4).
//!
//! Old servers speak no cipher that `ring` has, and it lends its AES to nobody.
//! What is encrypted here is a request that holds no secret, so neither its time nor its traces in
//! caches give anything away: do not use it for anything else.

use std::array::from_fn;
use std::sync::LazyLock;

/// Octets of a block.
pub(super) const BLOCK_LEN: usize = 16;
type Block = [u8; BLOCK_LEN];

/// FIPS 197 §5.1.1.
static SBOX: LazyLock<[u8; 256]> =
    LazyLock::new(|| from_fn(|x| affine(inverse(u8::try_from(x).unwrap_or(0)))));

/// A stream of key octets.
pub(super) struct Ctr {
    round_keys: Vec<Block>,
    counter: u128,
}

impl Ctr {
    /// `key` has 16 or 32 octets; `None` for others.
    pub(super) fn new(key: &[u8], counter: Block) -> Option<Self> {
        let rounds = match key.len() {
            16 => 10,
            32 => 14,
            _ => return None,
        };
        Some(Self { round_keys: expand(key, rounds), counter: u128::from_be_bytes(counter) })
    }

    /// Encrypts or decrypts whole blocks, and a last one of which the rest is lost.
    pub(super) fn apply(&mut self, data: &mut [u8]) {
        for chunk in data.chunks_mut(BLOCK_LEN) {
            let stream = self.encrypt(self.counter.to_be_bytes());
            self.counter = self.counter.wrapping_add(1);
            chunk.iter_mut().zip(stream).for_each(|(octet, key)| *octet ^= key);
        }
    }

    /// The first four octets of the block that comes next, without going on.
    pub(super) fn peek(&self, mut octets: [u8; 4]) -> [u8; 4] {
        let stream = self.encrypt(self.counter.to_be_bytes());
        octets.iter_mut().zip(stream).for_each(|(octet, key)| *octet ^= key);
        octets
    }

    /// FIPS 197 §5.1.
    fn encrypt(&self, block: Block) -> Block {
        let mut state = block;
        let last = self.round_keys.len() - 1;
        for (round, key) in self.round_keys.iter().enumerate() {
            if round > 0 {
                state = shift_rows(&state.map(substitute));
                if round < last {
                    state = mix_columns(&state);
                }
            }
            state.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
        }
        state
    }
}

/// FIPS 197 §5.2.
fn expand(key: &[u8], rounds: usize) -> Vec<Block> {
    let mut words: Vec<[u8; 4]> = key.as_chunks::<4>().0.to_vec();
    let key_words = words.len();
    let mut constant = 1;
    for number in key_words..4 * (rounds + 1) {
        let mut word = words.last().copied().unwrap_or_default();
        if number % key_words == 0 {
            word.rotate_left(1);
            word = word.map(substitute);
            let [first, ..] = &mut word;
            *first ^= constant;
            constant = double(constant);
        } else if key_words > 6 && number % key_words == 4 {
            word = word.map(substitute);
        }
        let before = words.get(number - key_words).copied().unwrap_or_default();
        word.iter_mut().zip(before).for_each(|(octet, before)| *octet ^= before);
        words.push(word);
    }
    words.as_flattened().as_chunks::<BLOCK_LEN>().0.to_vec()
}

fn substitute(octet: u8) -> u8 {
    SBOX.get(usize::from(octet)).copied().unwrap_or(0)
}

#[expect(clippy::indexing_slicing, reason = "the index is taken modulo the length")]
fn shift_rows(state: &Block) -> Block {
    from_fn(|at| state[(at + 4 * (at % 4)) % BLOCK_LEN])
}

fn mix_columns(state: &Block) -> Block {
    let mut mixed = *state;
    for column in mixed.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *column;
        let all = a ^ b ^ c ^ d;
        *column = [
            a ^ all ^ double(a ^ b),
            b ^ all ^ double(b ^ c),
            c ^ all ^ double(c ^ d),
            d ^ all ^ double(d ^ a),
        ];
    }
    mixed
}

/// Times x in GF(2⁸) (FIPS 197 §4.2.1).
const fn double(octet: u8) -> u8 {
    (octet << 1) ^ (if octet & 0x80 == 0 { 0 } else { 0x1b })
}

const fn product(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut sum) = (a, b, 0);
    while b != 0 {
        if b & 1 == 1 {
            sum ^= a;
        }
        a = double(a);
        b >>= 1;
    }
    sum
}

/// x²⁵⁴, which is the inverse, and zero for zero.
const fn inverse(octet: u8) -> u8 {
    let (mut power, mut result, mut times) = (octet, 1, 0);
    while times < 7 {
        power = product(power, power);
        result = product(result, power);
        times += 1;
    }
    result
}

const fn affine(x: u8) -> u8 {
    x ^ x.rotate_left(1) ^ x.rotate_left(2) ^ x.rotate_left(3) ^ x.rotate_left(4) ^ 0x63
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ascending<const N: usize>() -> [u8; N] {
        from_fn(|at| u8::try_from(at).unwrap())
    }

    #[test]
    fn blocks_are_those_of_the_standard() {
        // FIPS 197, appendices C.1 and C.3.
        let plain: Block = from_fn(|at| u8::try_from(at * 0x11).unwrap());
        let aes128 = Ctr::new(&ascending::<16>(), [0; 16]).unwrap();
        let expected = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128;
        assert_eq!(aes128.encrypt(plain), expected.to_be_bytes());
        let aes256 = Ctr::new(&ascending::<32>(), [0; 16]).unwrap();
        let expected = 0x8ea2_b7ca_5167_45bf_eafc_4990_4b49_6089_u128;
        assert_eq!(aes256.encrypt(plain), expected.to_be_bytes());
        assert!(Ctr::new(&[0; 24], [0; 16]).is_none());
    }

    #[test]
    fn the_stream_is_that_of_the_standard() {
        // NIST SP 800-38A, F.5.1.
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let counter = 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_feff_u128.to_be_bytes();
        let mut data = [
            0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a_u128.to_be_bytes(),
            0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51_u128.to_be_bytes(),
        ];
        let mut ctr = Ctr::new(&key, counter).unwrap();
        let [a, b, c, d, ..] = data[0];
        assert_eq!(ctr.peek([a, b, c, d]), [0x87, 0x4d, 0x61, 0x91]);
        ctr.apply(data.as_flattened_mut());
        let expected = [
            0x874d_6191_b620_e326_1bef_6864_990d_b6ce_u128.to_be_bytes(),
            0x9806_f66b_7970_fdff_8617_187b_b9ff_fdff_u128.to_be_bytes(),
        ];
        assert_eq!(data, expected);
    }

    #[test]
    fn the_counter_wraps() {
        let mut ctr = Ctr::new(&[0; 16], [0xff; 16]).unwrap();
        ctr.apply(&mut [0; 32]);
        assert_eq!(ctr.counter, 1);
    }
}
