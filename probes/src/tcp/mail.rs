//! What stands beside mail servers: filters, scanners, policies.

use super::TcpProbe;

/// Whether the filter is there.
pub(super) static SPAMD: TcpProbe = TcpProbe {
    name: "spamd",
    source: "Apache SpamAssassin, spamd/PROTOCOL, PING",
    ports: &[783],
    says: b"PING SPAMC/1.2\r\n\r\n",
    anywhere: false,
};

/// Version of the scanner and of what it knows.
pub(super) static CLAMD: TcpProbe = TcpProbe {
    name: "clamav",
    source: "clamd(8), COMMANDS, VERSION",
    ports: &[3310],
    says: b"nVERSION\n",
    anywhere: false,
};

/// Negotiates what a filter may see and change, which is nothing yet.
pub(super) static MILTER: TcpProbe = TcpProbe {
    name: "milter",
    source: "Sendmail, libmilter, include/libmilter/mfdef.h, SMFIC_OPTNEG",
    ports: &[7357, 8890, 8891, 8892, 8893, 8894, 10_031, 11_332, 12_301],
    says: b"\0\0\0\x0d\x4f\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff",
    anywhere: false,
};

/// Asks for a verdict about nobody.
pub(super) static POLICYD: TcpProbe = TcpProbe {
    name: "policyd",
    source: "Postfix, SMTPD_POLICY_README",
    ports: &[10_023, 10_030, 10_031, 10_040, 12_340],
    says: b"request=smtpd_access_policy\nprotocol_state=RCPT\n\n",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::be32;

    #[test]
    fn packets_are_as_long_as_they_say() {
        assert_eq!(be32(MILTER.says, 0) + 4, MILTER.says.len());
    }
}
