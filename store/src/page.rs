//! Long lists, a page at a time.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The longest key that a cursor may hold, bytes.
const MAX_CURSOR_LEN: usize = 128;

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// How many rows at most; 0 is read as 1.
    pub limit: usize,
    /// Where the page before ended; `None` for the first.
    pub cursor: Option<Cursor>,
}

impl PageRequest {
    /// The first `limit` rows.
    pub const fn first(limit: usize) -> Self {
        Self { limit, cursor: None }
    }

    /// Every row. For lists that are known to fit in memory.
    pub const fn all() -> Self {
        Self::first(usize::MAX)
    }
}

/// A place in a list: after one row, whatever is added or removed around it.
///
/// Its text is opaque and safe in a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// The place after the row of `key` in the list named by `list`.
    pub(crate) fn after(list: u8, key: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(key.len() + 1);
        bytes.push(list);
        bytes.extend_from_slice(key);
        Self(bytes)
    }

    /// The key of the row before, if the cursor is one of `list`'s.
    pub(crate) fn key(&self, list: u8) -> Option<&[u8]> {
        self.0.split_first().filter(|(first, _)| **first == list).map(|(_, key)| key)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor; use one as it was given with the page before")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.is_empty() || text.len() > MAX_CURSOR_LEN * 4 / 3 + 4 {
            return Err(BadCursor);
        }
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(|_| BadCursor)
    }
}

/// Some rows of a list, and where the next begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Ask with it for the next page; `None` when this is the last.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_their_text() {
        let cursor = Cursor::after(b'c', &[0, 255, 1]);
        let read: Cursor = cursor.to_string().parse().unwrap();
        assert_eq!(read, cursor);
        assert_eq!(read.key(b'c'), Some([0, 255, 1].as_slice()));
        assert_eq!(read.key(b'd'), None);
        for bad in ["", "!", "a", &"A".repeat(400)] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
