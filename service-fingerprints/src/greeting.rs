//! How the greetings of some protocols begin: collections of banners often keep only what comes
//! behind it.

/// Octets of a banner that are read as the rest of a greeting, at most.
const GREETING_LEN_MAX: usize = 1 << 10;

/// A protocol and what its greeting begins with: RFC 4253 §4.2, RFC 959 §4.2, RFC 5321 §4.2,
/// RFC 1939 §3, RFC 9051 §7.1 and RFC 3977 §5.1.1.
const GREETINGS: [(&str, &str); 6] = [
    ("ssh", "SSH-2.0-"),
    ("ftp", "220 "),
    ("smtp", "220 "),
    ("pop3", "+OK "),
    ("imap", "* OK "),
    ("nntp", "200 "),
];

/// The name that signatures use for the service that is called `protocol`.
pub(crate) fn service_of(protocol: &str) -> &str {
    match protocol {
        "pop" => "pop3",
        "imap4" => "imap",
        "sftp" => "ssh",
        "submission" => "smtp",
        other => other,
    }
}

/// `banner` as a greeting of `protocol`, or of each that it could be one of, with the protocol;
/// none where it is one already.
pub(crate) fn completed(
    protocol: Option<&str>,
    banner: &[u8],
) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let banner = banner.get(..GREETING_LEN_MAX).unwrap_or(banner);
    let whole = is_greeting(banner);
    let fits = move |name: &str| !whole && protocol.is_none_or(|protocol| protocol == name);
    let of = move |(name, begins): (&'static str, &str)| {
        fits(name).then(|| (name, [begins.as_bytes(), banner].concat()))
    };
    GREETINGS.into_iter().filter_map(of)
}

/// Whether it begins as an answer of one of them does.
fn is_greeting(banner: &[u8]) -> bool {
    let digits = banner.iter().take(3).filter(|octet| octet.is_ascii_digit()).count();
    let code = digits == 3 && banner.get(3).is_none_or(|octet| b" -\r\n".contains(octet));
    let words: [&[u8]; 5] = [b"SSH-", b"+OK", b"-ERR", b"* ", b"HTTP/"];
    let text = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
    code || words.iter().any(|word| banner.starts_with(word)) || !banner.first().is_some_and(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_greeting_becomes_one() {
        let of = |protocol: Option<&str>, banner: &[u8]| {
            completed(protocol, banner).map(|(_, whole)| whole).collect::<Vec<_>>()
        };
        assert_eq!(of(Some("ftp"), b"x ready"), [b"220 x ready"]);
        assert_eq!(of(Some("ssh"), b"x"), [b"SSH-2.0-x"]);
        assert_eq!(of(None, b"x").len(), GREETINGS.len());
        assert_eq!(of(Some("telnet"), b"x").len(), 0);
        for whole in [b"220 x".as_slice(), b"220-x", b"+OK", b"* OK", b"SSH-1.5-x", b"\xff", b""] {
            assert_eq!(of(None, whole).len(), 0, "{whole:?}");
        }
        assert_eq!(of(Some("ftp"), b"220x"), [b"220 220x"]);
        assert_eq!(service_of("pop"), "pop3");
    }
}
