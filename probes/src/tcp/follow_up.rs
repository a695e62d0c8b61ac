//! What to say next to a service that is known by name, and not yet by product or version.

use super::caches::{BEANSTALKD, GEARMAN, MEMCACHED, MEMCACHED_BINARY, REDIS, ZOOKEEPER};
use super::directory::LDAP;
use super::documents::{
    BOLT_5, BOLT_HELLO, CASSANDRA_RELEASE, CASSANDRA_STARTUP, MONGODB_BUILD, MONGODB_BUILD_OLD,
};
use super::industrial::{S7, S7_COMPONENT, S7_MODULE, S7_SETUP};
use super::java::{JDWP, JDWP_VERSION};
use super::mail::{CLAMD, SPAMD};
use super::media::{RTSP, SIP, SNAPCAST};
use super::messaging::{AMQP, AMQP1, MQTT, MQTT_SUBSCRIBE, MQTT5, NSQ, STOMP, XMPP, ZMTP};
use super::monitoring::{APCUPSD, GPSD, LIRC, NRPE, NUT, ZABBIX_AGENT};
use super::rpc::{DUMP, GLUSTERD, MOUNT, NFS4, NLOCKMGR, STATUS, YPSERV};
use super::small::WHOIS;
use super::sql::{DRDA, MSSQL, MYSQLX, ORACLE, POSTGRESQL, POSTGRESQL_SSL, POSTGRESQL_STARTUP};
use super::tunnels::TOR_CONTROL;
use super::web::AJP13_FORWARD;
use super::windows::{
    NETBIOS, SMB, SMB1_NEGOTIATE, SMB1_SESSION_SETUP, SMB2_NEGOTIATE, SMB2_SESSION_SETUP,
};

/// What to say next to a service, on a connection of its own.
#[derive(Debug)]
pub struct FollowUp {
    /// The service, as signatures name it.
    pub service: &'static str,
    /// The specification.
    pub source: &'static str,
    /// Whether its greeting comes first, and is waited for.
    pub after_greeting: bool,
    /// One after the other, each after the reply to the one before; the replies to all may tell.
    pub says: &'static [&'static [u8]],
}

/// What to say next to `service`, the most telling first; none where nothing more is told.
///
/// Begins with the service's own probe where its name may have come of a refusal to another.
pub fn follow_ups(service: &str) -> &'static [FollowUp] {
    let begin = FOLLOW_UPS.partition_point(|row| row.service < service);
    let rest = FOLLOW_UPS.get(begin..).unwrap_or_default();
    let len = rest.partition_point(|row| row.service == service);
    rest.get(..len).unwrap_or_default()
}

/// Every one, by service: for the tests, and for who wants a list.
#[cfg(test)]
pub(super) fn all() -> &'static [FollowUp] {
    FOLLOW_UPS
}

/// On a fresh connection, at once.
const fn at_once(
    service: &'static str,
    source: &'static str,
    says: &'static [&'static [u8]],
) -> FollowUp {
    FollowUp { service, source, after_greeting: false, says }
}

/// After the greeting.
const fn greeted(
    service: &'static str,
    source: &'static str,
    says: &'static [&'static [u8]],
) -> FollowUp {
    FollowUp { service, source, after_greeting: true, says }
}

/// An anonymous visitor: the numeric replies to a registration name the server and its version.
const IRC_VISIT: &[u8] = b"NICK portolan\r\nUSER portolan 0 * :portolan\r\nVERSION\r\n";
const DNS_SERVER: &[u8] = b"\0\x20PS\0\0\0\x01\0\0\0\0\0\0\x07version\x06server\0\0\x10\0\x03";
/// A search for the root entry with all attributes, those of users and of operation.
const LDAP_ALL: &[u8] = b"\x30\x2b\x02\x01\x08\x63\x26\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\
    \x01\x05\x01\x01\0\x87\x0bobjectClass\x30\x06\x04\x01*\x04\x01+";
const MODBUS_255: &[u8] = b"\0\x02\0\0\0\x05\xff\x2b\x0e\x01\0";

/// Rising by service.
static FOLLOW_UPS: &[FollowUp] = &[
    at_once("ajp13", "Apache Tomcat Connectors, AJP protocol reference v1.3", &[AJP13_FORWARD]),
    at_once("amqp", AMQP.source, &[AMQP.says]),
    at_once("amqp", AMQP1.source, &[AMQP1.says]),
    at_once("apcupsd", APCUPSD.source, &[APCUPSD.says]),
    at_once("beanstalkd", BEANSTALKD.source, &[BEANSTALKD.says]),
    at_once("bolt", "Neo4j, Bolt protocol, HELLO", &[BOLT_5, BOLT_HELLO]),
    at_once(
        "cassandra",
        "Apache Cassandra, CQL binary protocol v4, §4.1",
        &[CASSANDRA_STARTUP, CASSANDRA_RELEASE],
    ),
    at_once("clamav", CLAMD.source, &[CLAMD.says]),
    at_once("couchbase", MEMCACHED_BINARY.source, &[MEMCACHED_BINARY.says]),
    greeted("dict", "RFC 2229 §3.11", &[b"SHOW SERVER\r\n"]),
    at_once("dns", "RFC 4892 §3", &[DNS_SERVER]),
    at_once("drda", DRDA.source, &[DRDA.says]),
    greeted("ftp", "RFC 959 §4.1.3; RFC 2389 §3", &[b"SYST\r\n", b"FEAT\r\n", b"HELP\r\n"]),
    at_once("gearman", GEARMAN.source, &[GEARMAN.says]),
    greeted("gpsd", GPSD.source, &[GPSD.says]),
    greeted("imap", "RFC 9051 §6.1.1; RFC 2971 §3.1", &[b"a1 CAPABILITY\r\n", b"a2 ID NIL\r\n"]),
    at_once("irc", "RFC 2812 §3.1, §5.1", &[IRC_VISIT, b"QUIT\r\n"]),
    at_once(
        "iso-tsap",
        "S7 communication, as snap7 (LGPL) documents it",
        &[S7.says, S7_SETUP, S7_MODULE, S7_COMPONENT],
    ),
    at_once(
        "jdwp",
        "Java Debug Wire Protocol, VirtualMachine, Version",
        &[JDWP.says, JDWP_VERSION],
    ),
    at_once("ldap", LDAP.source, &[LDAP.says]),
    at_once("ldap", "RFC 4511 §4.5.1.8; RFC 3673", &[LDAP_ALL]),
    at_once("lirc", LIRC.source, &[LIRC.says]),
    greeted("lmtp", "RFC 2033 §4.1", &[b"LHLO portolan.invalid\r\n", b"HELP\r\n"]),
    at_once("memcached", MEMCACHED.source, &[MEMCACHED.says]),
    at_once(
        "microsoft-ds",
        "[MS-SMB2] §2.2.3, §2.2.5; [MS-NLMP] §2.2.1",
        &[SMB2_NEGOTIATE, SMB2_SESSION_SETUP],
    ),
    at_once(
        "microsoft-ds",
        "[MS-SMB] §2.2.4.5, §2.2.4.6; [MS-NLMP] §2.2.1",
        &[SMB1_NEGOTIATE, SMB1_SESSION_SETUP],
    ),
    at_once("modbus", "MODBUS Messaging on TCP/IP V1.0b §4.4.2.3", &[MODBUS_255]),
    at_once(
        "mongodb",
        "MongoDB wire protocol, OP_MSG; MongoDB commands, buildInfo",
        &[MONGODB_BUILD],
    ),
    at_once(
        "mongodb",
        "MongoDB wire protocol, OP_QUERY; MongoDB commands, buildInfo",
        &[MONGODB_BUILD_OLD],
    ),
    at_once(
        "mqtt",
        "OASIS MQTT 3.1.1 §3.1, §3.8; mosquitto(8), $SYS",
        &[MQTT.says, MQTT_SUBSCRIBE],
    ),
    at_once("mqtt", MQTT5.source, &[MQTT5.says]),
    at_once("ms-sql-s", MSSQL.source, &[MSSQL.says]),
    greeted("munin", "Munin, Network protocol, version", &[b"version\n"]),
    at_once("mysqlx", MYSQLX.source, &[MYSQLX.says]),
    at_once("netbios-ssn", NETBIOS.source, &[NETBIOS.says, SMB.says]),
    at_once("nfs", "RFC 7530 §16.1", &[NFS4]),
    greeted("nntp", "RFC 3977 §5.2, §7.2", &[b"CAPABILITIES\r\n", b"HELP\r\n"]),
    at_once("nrpe", NRPE.source, &[NRPE.says]),
    at_once("nsq", NSQ.source, &[NSQ.says]),
    at_once("nut", NUT.source, &[NUT.says]),
    greeted("openvpn-management", "OpenVPN, doc/management-notes.txt, version", &[b"version\n"]),
    at_once("oracle-tns", ORACLE.source, &[ORACLE.says]),
    greeted("pop3", "RFC 2449 §5", &[b"CAPA\r\n"]),
    at_once("postgresql", POSTGRESQL.source, &[POSTGRESQL.says]),
    at_once(
        "postgresql",
        "PostgreSQL documentation, Message Formats, StartupMessage",
        &[POSTGRESQL_STARTUP],
    ),
    at_once(
        "postgresql",
        "PostgreSQL documentation, Message Formats, SSLRequest",
        &[POSTGRESQL_SSL],
    ),
    at_once("redis", REDIS.source, &[REDIS.says]),
    at_once(
        "rpc",
        "RFC 5531 §9; RFC 1813 Appendix I; The Open Group C702",
        &[MOUNT, NLOCKMGR, STATUS, YPSERV, GLUSTERD],
    ),
    at_once("rpcbind", "RFC 1833 §3.2", &[DUMP]),
    at_once("rtsp", RTSP.source, &[RTSP.says]),
    greeted("sieve", "RFC 5804 §2.4", &[b"CAPABILITY\r\n"]),
    at_once("sip", SIP.source, &[SIP.says]),
    greeted("smtp", "RFC 5321 §4.1.1.1, §4.1.1.8", &[b"EHLO portolan.invalid\r\n", b"HELP\r\n"]),
    at_once("snapcast", SNAPCAST.source, &[SNAPCAST.says]),
    at_once("spamd", SPAMD.source, &[SPAMD.says]),
    at_once("stomp", STOMP.source, &[STOMP.says]),
    greeted("teamspeak-serverquery", "TeamSpeak 3 ServerQuery manual, version", &[b"version\n"]),
    at_once("tor-control", TOR_CONTROL.source, &[TOR_CONTROL.says]),
    at_once("whois", WHOIS.source, &[WHOIS.says]),
    at_once("xmpp", XMPP.source, &[XMPP.says]),
    at_once("zabbix-agent", ZABBIX_AGENT.source, &[ZABBIX_AGENT.says]),
    at_once("zmtp", ZMTP.source, &[ZMTP.says]),
    at_once("zookeeper", ZOOKEEPER.source, &[ZOOKEEPER.says]),
    at_once("zookeeper", ZOOKEEPER.source, &[b"envi"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::be16;
    use crate::udp::ber;

    #[test]
    fn rows_rise_and_say_something() {
        assert!(FOLLOW_UPS.is_sorted_by(|a, b| a.service <= b.service));
        for row in FOLLOW_UPS {
            assert!(!row.says.is_empty() && row.says.iter().all(|says| !says.is_empty()));
            assert!(follow_ups(row.service).iter().any(|found| std::ptr::eq(found, row)));
        }
    }

    #[test]
    fn they_are_found_by_service() {
        assert_eq!(follow_ups("ldap").len(), 2);
        assert_eq!(follow_ups("zookeeper").len(), 2);
        assert!(follow_ups("no-such-service").is_empty() && follow_ups("").is_empty());
        assert!(follow_ups("smtp")[0].after_greeting && !follow_ups("redis")[0].after_greeting);
    }

    #[test]
    fn requests_of_this_file_are_as_long_as_they_say() {
        ber::assert_well_formed(LDAP_ALL);
        assert_eq!(be16(DNS_SERVER, 0) + 2, DNS_SERVER.len());
        assert_eq!(be16(MODBUS_255, 4) + 6, MODBUS_255.len());
    }
}
