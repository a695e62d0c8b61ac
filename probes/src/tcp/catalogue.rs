//! Which probes there are, and where each is said.

use super::TcpProbe;
use super::caches::{
    BEANSTALKD, EPMD, GEARMAN, HAZELCAST, IGNITE, MEMCACHED, MEMCACHED_BINARY, REDIS, ZOOKEEPER,
};
use super::desktop::{ADB, GUACD, RLOGIN, RSH, SPICE, X11};
use super::directory::{DNS, KERBEROS, LDAP, TACACS};
use super::documents::{AEROSPIKE, BOLT, CASSANDRA, MONGODB, RETHINKDB, RIAK};
use super::games::{IRC, MINECRAFT, MINECRAFT_OLD};
use super::industrial::{
    DNP3, ENIP, FINS, FOX, GE_SRTP, HART, IEC104, KNX, MODBUS, OPCUA, S7, SLMP, TANKS,
};
use super::java::{JDWP, RMI};
use super::lines::{HELP, LINES};
use super::mail::{CLAMD, MILTER, POLICYD, SPAMD};
use super::media::{DICOM, QUASSEL, RTSP, SANE, SIP, SNAPCAST, STUN};
use super::messaging::{
    AMQP, AMQP1, KAFKA, MQTT, MQTT5, NSQ, PULSAR, RABBITMQ_STREAM, ROCKETMQ, STOMP, XMPP,
    XMPP_SERVER, ZMTP,
};
use super::monitoring::{
    APCUPSD, BACULA, BACULA_DAEMON, GPSD, LCDPROC, LIRC, NRPE, NUT, STATSD_ADMIN, ZABBIX_AGENT,
    ZABBIX_SERVER,
};
use super::printing::{JETDIRECT, LPD};
use super::rpc::{NFS, RPCBIND};
use super::small::{DICT, FINGER, GEMINI, GOPHER, I2P_SAM, IDENT, WHOIS};
use super::sources::{BZR, CVS, GIT, PERFORCE};
use super::sql::{CLICKHOUSE, DRDA, FIREBIRD, H2, MSSQL, MYSQLX, ORACLE, POSTGRESQL};
use super::storage::{ISCSI, NINE_P, SLP};
use super::telecom::{DIAMETER, SMPP};
use super::tunnels::{BGP, BITTORRENT, OPENVPN, PPTP, SOCKS4, SOCKS5, TOR_CONTROL};
use super::web::{AJP13, FASTCGI, HTTP, HTTP2, UWSGI};
use super::windows::{AFP, MSRPC, NETBIOS, RDP, SMB};

/// Every probe.
///
/// Where two are usual at one port, the likelier comes first; what many answer comes last.
pub(super) static ALL: &[&TcpProbe] = &[
    // Printers first of all: nothing else may be said to them before.
    &JETDIRECT,
    &LPD,
    // Names, files, desktops.
    &DNS,
    &LDAP,
    &KERBEROS,
    &TACACS,
    &NETBIOS,
    &SMB,
    &MSRPC,
    &RDP,
    &AFP,
    &RPCBIND,
    &NFS,
    &X11,
    &GUACD,
    &SPICE,
    &RLOGIN,
    &RSH,
    &ISCSI,
    &NINE_P,
    &SLP,
    // Databases.
    &POSTGRESQL,
    &MYSQLX,
    &MSSQL,
    &ORACLE,
    &FIREBIRD,
    &MONGODB,
    &CASSANDRA,
    &BOLT,
    &RETHINKDB,
    &AEROSPIKE,
    &RIAK,
    &REDIS,
    &MEMCACHED,
    &MEMCACHED_BINARY,
    &ZOOKEEPER,
    &BEANSTALKD,
    &GEARMAN,
    &HAZELCAST,
    &IGNITE,
    &EPMD,
    // Brokers.
    &MQTT,
    &AMQP,
    &AMQP1,
    &STOMP,
    &KAFKA,
    &PULSAR,
    &NSQ,
    &RABBITMQ_STREAM,
    &ROCKETMQ,
    &XMPP,
    &XMPP_SERVER,
    &MQTT5,
    // Calls, streams, games.
    &SIP,
    &RTSP,
    &STUN,
    &SNAPCAST,
    &SANE,
    &QUASSEL,
    &DICOM,
    &MINECRAFT,
    &MINECRAFT_OLD,
    &IRC,
    // Plants.
    &MODBUS,
    &ENIP,
    &S7,
    &DNP3,
    &IEC104,
    &OPCUA,
    &FOX,
    &FINS,
    &SLMP,
    &GE_SRTP,
    &HART,
    &KNX,
    &TANKS,
    // Watch and care.
    &ZABBIX_AGENT,
    &ZABBIX_SERVER,
    &NRPE,
    &BACULA,
    &BACULA_DAEMON,
    &NUT,
    &APCUPSD,
    &GPSD,
    &LIRC,
    &LCDPROC,
    &STATSD_ADMIN,
    &SPAMD,
    &CLAMD,
    &POLICYD,
    &MILTER,
    // Tunnels, sources, operators.
    &PPTP,
    &OPENVPN,
    &SOCKS5,
    &SOCKS4,
    &TOR_CONTROL,
    &BITTORRENT,
    &BGP,
    &GIT,
    &CVS,
    &PERFORCE,
    &BZR,
    &DIAMETER,
    &SMPP,
    &FINGER,
    &IDENT,
    &WHOIS,
    &GOPHER,
    &GEMINI,
    &DICT,
    &I2P_SAM,
    // What shares its ports with those above.
    &HTTP,
    &HTTP2,
    &AJP13,
    &UWSGI,
    &CLICKHOUSE,
    &FASTCGI,
    &RMI,
    &JDWP,
    &DRDA,
    &H2,
    &ADB,
    &ZMTP,
    &LINES,
    &HELP,
];

/// What is worth saying anywhere: the order is a judgement of what stands at unusual ports and is
/// silent to TLS and HTTP.
pub(super) static ANYWHERE: &[&TcpProbe] = &[
    &LINES,
    &REDIS,
    &POSTGRESQL,
    &MQTT,
    &MONGODB,
    &LDAP,
    &RDP,
    &SMB,
    &DNS,
    &HELP,
    &SOCKS5,
    &MEMCACHED,
    &HTTP2,
    &KAFKA,
    &CASSANDRA,
    &ZOOKEEPER,
    &MSSQL,
    &SIP,
    &RTSP,
    &AMQP,
    &RMI,
    &AJP13,
    &FASTCGI,
    &XMPP,
    &RPCBIND,
    &X11,
    &JDWP,
    &MSRPC,
    &OPENVPN,
    &ORACLE,
];
