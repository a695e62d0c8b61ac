//! CRC-32C (Castagnoli), the checksum of SCTP: RFC 9260 appendix A.

/// The polynomial 0x1EDC6F41, reflected.
const POLYNOMIAL: u32 = 0x82F6_3B78;

static TABLE: [u32; 256] = table();

/// The checksum of `octets`; SCTP writes it least significant octet first.
pub fn crc32c(octets: impl IntoIterator<Item = u8>) -> u32 {
    let step = |crc: u32, octet: u8| {
        let [low, ..] = crc.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ octet)).copied().unwrap_or(0);
        (crc >> 8) ^ entry
    };
    !octets.into_iter().fold(u32::MAX, step)
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse it")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let (mut index, mut octet) = (0_usize, 0_u32);
    while index < table.len() {
        let mut crc = octet;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[index] = crc;
        (index, octet) = (index + 1, octet + 1);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_3720() {
        // Source: RFC 3720 appendix B.4.
        assert_eq!(crc32c([0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c([0xff; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(0..32), 0x46DD_794E);
        assert_eq!(crc32c((0..32).rev()), 0x113F_DB5C);
    }
}
