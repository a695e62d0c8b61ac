//! The line with which a server says who it is (RFC 4253 §4.2).

use super::fault::Fault;
use super::wire::text;

/// Longest identification, octets, its line end included (RFC 4253 §4.2).
pub const IDENTIFICATION_LEN_MAX: usize = 255;
/// Octets that are read before an identification: a server may send other lines first.
pub const BEFORE_LEN_MAX: usize = 8 << 10;
/// Lines that are read before an identification.
pub const LINES_BEFORE_MAX: usize = 64;

/// What a server says of itself, unescaped: it may hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identification {
    /// The line without its end, as it came.
    pub line: Vec<u8>,
    /// `2.0`, `1.99` or `1.5`, say.
    pub protocol: String,
    /// `OpenSSH_9.2p1`, say.
    pub software: String,
    /// What comes after the first space: `Debian-2+deb12u10`, say.
    pub comments: Option<String>,
}

impl Identification {
    /// Whether version 2 is spoken: 1.99 means both (RFC 4253 §5.1).
    pub fn speaks_2(&self) -> bool {
        self.protocol == "1.99" || self.protocol == "2" || self.protocol.starts_with("2.")
    }

    /// Whether version 1 is spoken.
    pub fn speaks_1(&self) -> bool {
        self.protocol == "1" || self.protocol.starts_with("1.")
    }
}

/// Finds the identification at the beginning of what a server sent, behind at most
/// [`LINES_BEFORE_MAX`] other lines; a line ends with LF, a CR before it is optional.
///
/// Returns it, and the octets up to and with its end; `None` while more is needed.
///
/// # Errors
/// [`Fault::NotSsh`] or [`Fault::TooLong`] when more octets would change nothing,
/// [`Fault::Malformed`] when the line lacks its parts.
pub fn parse(data: &[u8]) -> Result<Option<(Identification, usize)>, Fault> {
    let mut rest = data;
    for _ in 0..=LINES_BEFORE_MAX {
        let before = data.len() - rest.len();
        if before > BEFORE_LEN_MAX {
            return Err(Fault::NotSsh);
        }
        let ours = rest.starts_with(b"SSH-");
        let Some(end) = rest.iter().position(|octet| *octet == b'\n') else {
            if ours && rest.len() >= IDENTIFICATION_LEN_MAX {
                return Err(Fault::TooLong("the identification"));
            }
            return if data.len() > BEFORE_LEN_MAX { Err(Fault::NotSsh) } else { Ok(None) };
        };
        let (line, after) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
        if ours {
            if line.len() > IDENTIFICATION_LEN_MAX {
                return Err(Fault::TooLong("the identification"));
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let found = split(line.strip_suffix(b"\r").unwrap_or(line))?;
            return Ok(Some((found, data.len() - after.len())));
        }
        rest = after;
    }
    Err(Fault::NotSsh)
}

/// `SSH-protoversion-softwareversion SP comments`.
fn split(line: &[u8]) -> Result<Identification, Fault> {
    let fault = Fault::Malformed("the identification");
    let mut parts = line.splitn(3, |octet| *octet == b'-').skip(1);
    let (Some(protocol), Some(rest)) = (parts.next(), parts.next()) else { return Err(fault) };
    if protocol.is_empty() || !protocol.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'.')) {
        return Err(fault);
    }
    let mut halves = rest.splitn(2, |octet| *octet == b' ');
    let software = halves.next().unwrap_or_default();
    let comments = halves.next().filter(|comments| !comments.is_empty());
    let whole = |octets| text(octets, IDENTIFICATION_LEN_MAX);
    Ok(Identification {
        line: line.to_vec(),
        protocol: whole(protocol),
        software: whole(software),
        comments: comments.map(whole),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(data: &[u8]) -> (String, String, Option<String>, usize) {
        let (found, len) = parse(data).unwrap().unwrap();
        (found.protocol, found.software, found.comments, len)
    }

    #[test]
    fn identifications_of_real_servers() {
        let (protocol, software, comments, len) =
            read(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n\0\0\x04");
        assert_eq!((protocol.as_str(), software.as_str()), ("2.0", "OpenSSH_9.2p1"));
        assert_eq!((comments.as_deref(), len), (Some("Debian-2+deb12u10"), 41));
        let (_, software, comments, _) = read(b"SSH-2.0-Cisco-1.25\n");
        assert_eq!((software.as_str(), comments), ("Cisco-1.25", None));
        let (found, _) = parse(b"SSH-1.99-OpenSSH_3.9p1\n").unwrap().unwrap();
        assert!(found.speaks_1() && found.speaks_2());
        let (found, _) = parse(b"SSH-1.5-1.2.27\n").unwrap().unwrap();
        assert!(found.speaks_1() && !found.speaks_2());
        let (found, _) = parse(b"SSH-2.0-x\r\n").unwrap().unwrap();
        assert!(!found.speaks_1() && found.speaks_2());
        assert_eq!(found.line, b"SSH-2.0-x");
    }

    #[test]
    fn other_lines_may_come_first_but_not_for_ever() {
        let (_, software, _, len) = read(b"Welcome\r\n\nSSH-2.0-x y z\r\nrest");
        assert_eq!((software.as_str(), len), ("x", 25));
        let lines = |count| ["a\n".repeat(count).as_bytes(), b"SSH-2.0-x\n"].concat();
        assert!(parse(&lines(LINES_BEFORE_MAX)).unwrap().is_some());
        assert_eq!(parse(&lines(LINES_BEFORE_MAX + 1)), Err(Fault::NotSsh));
        assert_eq!(parse(&[b'a'; BEFORE_LEN_MAX + 1]), Err(Fault::NotSsh), "a line without end");
        assert_eq!(parse(&[b'a'; BEFORE_LEN_MAX]), Ok(None));
    }

    #[test]
    fn an_identification_has_its_bounds() {
        let line = |len: usize| [b"SSH-2.0-".to_vec(), vec![b'x'; len - 10], b"\r\n".to_vec()];
        assert!(parse(&line(IDENTIFICATION_LEN_MAX).concat()).unwrap().is_some());
        let over = line(IDENTIFICATION_LEN_MAX + 1).concat();
        assert_eq!(parse(&over), Err(Fault::TooLong("the identification")));
        for bad in ["SSH-\n", "SSH-2.0\n", "SSH--x\n", "SSH-a-x\n"] {
            let fault = Err(Fault::Malformed("the identification"));
            assert_eq!(parse(bad.as_bytes()), fault, "{bad}");
        }
        assert_eq!(parse(b"SSH-2.0-x"), Ok(None));
        assert_eq!(parse(b""), Ok(None));
    }

    proptest! {
        #[test]
        fn any_octets(data in prop::collection::vec(any::<u8>(), 0..400), ours: bool) {
            let data = if ours { [b"SSH-2.0-".to_vec(), data].concat() } else { data };
            if let Ok(Some((_, len))) = parse(&data) {
                prop_assert!(len <= data.len());
                // What comes after does not matter, what is missing does.
                prop_assert!(parse(&data[..len]).unwrap().is_some());
                prop_assert!(!matches!(parse(&data[..len - 1]), Ok(Some(_))));
            }
        }
    }
}
