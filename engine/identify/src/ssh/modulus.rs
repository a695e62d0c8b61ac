//! Arithmetic modulo a prime of Diffie and Hellman's: just enough for one exponent.
//!
//! A client may choose any exponent, and keeps nothing secret here; 2ᵏ takes k squarings and no
//! more.
//! Montgomery's method: "Modular multiplication without trial division", Mathematics of
//! Computation 44 (1985).

/// Longest modulus that is computed with, bits.
pub(super) const BITS_MAX: u32 = 4096;
/// Shortest one, bits.
const BITS_MIN: u32 = 512;

/// An odd modulus, as limbs of 32 bits, the least first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Modulus {
    limbs: Vec<u32>,
    /// −m⁻¹ modulo 2³².
    inverse: u32,
}

impl Modulus {
    /// `octets` are big-endian; `None` if the number is even, or shorter or longer than is
    /// computed with.
    pub(super) fn new(octets: &[u8]) -> Option<Self> {
        if !(BITS_MIN..=BITS_MAX).contains(&super::wire::bits(octets)) {
            return None;
        }
        let mut limbs = limbs(octets);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        let least = limbs.first().copied().filter(|limb| limb & 1 == 1)?;
        // Newton: each step doubles the bits that are right, from 3 on.
        let mut inverse = least;
        for _ in 0..4 {
            inverse = inverse.wrapping_mul(2_u32.wrapping_sub(least.wrapping_mul(inverse)));
        }
        Some(Self { limbs, inverse: inverse.wrapping_neg() })
    }

    /// `base` to the power 2^`squarings`, big-endian, as many octets as the modulus has limbs for.
    ///
    /// `None` unless 1 < `base` < m − 1: no other is a public value or a generator.
    pub(super) fn power(&self, base: &[u8], squarings: u32) -> Option<Vec<u8>> {
        let mut value = limbs(base);
        while value.len() > self.limbs.len() && value.last() == Some(&0) {
            value.pop();
        }
        if value.len() > self.limbs.len() {
            return None;
        }
        value.resize(self.limbs.len(), 0);
        let mut one = vec![0; self.limbs.len()];
        *one.first_mut()? = 1;
        let mut greatest = self.limbs.clone();
        subtract(&mut greatest, &one);
        if !less(&one, &value) || !less(&value, &greatest) {
            return None;
        }
        // Into Montgomery's form: times 2^(32 · limbs).
        for _ in 0..self.limbs.len() * 32 {
            self.double(&mut value);
        }
        for _ in 0..squarings {
            value = self.product(&value, &value);
        }
        let value = self.product(&value, &one);
        Some(value.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect())
    }

    fn double(&self, value: &mut [u32]) {
        let mut carry = 0;
        for limb in value.iter_mut() {
            let out = *limb >> 31;
            *limb = (*limb << 1) | carry;
            carry = out;
        }
        if carry == 1 || !less(value, &self.limbs) {
            subtract(value, &self.limbs);
        }
    }

    /// a · b · 2^(−32 · limbs).
    fn product(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        let mut sum = vec![0; self.limbs.len() + 2];
        for factor in a {
            add_product(&mut sum, *factor, b);
            let least = sum.first().copied().unwrap_or(0);
            add_product(&mut sum, least.wrapping_mul(self.inverse), &self.limbs);
            // The least limb is zero now.
            sum.rotate_left(1);
        }
        // Less than twice the modulus, so the uppermost limb is zero and that below it 0 or 1.
        sum.truncate(self.limbs.len() + 1);
        let over = sum.pop().unwrap_or(0);
        if over > 0 || !less(&sum, &self.limbs) {
            subtract(&mut sum, &self.limbs);
        }
        sum
    }
}

fn limbs(octets: &[u8]) -> Vec<u32> {
    let limb = |chunk: &[u8]| chunk.iter().fold(0, |limb, octet| (limb << 8) | u32::from(*octet));
    octets.rchunks(4).map(limb).collect()
}

/// Whether a < b, both equally long.
fn less(a: &[u32], b: &[u32]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// `value` −= `by`, both equally long; a borrow at the end is dropped.
fn subtract(value: &mut [u32], by: &[u32]) {
    let mut borrow = false;
    for (limb, by) in value.iter_mut().zip(by) {
        let (less, first) = limb.overflowing_sub(*by);
        let (less, second) = less.overflowing_sub(u32::from(borrow));
        *limb = less;
        borrow = first || second;
    }
}

/// `sum` += `factor` · `of`; `sum` is longer than `of` by two limbs.
fn add_product(sum: &mut [u32], factor: u32, of: &[u32]) {
    let mut carry = 0_u64;
    let zeros = std::iter::repeat(&0);
    for (limb, of) in sum.iter_mut().zip(of.iter().chain(zeros)) {
        let wide = u64::from(*limb) + u64::from(factor) * u64::from(*of) + carry;
        let [a, b, c, d, high @ ..] = wide.to_le_bytes();
        *limb = u32::from_le_bytes([a, b, c, d]);
        carry = u64::from(u32::from_le_bytes(high));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2⁵²¹ − 1, a prime.
    fn mersenne() -> Vec<u8> {
        [&[0x01][..], &[0xff; 65]].concat()
    }

    #[test]
    fn powers_of_two_modulo_a_mersenne_prime() {
        let modulus = Modulus::new(&mersenne()).unwrap();
        // 2^(2^10) = 2^1024 = 2^(1024 − 521) = 2^503.
        let mut expected = vec![0; 68];
        expected[68 - 1 - 503 / 8] = 1 << (503 % 8);
        assert_eq!(modulus.power(&[2], 10).unwrap(), expected);
        assert_eq!(modulus.power(&[0, 2], 0).unwrap()[67], 2);
    }

    #[test]
    fn what_is_no_public_value_is_refused() {
        let modulus = Modulus::new(&mersenne()).unwrap();
        let mut less = mersenne();
        *less.last_mut().unwrap() -= 1;
        let cases: [&[u8]; 6] =
            [&[], &[0], &[1], &mersenne(), &less, &[&[1][..], &[0; 80]].concat()];
        for case in cases {
            assert_eq!(modulus.power(case, 1), None, "{case:x?}");
        }
        *less.last_mut().unwrap() -= 1;
        assert!(modulus.power(&less, 1).is_some());
        assert!(modulus.power(&[&[0; 80][..], &[2]].concat(), 1).is_some());
        assert_eq!(Modulus::new(&less[..60]), None, "too short");
        assert_eq!(Modulus::new(&[0xff; 513]), None, "too long");
        assert_eq!(Modulus::new(&[&[0xff; 99][..], &[0xfe]].concat()), None, "even");
    }

    proptest! {
        /// Both sides' exponents may be exchanged: (gᵃ)ᵇ = (gᵇ)ᵃ, for any odd modulus.
        #[test]
        fn exponents_commute(
            mut octets in prop::collection::vec(any::<u8>(), 64..100),
            base in prop::collection::vec(any::<u8>(), 1..63),
            a in 0_u32..8,
            b in 0_u32..8,
        ) {
            octets[0] |= 0x80;
            *octets.last_mut().unwrap() |= 1;
            let modulus = Modulus::new(&octets).unwrap();
            let Some(first) = modulus.power(&base, a) else { return Ok(()) };
            let whole = modulus.power(&base, a + b);
            let again = modulus.power(&first, b);
            // An intermediate result may be one that is refused.
            prop_assert!(again.is_none() || again == whole);
        }

        /// Against machine arithmetic: below the modulus, a square is a square.
        #[test]
        fn small_squares(base in 2_u32..) {
            let modulus = Modulus::new(&mersenne()).unwrap();
            let power = modulus.power(&base.to_be_bytes(), 2).unwrap();
            let square = u128::from(base).pow(2).pow(2);
            prop_assert_eq!(&power[52..], square.to_be_bytes());
            prop_assert!(power[..52].iter().all(|octet| *octet == 0));
        }
    }
}
