//! Stores of keys, queues of jobs, and who coordinates them.

use super::TcpProbe;

/// All that the server says of itself.
pub(super) static REDIS: TcpProbe = TcpProbe {
    name: "redis",
    source: "Redis serialization protocol specification; Redis commands, INFO",
    ports: &[6379, 6378, 6380, 6381, 6382, 7000, 16_379, 26_379, 30_001],
    says: b"*1\r\n$4\r\nINFO\r\n",
    anywhere: true,
};

/// The version.
pub(super) static MEMCACHED: TcpProbe = TcpProbe {
    name: "memcached",
    source: "memcached, doc/protocol.txt, version",
    ports: &[11_211, 11_210, 11_212, 11_213],
    says: b"version\r\n",
    anywhere: true,
};

/// The same in the binary protocol, which Couchbase speaks too.
pub(super) static MEMCACHED_BINARY: TcpProbe = TcpProbe {
    name: "couchbase",
    source: "memcached, Binary Protocol Revamped, §4.9",
    ports: &[11_210, 11_207, 11_211],
    says: b"\x80\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    anywhere: false,
};

/// The four-letter word that is allowed where no other is.
pub(super) static ZOOKEEPER: TcpProbe = TcpProbe {
    name: "zookeeper",
    source: "ZooKeeper Administrator's Guide, The Four Letter Words",
    ports: &[2181, 2182, 2183, 9181],
    says: b"srvr",
    anywhere: true,
};

/// How the queue is doing, with its version.
pub(super) static BEANSTALKD: TcpProbe = TcpProbe {
    name: "beanstalkd",
    source: "beanstalkd, doc/protocol.txt, stats",
    ports: &[11_300],
    says: b"stats\r\n",
    anywhere: false,
};

/// The administrative protocol's version.
pub(super) static GEARMAN: TcpProbe = TcpProbe {
    name: "gearman",
    source: "Gearman protocol, Administrative Protocol",
    ports: &[4730, 7003],
    says: b"version\n",
    anywhere: false,
};

/// A member's first octets, which another member answers with the same.
pub(super) static HAZELCAST: TcpProbe = TcpProbe {
    name: "hazelcast",
    source: "Hazelcast, com.hazelcast.internal.nio.Protocols",
    ports: &[5701, 5702, 5703],
    says: b"HZC",
    anywhere: false,
};

/// A thin client of a version that there is not: the refusal names those that there are.
pub(super) static IGNITE: TcpProbe = TcpProbe {
    name: "ignite",
    source: "Apache Ignite binary client protocol, Handshake",
    ports: &[10_800, 10_801],
    says: b"\x08\0\0\0\x01\x63\0\x63\0\x63\0\x02",
    anywhere: false,
};

/// Names of the nodes that are registered.
pub(super) static EPMD: TcpProbe = TcpProbe {
    name: "epmd",
    source: "Erlang/OTP, Distribution Protocol, NAMES_REQ",
    ports: &[4369],
    says: b"\0\x01\x6e",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, le32};

    #[test]
    fn requests_are_as_long_as_they_say() {
        assert_eq!(MEMCACHED_BINARY.says.len(), 24);
        assert_eq!(le32(IGNITE.says, 0) + 4, IGNITE.says.len());
        assert_eq!(be16(EPMD.says, 0) + 2, EPMD.says.len());
    }
}
