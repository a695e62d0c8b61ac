//! Reading numbers and prefixed vectors, RFC 8446 §3.

/// Octets that have not been read yet; what is not there is `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Everything that is left.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A length of three octets.
    pub(super) fn len24(&mut self) -> Option<usize> {
        let [high, middle, low] = self.array()?;
        usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()
    }

    /// A vector with a length of one octet before it.
    pub(super) fn vector8(&mut self) -> Option<Self> {
        let len = self.u8()?;
        self.take(len.into()).map(Self)
    }

    /// A vector with a length of two octets before it.
    pub(super) fn vector16(&mut self) -> Option<Self> {
        let len = self.u16()?;
        self.take(len.into()).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_end_where_they_say() {
        let mut octets = Octets::new(&[0, 2, 7, 8, 1, 9, 0, 1, 0, 5]);
        assert_eq!(octets.vector16().unwrap().rest(), [7, 8]);
        assert_eq!(octets.vector8().unwrap().rest(), [9]);
        assert_eq!(octets.len24(), Some(256));
        assert_eq!(octets.rest(), [5]);
        assert!(octets.vector8().is_none());
        assert!(octets.is_empty(), "the length has been read");
        assert!(octets.u8().is_none() && octets.u16().is_none() && octets.len24().is_none());
    }
}
