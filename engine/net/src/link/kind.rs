//! The links by name.

use std::fmt;
use std::str::FromStr;

/// A rung of the ladder of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkKind {
    /// The fastest that can run here and that the rate asks for.
    #[default]
    Auto,
    /// A packet socket, many frames in one system call. Needs `CAP_NET_RAW`.
    Mmsg,
    /// An `AF_XDP` socket, past the queueing discipline. Needs `CAP_NET_RAW`.
    Xdp,
    /// Probes made in the kernel by an XDP program. Needs `CAP_BPF` and `CAP_NET_ADMIN`.
    Bpf,
    /// None: probes are made as for a packet socket and thrown away, to see what a scan costs.
    Null,
}

impl LinkKind {
    /// Every value.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Mmsg, Self::Xdp, Self::Bpf, Self::Null];

    /// Those that send, from the one that always works to the fastest.
    pub const LADDER: [Self; 3] = [Self::Mmsg, Self::Xdp, Self::Bpf];

    /// As in `--link`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mmsg => "mmsg",
            Self::Xdp => "xdp",
            Self::Bpf => "bpf",
            Self::Null => "null",
        }
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no link; expected auto, mmsg, xdp, bpf or null")]
pub struct LinkKindError {
    /// As given.
    word: String,
}

impl FromStr for LinkKind {
    type Err = LinkKindError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == word);
        found.ok_or_else(|| LinkKindError { word: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in LinkKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let error = "fast".parse::<LinkKind>().unwrap_err().to_string();
        assert!(LinkKind::ALL.iter().all(|kind| error.contains(kind.name())), "{error}");
    }
}
