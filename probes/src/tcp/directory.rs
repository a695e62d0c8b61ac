//! Names and who may use them: DNS, LDAP, Kerberos, TACACS+.

use super::TcpProbe;
use crate::udp::field::concat;

/// `version.bind CH TXT`.
pub(super) static DNS: TcpProbe = TcpProbe {
    name: "dns",
    source: "RFC 1035 §4.2.2; RFC 4892",
    ports: &[53, 5300, 5353, 8053, 8600],
    says: b"\0\x1ePL\0\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03",
    anywhere: true,
};

/// What the directory says of itself: its root entry, with what names vendor, version and kind.
pub(super) static LDAP: TcpProbe = TcpProbe {
    name: "ldap",
    source: "RFC 4511 §4.5.1; RFC 4512 §5.1; RFC 3045",
    ports: &[389, 636, 1389, 3268, 3269, 10_389, 10_636],
    says: &LDAP_SAYS,
    anywhere: true,
};

/// Every attribute that is asked for, each with its tag and length.
const ATTRIBUTES: &[u8] = b"\x04\x0bobjectClass\x04\x0avendorName\x04\x0dvendorVersion\
    \x04\x0enamingContexts\x04\x14defaultNamingContext\x04\x1ddomainControllerFunctionality\
    \x04\x0bdnsHostName\x04\x14supportedLDAPVersion\x04\x10supportedControl";

const LDAP_SAYS: [u8; 42 + ATTRIBUTES.len()] = concat(&[
    b"\x30\x81\xc9\x02\x01\x07\x63\x81\xc3\
        \x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\x05\x01\x01\0\
        \x87\x0bobjectClass\x30\x81\xa2",
    ATTRIBUTES,
]);

/// An `AS-REQ` for a realm that can't exist (RFC 6761 §6.4), under the length that TCP wants.
pub(super) static KERBEROS: TcpProbe = TcpProbe {
    name: "kerberos",
    source: "RFC 4120 §5.4.1, §7.2.2",
    ports: &[88, 464, 750],
    says: b"\0\0\0\x99\x6a\x81\x96\x30\x81\x93\
        \xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\
        \xa4\x81\x86\x30\x81\x83\
        \xa0\x07\x03\x05\0\0\0\0\0\
        \xa1\x15\x30\x13\xa0\x03\x02\x01\x01\xa1\x0c\x30\x0a\x1b\x08portolan\
        \xa2\x12\x1b\x10PORTOLAN.INVALID\
        \xa3\x25\x30\x23\xa0\x03\x02\x01\x02\xa1\x1c\x30\x1a\x1b\x06krbtgt\
        \x1b\x10PORTOLAN.INVALID\
        \xa5\x11\x18\x0f20370101000000Z\
        \xa7\x06\x02\x04\x40\0\0\0\
        \xa8\x0b\x30\x09\x02\x01\x12\x02\x01\x11\x02\x01\x17",
    anywhere: false,
};

/// The beginning of a login that names nobody; it is left there.
pub(super) static TACACS: TcpProbe = TcpProbe {
    name: "tacacs",
    source: "RFC 8907 §4.1, §5.1",
    ports: &[49],
    says: b"\xc0\x01\x01\x01PTLN\0\0\0\x08\x01\0\x01\x01\0\0\0\0",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, be32};
    use crate::udp::ber;

    #[test]
    fn requests_are_well_formed() {
        ber::assert_well_formed(LDAP.says);
        assert_eq!(be32(KERBEROS.says, 0) + 4, KERBEROS.says.len());
        ber::assert_well_formed(&KERBEROS.says[4..]);
        assert_eq!(be16(DNS.says, 0) + 2, DNS.says.len());
        assert_eq!(be32(TACACS.says, 8) + 12, TACACS.says.len());
    }
}
