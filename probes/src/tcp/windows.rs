//! What Windows and Samba speak: SMB, its `NetBIOS` session, RPC, Remote Desktop, and AFP.

use super::TcpProbe;

/// Negotiation in version 1's frame that offers version 2 too: each server takes what it has.
pub(super) static SMB: TcpProbe = TcpProbe {
    name: "microsoft-ds",
    source: "[MS-CIFS] §2.2.4.52.1; [MS-SMB2] §3.2.4.2.2.1",
    ports: &[139, 445, 1445, 4445],
    says: b"\0\0\0\x45\xffSMB\x72\0\0\0\0\x18\x53\xc8\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xfe\
        \0\0\0\0\0\x22\0\x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0",
    anywhere: true,
};

/// A session with whoever shares files, RFC 1002's way.
pub(super) static NETBIOS: TcpProbe = TcpProbe {
    name: "netbios-ssn",
    source: "RFC 1002 §4.3.2; [MS-CIFS] §2.1.1",
    ports: &[139],
    // `*SMBSERVER`, then `PORTOLAN`, both padded with spaces and in half octets.
    says: b"\x81\0\0\x44\
        \x20CKFDENECFDEFFCFGEFFCCACACACACACA\0\
        \x20FAEPFCFEEPEMEBEOCACACACACACACACA\0",
    anywhere: false,
};

/// Negotiation of version 2 alone: 2.0.2, 2.1, 3.0, 3.0.2.
pub(super) const SMB2_NEGOTIATE: &[u8] = b"\0\0\0\x6c\
    \xfeSMB\x40\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \x24\0\x04\0\x01\0\0\0\0\0\0\0portolan-scanner\0\0\0\0\0\0\0\0\x02\x02\x10\x02\0\x03\x02\x03";

/// The first of the three messages of NTLM, which carries no name: the second tells who answers.
pub(super) const SMB2_SESSION_SETUP: &[u8] = b"\0\0\0\x80\
    \xfeSMB\x40\0\0\0\0\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \x19\0\0\x01\0\0\0\0\0\0\0\0\x58\0\x28\0\0\0\0\0\0\0\0\0\
    NTLMSSP\0\x01\0\0\0\x05\x82\x08\xa2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\x01\0\0\0\0\0\x0f";

/// Negotiation of version 1 alone, and the same message of NTLM in it.
pub(super) const SMB1_NEGOTIATE: &[u8] = b"\0\0\0\x2f\
    \xffSMB\x72\0\0\0\0\x18\x53\xc8\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xfe\0\0\0\0\
    \0\x0c\0\x02NT LM 0.12\0";
pub(super) const SMB1_SESSION_SETUP: &[u8] = b"\0\0\0\x6a\
    \xffSMB\x73\0\0\0\0\x18\x07\xc8\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xfe\0\0\x01\0\
    \x0c\xff\0\0\0\x04\x11\x01\0\0\0\0\0\0\0\x28\0\0\0\0\0\x54\0\0\x80\x2f\0\
    NTLMSSP\0\x01\0\0\0\x05\x82\x08\xa2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\x01\0\0\0\0\0\x0f\
    \0\0\0\0\0\0\0";

/// Binds to the endpoint mapper.
pub(super) static MSRPC: TcpProbe = TcpProbe {
    name: "msrpc",
    source: "The Open Group C706 §12.6.4.3, Appendix O; [MS-RPCE] §2.2.2",
    ports: &[135, 593, 1025, 1026, 1027, 49_152, 49_153, 49_154, 49_155],
    says: b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\xb8\x10\xb8\x10\0\0\0\0\x01\0\0\0\
        \0\0\x01\0\
        \x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\0\x2b\x14\xa0\xfa\x03\0\0\0\
        \x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\0\x2b\x10\x48\x60\x02\0\0\0",
    anywhere: true,
};

/// The connection request, with what security is understood: TLS, `CredSSP`, and its later kind.
pub(super) static RDP: TcpProbe = TcpProbe {
    name: "ms-wbt-server",
    source: "[MS-RDPBCGR] §2.2.1.1; ITU-T X.224 §13.3; RFC 1006 §6",
    ports: &[3388, 3389, 3390, 33_389],
    says: b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x0b\0\0\0",
    anywhere: true,
};

/// What the file server of Macintoshes says of itself.
pub(super) static AFP: TcpProbe = TcpProbe {
    name: "afp",
    source: "Apple, Data Stream Interface, DSIGetStatus",
    ports: &[548],
    says: b"\0\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0\0",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, be24, le16};

    #[test]
    fn smb_messages_are_as_long_as_they_say() {
        let messages = [
            SMB.says,
            SMB1_NEGOTIATE,
            SMB1_SESSION_SETUP,
            SMB2_NEGOTIATE,
            SMB2_SESSION_SETUP,
            NETBIOS.says,
        ];
        for message in messages {
            assert_eq!(be24(message, 1) + 4, message.len(), "{}", message.escape_ascii());
        }
        // Version 1: the words, then the octets, fill the rest.
        for message in [SMB.says, SMB1_NEGOTIATE, SMB1_SESSION_SETUP] {
            let words = usize::from(message[36]);
            assert_eq!(37 + 2 * words + 2 + le16(message, 37 + 2 * words), message.len());
        }
    }

    #[test]
    fn security_blobs_are_where_they_are_said_to_be() {
        let (at, len) = (le16(SMB2_SESSION_SETUP, 80), le16(SMB2_SESSION_SETUP, 82));
        assert_eq!(4 + at + len, SMB2_SESSION_SETUP.len());
        assert!(SMB2_SESSION_SETUP[4 + at..].starts_with(b"NTLMSSP\0\x01"));
        assert_eq!(le16(SMB1_SESSION_SETUP, 37 + 14), 0x28);
        assert!(SMB1_SESSION_SETUP[63..].starts_with(b"NTLMSSP\0\x01"));
        // Four dialects of two octets.
        assert_eq!(4 + 64 + 36 + 2 * le16(SMB2_NEGOTIATE, 70), SMB2_NEGOTIATE.len());
    }

    #[test]
    fn fragments_are_as_long_as_they_say() {
        assert_eq!(le16(MSRPC.says, 8), MSRPC.says.len());
        assert_eq!(be16(RDP.says, 2), RDP.says.len());
        assert_eq!(usize::from(RDP.says[4]) + 5, RDP.says.len());
        assert_eq!(le16(RDP.says, 13), 8);
    }
}
