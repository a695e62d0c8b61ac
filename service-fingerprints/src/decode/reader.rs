//! Reading of binary replies: each step says whether there was enough.

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` octets.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next `N` octets.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }

    /// Network order.
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Network order.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Up to the next NUL, which is read too; all that is left where there is none.
    pub(super) fn text(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|octet| *octet == 0);
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        text
    }

    /// As many octets as the next octet says.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(usize::from(len))
    }
}

/// The 16 bits at `at`, network order.
pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// Whether `octets` are at `at`.
pub(super) fn is_at(data: &[u8], at: usize, octets: &[u8]) -> bool {
    data.get(at..).is_some_and(|rest| rest.starts_with(octets))
}

/// Where `needle` begins in `octets`, if it is there.
pub(super) fn find(octets: &[u8], needle: &[u8]) -> Option<usize> {
    octets.windows(needle.len().max(1)).position(|window| window == needle)
}
