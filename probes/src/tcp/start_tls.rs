//! How to begin TLS in the middle of a conversation.

use super::messaging::XMPP;
use super::sql::POSTGRESQL_SSL;
use super::windows::RDP;

/// How to begin TLS in a conversation with a service.
#[derive(Debug)]
pub struct StartTls {
    /// The service, as signatures name it.
    pub service: &'static str,
    /// The specification.
    pub source: &'static str,
    /// Whether its greeting comes first, and is waited for.
    pub after_greeting: bool,
    /// One after the other, each after the reply to the one before; after the last, if the server
    /// is ready, the `ClientHello`.
    pub says: &'static [&'static [u8]],
    /// Whether the server says anything to the last, before the `ClientHello`.
    pub answers: bool,
    ready: fn(&[u8]) -> bool,
}

impl StartTls {
    /// Whether `reply`, to the last of what is said, wants a `ClientHello`.
    ///
    /// Always, where the server answers nothing.
    pub fn ready(&self, reply: &[u8]) -> bool {
        (self.ready)(reply)
    }
}

/// How to begin TLS with `service`; `None` where there is no such way.
pub fn start_tls(service: &str) -> Option<&'static StartTls> {
    let at = START_TLS.binary_search_by_key(&service, |row| row.service).ok()?;
    START_TLS.get(at)
}

/// An extended request, 1.3.6.1.4.1.1466.20037.
const LDAP_START: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// 32 octets, number 1: client's long password, protocol 4.1, TLS, secure connection; packets of
/// 16 MiB, character set 33.
const MYSQL_SSL: &[u8] = b"\x20\0\0\x01\x01\x8a\0\0\0\0\0\x01\x21\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Rising by service.
static START_TLS: &[StartTls] = &[
    StartTls {
        service: "ftp",
        source: "RFC 4217 §4",
        after_greeting: true,
        says: &[b"AUTH TLS\r\n"],
        answers: true,
        ready: |reply| line(reply, b"234"),
    },
    StartTls {
        service: "imap",
        source: "RFC 9051 §6.2.1",
        after_greeting: true,
        says: &[b"a1 STARTTLS\r\n"],
        answers: true,
        ready: |reply| line(reply, b"a1 OK"),
    },
    StartTls {
        service: "irc",
        source: "IRCv3, tls extension",
        after_greeting: false,
        says: &[b"STARTTLS\r\n"],
        answers: true,
        ready: |reply| contains(reply, b" 670 "),
    },
    StartTls {
        service: "ldap",
        source: "RFC 4511 §4.14",
        after_greeting: false,
        says: &[LDAP_START],
        answers: true,
        // An extended response with result code 0.
        ready: |reply| contains(reply, b"\x78") && contains(reply, b"\x0a\x01\0"),
    },
    StartTls {
        service: "lmtp",
        source: "RFC 3207 §4; RFC 2033",
        after_greeting: true,
        says: &[b"LHLO portolan.invalid\r\n", b"STARTTLS\r\n"],
        answers: true,
        ready: |reply| line(reply, b"220"),
    },
    StartTls {
        service: "ms-wbt-server",
        source: "[MS-RDPBCGR] §2.2.1.2.1",
        after_greeting: false,
        says: &[RDP.says],
        answers: true,
        // A negotiation response that selects TLS or what is inside it.
        ready: |reply| matches!(reply.get(11..16), Some([2, _, 8, 0, protocol]) if *protocol != 0),
    },
    StartTls {
        service: "mysql",
        source: "MySQL client/server protocol, Protocol::SSLRequest",
        after_greeting: true,
        says: &[MYSQL_SSL],
        answers: false,
        ready: |_| true,
    },
    StartTls {
        service: "nntp",
        source: "RFC 4642 §2.2",
        after_greeting: true,
        says: &[b"STARTTLS\r\n"],
        answers: true,
        ready: |reply| line(reply, b"382"),
    },
    StartTls {
        service: "pop3",
        source: "RFC 2595 §4",
        after_greeting: true,
        says: &[b"STLS\r\n"],
        answers: true,
        ready: |reply| line(reply, b"+OK"),
    },
    StartTls {
        service: "postgresql",
        source: "PostgreSQL documentation, SSL Session Encryption",
        after_greeting: false,
        says: &[POSTGRESQL_SSL],
        answers: true,
        ready: |reply| reply == b"S",
    },
    StartTls {
        service: "sieve",
        source: "RFC 5804 §2.2",
        after_greeting: true,
        says: &[b"STARTTLS\r\n"],
        answers: true,
        ready: |reply| line(reply, b"OK"),
    },
    StartTls {
        service: "smtp",
        source: "RFC 3207 §4",
        after_greeting: true,
        says: &[b"EHLO portolan.invalid\r\n", b"STARTTLS\r\n"],
        answers: true,
        ready: |reply| line(reply, b"220"),
    },
    StartTls {
        service: "xmpp",
        source: "RFC 6120 §5.4",
        after_greeting: false,
        says: &[XMPP.says, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
        answers: true,
        ready: |reply| contains(reply, b"<proceed"),
    },
];

/// Whether a line of `reply` begins with `word`, in whatever case.
fn line(reply: &[u8], word: &[u8]) -> bool {
    reply
        .split(|octet| *octet == b'\n')
        .any(|line| line.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)))
}

/// Whether `needle` occurs in the first 4 KiB of `octets`.
fn contains(octets: &[u8], needle: &[u8]) -> bool {
    octets.windows(needle.len().max(1)).take(4_096).any(|window| window == needle)
}

/// Names of the services, for the tests.
#[cfg(test)]
pub(super) fn services() -> impl Iterator<Item = &'static str> {
    START_TLS.iter().map(|row| row.service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::le16;
    use crate::udp::ber;

    #[test]
    fn rows_rise() {
        assert!(START_TLS.is_sorted_by(|a, b| a.service < b.service));
        assert!(START_TLS.iter().all(|row| !row.says.is_empty()));
        assert!(start_tls("telnet").is_none());
    }

    #[test]
    fn requests_are_as_long_as_they_say() {
        ber::assert_well_formed(LDAP_START);
        assert_eq!(le16(MYSQL_SSL, 0) + 4, MYSQL_SSL.len());
        // The flag of TLS, 0x800.
        assert_eq!(le16(MYSQL_SSL, 4) & 0x0800, 0x0800);
    }

    #[test]
    fn who_is_ready_says_so() {
        for (service, yes, no) in [
            ("ftp", b"234 AUTH TLS OK.\r\n".as_slice(), b"500 what?\r\n".as_slice()),
            ("imap", b"a1 OK Begin TLS negotiation now.\r\n", b"a1 BAD no\r\n"),
            ("irc", b":irc.invalid 670 * :STARTTLS ok\r\n", b":irc.invalid 421 * STARTTLS\r\n"),
            (
                "ldap",
                b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0",
                b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\0\x04\0",
            ),
            ("lmtp", b"220 2.0.0 Ready to start TLS\r\n", b"502 5.5.1 no\r\n"),
            (
                "ms-wbt-server",
                b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0",
                b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x03\0\x08\0\x05\0\0\0",
            ),
            ("nntp", b"382 Continue\r\n", b"580 no\r\n"),
            ("pop3", b"+OK Begin\r\n", b"-ERR no\r\n"),
            ("postgresql", b"S", b"N"),
            ("sieve", b"\"IMPLEMENTATION\" \"x\"\r\nOK \"Begin\"\r\n", b"NO \"x\"\r\n"),
            ("smtp", b"220 2.0.0 Ready\r\n", b"454 4.7.0 no\r\n"),
            ("xmpp", b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b"<failure/>"),
        ] {
            let row = start_tls(service).unwrap();
            assert!(row.ready(yes) && !row.ready(no) && !row.ready(b""), "{service}");
        }
        assert!(start_tls("mysql").is_some_and(|row| row.ready(b"") && !row.answers));
    }
}
