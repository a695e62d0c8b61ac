//! Brokers of messages.

use super::TcpProbe;

/// Connects as nobody in particular, with a clean session.
pub(super) static MQTT: TcpProbe = TcpProbe {
    name: "mqtt",
    source: "OASIS MQTT 3.1.1 §3.1",
    ports: &[1882, 1883, 1884, 8883, 11_883],
    says: b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0",
    anywhere: true,
};

/// The same in version 5, for those that speak nothing else.
pub(super) static MQTT5: TcpProbe = TcpProbe {
    name: "mqtt",
    source: "OASIS MQTT 5.0 §3.1",
    ports: &[1883, 8883],
    says: b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0",
    anywhere: false,
};

/// Subscribes to what brokers say of themselves.
pub(super) const MQTT_SUBSCRIBE: &[u8] = b"\x82\x31\0\x01\
    \0\x13$SYS/broker/version\0\
    \0\x16$SYS/brokers/+/version\0";

/// The header of 0-9-1: the server begins with its name and version.
pub(super) static AMQP: TcpProbe = TcpProbe {
    name: "amqp",
    source: "AMQP 0-9-1 §4.2.2",
    ports: &[5671, 5672, 5673],
    says: b"AMQP\0\0\x09\x01",
    anywhere: true,
};

/// The header of 1.0 and an `open`, which the server's own answers with its properties.
pub(super) static AMQP1: TcpProbe = TcpProbe {
    name: "amqp",
    source: "OASIS AMQP 1.0, part 2, §2.2, §2.7.1",
    ports: &[5671, 5672, 61_616],
    says: b"AMQP\0\x01\0\0\
        \0\0\0\x18\x02\0\0\0\0\x53\x10\xc0\x0b\x01\xa1\x08portolan",
    anywhere: false,
};

/// Connects to the default host as nobody.
pub(super) static STOMP: TcpProbe = TcpProbe {
    name: "stomp",
    source: "STOMP 1.2, Connecting",
    ports: &[61_612, 61_613, 61_614, 61_616],
    says: b"CONNECT\naccept-version:1.0,1.1,1.2\nhost:/\n\n\0",
    anywhere: false,
};

/// Which requests the broker knows, and in which versions.
pub(super) static KAFKA: TcpProbe = TcpProbe {
    name: "kafka",
    source: "Apache Kafka protocol guide, ApiVersions request v0",
    ports: &[9092, 9093, 9094, 19_092, 29_092],
    says: b"\0\0\0\x12\0\x12\0\0Ptln\0\x08portolan",
    anywhere: true,
};

/// Connects, which tells the version.
pub(super) static PULSAR: TcpProbe = TcpProbe {
    name: "pulsar",
    source: "Apache Pulsar binary protocol specification, CommandConnect",
    ports: &[6650, 6651],
    says: b"\0\0\0\x14\0\0\0\x10\x08\x02\x12\x0c\x0a\x08portolan\x20\x0f",
    anywhere: false,
};

/// Version 2 of the protocol, and what the daemon is.
pub(super) static NSQ: TcpProbe = TcpProbe {
    name: "nsq",
    source: "NSQ, TCP protocol spec, IDENTIFY",
    ports: &[4150, 4151, 4160],
    says: b"  V2IDENTIFY\n\0\0\0\x1c{\"feature_negotiation\":true}",
    anywhere: false,
};

/// Exchanges properties, as every client of streams does first.
pub(super) static RABBITMQ_STREAM: TcpProbe = TcpProbe {
    name: "rabbitmq-stream",
    source: "RabbitMQ Stream Protocol Reference, PeerProperties",
    ports: &[5551, 5552],
    says: b"\0\0\0\x0c\0\x11\0\x01\0\0\0\x01\0\0\0\0",
    anywhere: false,
};

/// The whole greeting with the mechanism NULL.
pub(super) static ZMTP: TcpProbe = TcpProbe {
    name: "zmtp",
    source: "ZeroMQ RFC 23/ZMTP §2.2",
    ports: &[5555, 5556, 5557, 5558, 5559, 5560],
    says: b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    anywhere: false,
};

/// A request that no name server knows: it answers that it does not.
pub(super) static ROCKETMQ: TcpProbe = TcpProbe {
    name: "rocketmq",
    source: "Apache RocketMQ, remoting: RemotingCommand",
    ports: &[9876, 10_911, 10_909],
    says: b"\0\0\0\x58\0\0\0\x54{\"code\":9999,\"flag\":0,\"language\":\"JAVA\",\"opaque\":1,\
        \"serializeTypeCurrentRPC\":\"JSON\"}",
    anywhere: false,
};

/// Opens a stream of one's own server; whoever serves clients or servers answers with its own.
pub(super) static XMPP: TcpProbe = TcpProbe {
    name: "xmpp",
    source: "RFC 6120 §4.2, §4.7",
    ports: &[5222, 5223, 5280, 15_222],
    says: b"<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
    anywhere: true,
};

/// The same between servers.
pub(super) static XMPP_SERVER: TcpProbe = TcpProbe {
    name: "xmpp",
    source: "RFC 6120 §4.2, §4.8.1",
    ports: &[5269, 5270],
    says: b"<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:server' \
        xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::be32;

    #[test]
    fn packets_are_as_long_as_they_say() {
        for packet in [MQTT.says, MQTT5.says, MQTT_SUBSCRIBE] {
            assert_eq!(usize::from(packet[1]) + 2, packet.len());
        }
        for packet in [KAFKA.says, PULSAR.says, RABBITMQ_STREAM.says, ROCKETMQ.says] {
            assert_eq!(be32(packet, 0) + 4, packet.len(), "{}", packet.escape_ascii());
        }
        assert_eq!(be32(PULSAR.says, 4) + 8, PULSAR.says.len());
        assert_eq!(be32(ROCKETMQ.says, 4) + 8, ROCKETMQ.says.len());
        assert_eq!(be32(AMQP1.says, 8) + 8, AMQP1.says.len());
        assert_eq!(be32(NSQ.says, 13) + 17, NSQ.says.len());
        assert_eq!(ZMTP.says.len(), 64);
    }

    #[test]
    fn topics_are_as_long_as_they_say() {
        let mut at = 4;
        while at < MQTT_SUBSCRIBE.len() {
            at += 2 + usize::from(MQTT_SUBSCRIBE[at + 1]) + 1;
        }
        assert_eq!(at, MQTT_SUBSCRIBE.len());
    }
}
