//! Data types of the protocol (RFC 4251 §5).

/// Longest name of an algorithm, octets (RFC 4251 §6).
pub(super) const NAME_LEN_MAX: usize = 64;
/// Names that are kept of one list.
pub(super) const NAMES_MAX: usize = 256;

/// Reads from the front; whatever is cut short is `None`.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        let (octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*octet)
    }

    pub(super) fn uint32(&mut self) -> Option<u32> {
        let (octets, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*octets))
    }

    /// A `string`, and the magnitude of a positive `mpint`, which looks the same.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.uint32()?).ok()?;
        self.take(len)
    }

    /// Names of a `name-list` in the server's order.
    ///
    /// What is no name (RFC 4251 §6: printable ASCII, at most 64 octets) is left out, as is what
    /// comes after [`NAMES_MAX`] names.
    pub(super) fn names(&mut self) -> Option<Vec<String>> {
        let list = self.string()?.split(|octet| *octet == b',');
        Some(list.filter_map(name).take(NAMES_MAX).collect())
    }
}

fn name(octets: &[u8]) -> Option<String> {
    let printable = octets.iter().all(u8::is_ascii_graphic);
    let fits = (1..=NAME_LEN_MAX).contains(&octets.len());
    (printable && fits).then(|| octets.iter().copied().map(char::from).collect())
}

/// Text that a server sent: at most `most` characters, what is not UTF-8 replaced.
pub(super) fn text(octets: &[u8], most: usize) -> String {
    String::from_utf8_lossy(octets).chars().take(most).collect()
}

pub(super) fn put_uint32(into: &mut Vec<u8>, value: u32) {
    into.extend(value.to_be_bytes());
}

/// Appends a `string`.
pub(super) fn put_string(into: &mut Vec<u8>, octets: &[u8]) {
    // What is written here is ours, or was read from one packet.
    put_uint32(into, u32::try_from(octets.len()).unwrap_or(u32::MAX));
    into.extend_from_slice(octets);
}

/// Appends a positive `mpint`; `magnitude` is big-endian.
pub(super) fn put_mpint(into: &mut Vec<u8>, magnitude: &[u8]) {
    let zeros = magnitude.iter().take_while(|octet| **octet == 0).count();
    let digits = magnitude.get(zeros..).unwrap_or_default();
    if digits.first().is_some_and(|octet| octet & 0x80 != 0) {
        put_string(into, &[&[0], digits].concat());
    } else {
        put_string(into, digits);
    }
}

/// Bits of a positive `mpint`'s magnitude.
pub(super) fn bits(magnitude: &[u8]) -> u32 {
    let zeros = magnitude.iter().take_while(|octet| **octet == 0).count();
    let digits = magnitude.get(zeros..).unwrap_or_default();
    let unused = digits.first().map_or(0, |octet| octet.leading_zeros());
    u32::try_from(digits.len()).unwrap_or(0).saturating_mul(8).saturating_sub(unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard() {
        // RFC 4251 §5, the examples of mpint.
        let cases: [(&[u8], &[u8]); 3] = [
            (&[0], &[0, 0, 0, 0]),
            (
                &[0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7],
                &[0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7],
            ),
            (&[0, 0x80], &[0, 0, 0, 2, 0, 0x80]),
        ];
        for (magnitude, wire) in cases {
            let mut written = Vec::new();
            put_mpint(&mut written, magnitude);
            assert_eq!(written, wire);
        }
        assert_eq!(bits(&[0, 0x80, 0]), 16);
        assert_eq!(bits(&[1]), 1);
        assert_eq!(bits(&[]), 0);
        assert_eq!(bits(&[0, 0]), 0);
    }

    #[test]
    fn a_list_holds_names_only() {
        let long = "x".repeat(NAME_LEN_MAX + 1);
        let mut list = Vec::new();
        put_string(&mut list, format!("zlib,,a b,\u{e9},{long},none").as_bytes());
        assert_eq!(Reader::new(&list).names().unwrap(), ["zlib", "none"]);
        let mut many = Vec::new();
        put_string(&mut many, "a,".repeat(NAMES_MAX * 2).as_bytes());
        assert_eq!(Reader::new(&many).names().unwrap().len(), NAMES_MAX);
        assert_eq!(Reader::new(&[0, 0, 0, 0]).names().unwrap(), Vec::<String>::new());
        assert_eq!(Reader::new(&[0, 0, 0, 2, b'a']).names(), None, "cut short");
        assert_eq!(Reader::new(&[0xff; 4]).string(), None);
    }
}
