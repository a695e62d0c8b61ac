//! Databases of documents, columns, graphs and records.

use super::TcpProbe;

/// The old way of asking whether this is the primary, which every version answers.
pub(super) static MONGODB: TcpProbe = TcpProbe {
    name: "mongodb",
    source: "MongoDB wire protocol, OP_QUERY; MongoDB commands, isMaster",
    ports: &[27_017, 27_018, 27_019, 27_020, 28_017],
    says: b"\x3a\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0\
        \0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff\
        \x13\0\0\0\x10isMaster\0\x01\0\0\0\0",
    anywhere: true,
};

/// The server's build, as versions from 3.6 on want to be asked, and as those before.
pub(super) const MONGODB_BUILD: &[u8] = b"\x38\0\0\0\x02\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\
    \x23\0\0\0\x10buildInfo\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";
pub(super) const MONGODB_BUILD_OLD: &[u8] = b"\x3b\0\0\0\x03\0\0\0\0\0\0\0\xd4\x07\0\0\
    \0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff\
    \x14\0\0\0\x10buildinfo\0\x01\0\0\0\0";

/// What a connection may ask for.
pub(super) static CASSANDRA: TcpProbe = TcpProbe {
    name: "cassandra",
    source: "Apache Cassandra, CQL binary protocol v4, §4.1.3",
    ports: &[9042, 9142, 19_042],
    says: b"\x04\0\0\0\x05\0\0\0\0",
    anywhere: true,
};

/// Starts, then reads the release from the table that is there for it.
pub(super) const CASSANDRA_STARTUP: &[u8] =
    b"\x04\0\0\x01\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0";
pub(super) const CASSANDRA_RELEASE: &[u8] = b"\x04\0\0\x02\x07\0\0\0\x2f\
    \0\0\0\x28SELECT release_version FROM system.local\0\x01\0";

/// The handshake with the versions that there are.
pub(super) static BOLT: TcpProbe = TcpProbe {
    name: "bolt",
    source: "Neo4j, Bolt protocol, handshake specification",
    ports: &[7687],
    says: b"\x60\x60\xb0\x17\0\x04\x04\x05\0\x02\x04\x04\0\0\x01\x04\0\0\0\x03",
    anywhere: false,
};

/// Versions that greet before they log in, and the greeting, which is answered with the server.
pub(super) const BOLT_5: &[u8] = b"\x60\x60\xb0\x17\0\x01\x02\x05\0\0\0\0\0\0\0\0\0\0\0\0";
pub(super) const BOLT_HELLO: &[u8] = b"\0\x1b\xb1\x01\xa1\x8auser_agent\x8cportolan/1.0\0\0";

/// The magic number of version 1.0.
pub(super) static RETHINKDB: TcpProbe = TcpProbe {
    name: "rethinkdb",
    source: "RethinkDB, Writing drivers, V1_0",
    ports: &[28_015, 29_015],
    says: b"\xc3\xbd\xc2\x34",
    anywhere: false,
};

/// Edition and build.
pub(super) static AEROSPIKE: TcpProbe = TcpProbe {
    name: "aerospike",
    source: "Aerospike, Info protocol",
    ports: &[3000, 3001, 3002, 3003],
    says: b"\x02\x01\0\0\0\0\0\x0eversion\nbuild\n",
    anywhere: false,
};

/// Node and version.
pub(super) static RIAK: TcpProbe = TcpProbe {
    name: "riak-pb",
    source: "Riak KV, Protocol Buffers Client API, RpbGetServerInfoReq",
    ports: &[8087],
    says: b"\0\0\0\x01\x07",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, be32, le32};

    /// Names and types of a document's elements, which must fill it.
    fn elements(document: &[u8]) -> Vec<(u8, String)> {
        assert_eq!(le32(document, 0), document.len());
        let mut rest = &document[4..];
        let mut found = Vec::new();
        while rest[0] != 0 {
            let end = rest.iter().skip(1).position(|octet| *octet == 0).unwrap() + 1;
            let name = String::from_utf8(rest[1..end].to_vec()).unwrap();
            found.push((rest[0], name));
            let len = match rest[0] {
                0x10 => 4,
                0x02 => 4 + le32(rest, end + 1),
                other => panic!("type {other}"),
            };
            rest = &rest[end + 1 + len..];
        }
        assert_eq!(rest.len(), 1);
        found
    }

    #[test]
    fn messages_and_documents_are_as_long_as_they_say() {
        for (message, at, name) in [
            (MONGODB.says, 39, "isMaster"),
            (MONGODB_BUILD, 21, "buildInfo"),
            (MONGODB_BUILD_OLD, 39, "buildinfo"),
        ] {
            assert_eq!(le32(message, 0), message.len());
            assert_eq!(elements(&message[at..])[0], (0x10, name.to_owned()));
        }
    }

    #[test]
    fn frames_are_as_long_as_they_say() {
        for frame in [CASSANDRA.says, CASSANDRA_STARTUP, CASSANDRA_RELEASE] {
            assert_eq!(be32(frame, 5) + 9, frame.len());
        }
        assert_eq!(be32(CASSANDRA_RELEASE, 9) + 13 + 3, CASSANDRA_RELEASE.len());
        assert_eq!((BOLT.says.len(), BOLT_5.len()), (20, 20));
        assert_eq!(be16(BOLT_HELLO, 0) + 4, BOLT_HELLO.len());
        assert_eq!(be32(AEROSPIKE.says, 4) + 8, AEROSPIKE.says.len());
    }
}
