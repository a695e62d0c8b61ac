//! Relational databases.

use super::TcpProbe;
use crate::udp::field::concat;

/// A protocol version that there is not: the error says where in which source it arose.
pub(super) static POSTGRESQL: TcpProbe = TcpProbe {
    name: "postgresql",
    source: "PostgreSQL documentation, Frontend/Backend Protocol, §Message Formats",
    ports: &[5432, 5433, 5434, 5435, 5439, 6432, 6543, 8812, 9999, 26_257],
    says: b"\0\0\0\x08\0\xff\0\xff",
    anywhere: true,
};

/// Begins a session for a user who does not exist.
pub(super) const POSTGRESQL_STARTUP: &[u8] =
    b"\0\0\0\x29\0\x03\0\0user\0portolan\0database\0portolan\0\0";

/// Asks for TLS: one octet comes back.
pub(super) const POSTGRESQL_SSL: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

/// What the X protocol's server can do.
pub(super) static MYSQLX: TcpProbe = TcpProbe {
    name: "mysqlx",
    source: "MySQL X protocol, Mysqlx.Connection.CapabilitiesGet",
    ports: &[33_060],
    says: b"\x01\0\0\0\x01",
    anywhere: false,
};

/// What comes before the login, with the server's version.
pub(super) static MSSQL: TcpProbe = TcpProbe {
    name: "ms-sql-s",
    source: "[MS-TDS] §2.2.6.5",
    ports: &[1433, 1434, 2433, 49_172],
    says: b"\x12\x01\0\x2f\0\0\x01\0\
        \0\0\x1a\0\x06\x01\0\x20\0\x01\x02\0\x21\0\x01\x03\0\x22\0\x04\x04\0\x26\0\x01\xff\
        \x11\0\0\0\0\0\x02\0\0\0\0\0\0",
    anywhere: true,
};

/// The listener's version.
pub(super) static ORACLE: TcpProbe = TcpProbe {
    name: "oracle-tns",
    source: "Oracle Net Services Reference, lsnrctl VERSION; python-oracledb, messages/connect.pyx",
    ports: &[1521, 1522, 1523, 1525, 1526, 1529, 1630],
    says: &ORACLE_SAYS,
    anywhere: true,
};

const ORACLE_DATA: &[u8] = b"(CONNECT_DATA=(COMMAND=version))";
const ORACLE_SAYS: [u8; 58 + ORACLE_DATA.len()] = concat(&[
    b"\0\x5a\0\0\x01\0\0\0\
        \x01\x36\x01\x2c\0\0\x08\0\x7f\xff\x7f\x08\0\0\0\x01\0\x20\0\x3a\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ORACLE_DATA,
]);

/// Exchanges attributes: which levels of which managers.
pub(super) static DRDA: TcpProbe = TcpProbe {
    name: "drda",
    source: "The Open Group C143, DDM Architecture, EXCSAT",
    ports: &[446, 448, 523, 1527, 50_000, 50_001, 60_000],
    // The name is "portolan" in EBCDIC.
    says: b"\0\x2a\xd0\x01\0\x01\0\x24\x10\x41\
        \0\x0c\x11\x5e\x97\x96\x99\xa3\x96\x93\x81\x95\
        \0\x14\x14\x04\x14\x03\0\x07\x24\x07\0\x07\x24\x0f\0\x07\x14\x40\0\x07",
    anywhere: false,
};

/// Connects, and names no database that could be.
pub(super) static FIREBIRD: TcpProbe = TcpProbe {
    name: "firebird",
    source: "Firebird, Wire Protocol, op_connect",
    ports: &[3050, 3051],
    says: b"\0\0\0\x01\0\0\0\x13\0\0\0\x02\0\0\0\x01\0\0\0\x08portolan\0\0\0\x01\0\0\0\0\
        \0\0\0\x0a\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x02",
    anywhere: false,
};

/// A client's greeting as the default user, who has no password.
pub(super) static CLICKHOUSE: TcpProbe = TcpProbe {
    name: "clickhouse",
    source: "ClickHouse documentation, Native protocol, Client packets, Hello",
    // Name, version 1.1, revision 54058, database, user, no password.
    ports: &[9000, 9001, 9440],
    says: b"\0\x08portolan\x01\x01\xaa\xa6\x03\0\x07default\0",
    anywhere: false,
};

/// Protocol versions that are too old: the refusal tells the build.
pub(super) static H2: TcpProbe = TcpProbe {
    name: "h2",
    source: "H2 Database, org.h2.server.TcpServerThread",
    ports: &[9092],
    says: b"\0\0\0\0\0\0\0\0",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, be32};

    #[test]
    fn packets_are_as_long_as_they_say() {
        for packet in [POSTGRESQL.says, POSTGRESQL_STARTUP, POSTGRESQL_SSL] {
            assert_eq!(be32(packet, 0), packet.len());
        }
        assert_eq!(be16(MSSQL.says, 2), MSSQL.says.len());
        assert_eq!(be16(ORACLE.says, 0), ORACLE.says.len());
        assert_eq!(be16(ORACLE.says, 24), ORACLE_DATA.len());
        assert_eq!(be16(ORACLE.says, 26) + ORACLE_DATA.len(), ORACLE.says.len());
        assert_eq!(be16(DRDA.says, 0), DRDA.says.len());
        assert_eq!(be16(DRDA.says, 6) + 6, DRDA.says.len());
        assert_eq!(FIREBIRD.says.len() % 4, 0);
    }

    #[test]
    fn options_before_the_login_are_where_they_are_said_to_be() {
        let options = &MSSQL.says[8..];
        let mut end = 26;
        for option in options[..25].chunks(5) {
            assert_eq!(be16(option, 1), end);
            end += be16(option, 3);
        }
        assert_eq!((options[25], end), (0xff, options.len()));
    }
}
