//! A reader that counts lines and ends with an error when a report is too large.

use std::io::{BufRead, Error, Read, Result};

use super::Limits;

/// A bounded reader that knows its line.
pub(super) struct Bounded<R> {
    inner: R,
    line: u64,
    left: u64,
    token_left: usize,
    token_bytes: usize,
}

impl<R: BufRead> Bounded<R> {
    pub(super) const fn new(inner: R, limits: &Limits) -> Self {
        Self {
            inner,
            line: 1,
            left: limits.total_bytes,
            token_left: limits.token_bytes,
            token_bytes: limits.token_bytes,
        }
    }

    /// The line that is being read, from 1.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// A new tag, text or line begins.
    pub(super) const fn mark(&mut self) {
        self.token_left = self.token_bytes;
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let available = self.fill_buf()?;
        let len = available.len().min(out.len());
        for (to, from) in out.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        let (left, token_left) = (self.left, self.token_left);
        let available = self.inner.fill_buf()?;
        if available.is_empty() {
            return Ok(available);
        }
        let allowed = usize::try_from(left).unwrap_or(usize::MAX).min(token_left);
        let len = available.len().min(allowed);
        if len == 0 {
            let what = if left == 0 {
                "the report is too large"
            } else {
                "a tag, text or line is too long"
            };
            return Err(Error::other(what));
        }
        Ok(available.get(..len).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        // What is consumed has been shown by `fill_buf`, so it is there without reading.
        if let Ok(available) = self.inner.fill_buf() {
            let seen = available.iter().take(amount);
            let lines = seen.filter(|byte| **byte == b'\n').count();
            self.line = self.line.saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
        }
        self.left = self.left.saturating_sub(u64::try_from(amount).unwrap_or(u64::MAX));
        self.token_left = self.token_left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}
