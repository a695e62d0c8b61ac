//! Replies as specifications compose them, and as real daemons send them.

use proptest::prelude::*;

use super::*;

/// The service among the parts.
fn service(reply: &[u8]) -> Service {
    let found = parts(reply).into_iter().find_map(|part| match part {
        Part::Service(service) => Some(*service),
        Part::Text(..) => None,
    });
    found.unwrap_or_else(|| panic!("no service in {reply:x?}"))
}

/// The text of that kind among the parts.
fn text_of(kind: Kind, reply: &[u8]) -> Vec<u8> {
    let found = parts(reply).into_iter().find_map(|part| match part {
        Part::Text(found, text) if found == kind => Some(text.into_owned()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no {} in {reply:x?}", kind.name()))
}

/// Name, product, version and extra, `-` for what is not there.
fn line(reply: &[u8]) -> String {
    let service = service(reply);
    let or_dash = |field: Option<String>| field.unwrap_or_else(|| "-".to_owned());
    [service.name, or_dash(service.product), or_dash(service.version), or_dash(service.extra)]
        .join(" | ")
}

fn ber(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag, 0x81, u8::try_from(value.len()).unwrap()], value].concat()
}

fn snmp_response(text: &[u8]) -> Vec<u8> {
    let name = ber(0x06, &[0x2b, 6, 1, 2, 1, 1, 1, 0]);
    let variables = ber(0x30, &ber(0x30, &[name, ber(0x04, text)].concat()));
    let pdu = ber(0xa2, &[b"\x02\x01\x07\x02\x01\0\x02\x01\0".to_vec(), variables].concat());
    ber(0x30, &[b"\x02\x01\0\x04\x06public".to_vec(), pdu].concat())
}

#[test]
fn snmp_tells_its_description() {
    let reply = snmp_response(b"Linux router 5.10");
    assert_eq!(text_of(Kind::SnmpSysdescr, &reply), b"Linux router 5.10");
    assert_eq!(line(&reply), "snmp | - | - | -");
}

/// What Net-SNMP 5.9.3 answers to a discovery: a report of `usmStatsUnknownEngineIDs`.
const REPORT: [u8; 115] = [
    0x30, 0x71, 0x02, 0x01, 0x03, 0x30, 0x11, 0x02, 0x04, 0x55, 0x66, 0x77, 0x88, 0x02, 0x03, 0x00,
    0xff, 0xe3, 0x04, 0x01, 0x00, 0x02, 0x01, 0x03, 0x04, 0x21, 0x30, 0x1f, 0x04, 0x11, 0x80, 0x00,
    0x1f, 0x88, 0x80, 0x49, 0x49, 0xe3, 0x16, 0xc8, 0x1c, 0x02, 0x6b, 0x00, 0x00, 0x00, 0x00, 0x02,
    0x01, 0x01, 0x02, 0x01, 0x02, 0x04, 0x00, 0x04, 0x00, 0x04, 0x00, 0x30, 0x36, 0x04, 0x11, 0x80,
    0x00, 0x1f, 0x88, 0x80, 0x49, 0x49, 0xe3, 0x16, 0xc8, 0x1c, 0x02, 0x6b, 0x00, 0x00, 0x00, 0x00,
    0x04, 0x00, 0xa8, 0x1f, 0x02, 0x04, 0x55, 0x66, 0x77, 0x88, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00,
    0x30, 0x11, 0x30, 0x0f, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x06, 0x03, 0x0f, 0x01, 0x01, 0x04, 0x00,
    0x41, 0x01, 0x01,
];

#[test]
fn an_engine_names_its_maker() {
    assert_eq!(line(&REPORT), "snmp | Net-SNMP | - | SNMPv3");
    let mut cisco = REPORT;
    cisco[32..34].copy_from_slice(&[0, 9]);
    assert_eq!(service(&cisco).vendor.as_deref(), Some("Cisco"));
    assert_eq!(service(&cisco).product, None);
}

const VERSION_BIND: &[u8] = b"\x07version\x04bind\0\0\x10\0\x03";

fn dns(flags: [u8; 2], counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let [questions, answers, authorities, more] = counts;
    let counts = [0, questions, 0, answers, 0, authorities, 0, more];
    [b"\x12\x34".as_slice(), &flags, &counts, rest].concat()
}

#[test]
fn dns_tells_its_version_over_udp_and_tcp() {
    let answer = [VERSION_BIND, b"\xc0\x0c\0\x10\0\x03\0\0\0\0\0\x07\x069.18.2"].concat();
    let reply = dns([0x85, 0], [1, 1, 0, 0], &answer);
    assert_eq!(text_of(Kind::DnsVersionBind, &reply), b"9.18.2");
    let len = u16::try_from(reply.len()).unwrap().to_be_bytes();
    let tcp = [len.as_slice(), &reply].concat();
    assert_eq!(text_of(Kind::DnsVersionBind, &tcp), b"9.18.2");
    assert_eq!(line(&tcp), "dns | - | - | -");
}

#[test]
fn a_refusal_is_dns_too() {
    for codes in [4, 5] {
        let refused = dns([0x81, codes], [1, 0, 0, 0], VERSION_BIND);
        assert_eq!(service(&refused).name, "dns");
    }
    assert_eq!(service(&dns([0x80, 4], [0; 4], b"")).name, "dns");
    assert_eq!(parts(&dns([0x01, 0], [1, 0, 0, 0], VERSION_BIND)), []);
    assert_eq!(parts(&dns([0x80, 0], [0; 4], b"")), []);
}

#[test]
fn names_of_the_link_are_mdns() {
    let question = b"\x09_services\x07_dns-sd\x04_udp\x05local\0\0\x0c\0\x01";
    let answer = [question.as_slice(), b"\xc0\x0c\0\x0c\0\x01\0\0\0\x0a\0\x02\xc0\x0c"].concat();
    assert_eq!(service(&dns([0x84, 0], [1, 1, 0, 0], &answer)).name, "mdns");
    // A name server that does not know the name is no mDNS.
    assert_eq!(service(&dns([0x81, 3], [1, 0, 0, 0], question)).name, "dns");
}

fn node_status(mac: [u8; 6]) -> Vec<u8> {
    let names = [
        b"ATLAS          \x00\x04\x00".as_slice(),
        b"ATLAS          \x20\x04\x00",
        b"HARBOUR        \x00\x84\x00",
    ]
    .concat();
    let data = [&[3], names.as_slice(), &mac, &[0; 40]].concat();
    let len = u16::try_from(data.len()).unwrap().to_be_bytes();
    let owner = b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01\0\0\0\0";
    let head = b"\x12\x34\x84\0\0\0\0\x01\0\0\0\0";
    [head.as_slice(), owner, &len, &data].concat()
}

#[test]
fn node_status_tells_names() {
    let samba = "netbios-ns | Samba nmbd | - | host ATLAS, workgroup HARBOUR, file server";
    assert_eq!(line(&node_status([0; 6])), samba);
    let other = line(&node_status([2, 0, 0x5e, 0x10, 0, 1]));
    assert!(other.ends_with("MAC 02:00:5e:10:00:01"), "{other}");
    assert!(other.starts_with("netbios-ns | - |"), "{other}");
}

#[test]
fn the_port_mapper_lists_programs() {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    let dump = words(&[
        7, 1, 0, 0, 0, 0, 1, 100_000, 4, 6, 111, 1, 100_000, 2, 17, 111, 1, 100_003, 3, 6, 2_049, 0,
    ]);
    assert_eq!(line(&dump), "rpcbind | - | - | rpcbind 2-4, nfs 3");
    let mark = [&[0x80, 0, 0, 88], dump.as_slice()].concat();
    assert_eq!(line(&mark), "rpcbind | - | - | rpcbind 2-4, nfs 3");
    assert_eq!(service(&words(&[7, 1, 0, 0, 0, 0])).name, "rpcbind");
    assert_eq!(parts(&words(&[7, 0, 0, 0, 0, 0])), []);
}

#[test]
fn small_servers_tell_their_versions() {
    let memcached = b"\x12\x34\0\0\0\x01\0\0VERSION 1.6.18\r\n";
    assert_eq!(line(memcached), "memcached | Memcached | 1.6.18 | -");
    let stun =
        b"\x01\x01\0\x18\x21\x12\xa4\x42123456789012\x80\x22\0\x15Coturn-4.6.1 'Gorst' \0\0\0";
    assert_eq!(line(stun), "stun | Coturn | 4.6.1 | Coturn-4.6.1 'Gorst'");
    let mumble = b"\0\x01\x04\x0312345678\0\0\0\x02\0\0\0\x64\0\x02\x22\xe0";
    assert_eq!(line(mumble), "murmur | Mumble | 1.4.3 | 2 of 100 users");
    let rx = b"\0\0\x03\xe7\0\0\0\0\x12\x34\x56\x78\0\0\0\0\0\0\0\0\x0d\x04\0\0\0\0\0\0\
        \x20OpenAFS 1.8.9-1-debian 2023\0";
    assert_eq!(line(rx), "afs3-rx | OpenAFS | 1.8.9-1-debian | OpenAFS 1.8.9-1-debian 2023");
}

#[test]
fn games_tell_theirs() {
    let magic = b"\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78";
    let text = b"MCPE;Harbour;594;1.20.12;3;10;1234;world;Survival;1;19132;19133;";
    let len = u16::try_from(text.len()).unwrap().to_be_bytes();
    let pong = [b"\x1c1234567812345678".as_slice(), magic, &len, text].concat();
    assert_eq!(line(&pong), "minecraft | Minecraft Bedrock Edition | 1.20.12 | Harbour");
    let status = b"\xff\xff\xff\xffstatusResponse\n\\challenge\\x\\version\\ioq3 1.36_GIT_x linux\
        \\gamename\\baseq3\n0 0 \"a\"\n";
    assert_eq!(line(status), "quake3 | ioquake3 | 1.36_GIT_x | baseq3");
    let info = b"\xff\xff\xff\xffinfoResponse\n\\game\\oa\\gamename\\Quake3Arena";
    assert_eq!(line(info), "quake3 | - | - | Quake3Arena");
    let teeworlds = [&[0xff; 10], b"inf377\x000.6.4, 17.4.2\0Pier\0dm1\0".as_slice()].concat();
    assert_eq!(line(&teeworlds), "teeworlds | DDNet | 17.4.2 | Pier");
    let minetest = b"\x4f\x45\x74\x03\0\x01\0\x03\xff\xdc\0\x01\0\x02";
    assert_eq!(line(minetest), "minetest | Minetest | - | -");
}

#[test]
fn tunnels_tell_their_makers() {
    let pairs = b"\x80\x08\0\0\0\0\0\x02\x80\x08\0\0\0\x02\x01\0\x80\x08\0\0\0\x06\x06\x90\
        \x80\x0b\0\0\0\x07atlas\0\x13\0\0\0\x08xelerance.com";
    let sccrp = [b"\xc8\x02\0\x4a\0\x01\0\0\0\0\0\x01".as_slice(), pairs].concat();
    assert_eq!(line(&sccrp), "l2tp | xl2tpd | - | firmware 0690, host atlas");
    assert_eq!(service(&sccrp).vendor.as_deref(), Some("xelerance.com"));
    let head = b"\x0123456\xf78abcdefgh\x0d\x10\x02\0\0\0\0\0\0\0\0\x30";
    let vendor = b"\0\0\0\x14\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb";
    assert_eq!(line(&[head.as_slice(), vendor].concat()), "isakmp | strongSwan | - | IKEv1");
    let refused =
        b"\x0123456\xf78\0\0\0\0\0\0\0\0\x29\x20\x22\x20\0\0\0\0\0\0\0\x24\0\0\0\x08\0\0\0\x0e";
    assert_eq!(line(refused), "isakmp | - | - | IKEv2");
    assert_eq!(line(&[&[0; 4], refused.as_slice()].concat()), "isakmp | - | - | IKEv2");
}

#[test]
fn transports_tell_their_versions() {
    let quic = b"\xc0\0\0\0\0\x08abcdefgh\x08ABCDEFGH\0\0\0\x01\x6b\x33\x43\xcf\xff\0\0\x1d\x1a\x2a\x3a\x4a";
    assert_eq!(line(quic), "quic | - | - | v1, v2, draft-29");
    let dtls = b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x23\x03\0\0\x17";
    assert_eq!(service(dtls).name, "dtls");
    assert_eq!(service(b"\x15\xfe\xfd\0\0\0\0\0\0\0\0\0\x02\x02\x28").name, "dtls");
}

#[test]
fn kerberos_tells_realm_and_program() {
    let error = |text: &[u8]| {
        let field = |tag, inner, value: &[u8]| ber(tag, &ber(inner, value));
        let fields = [
            field(0xa0, 2, &[5]),
            field(0xa1, 2, &[30]),
            field(0xa6, 2, &[6]),
            field(0xa9, 0x1b, b"HARBOUR.EXAMPLE"),
            field(0xab, 0x1b, text),
        ];
        ber(0x7e, &ber(0x30, &fields.concat()))
    };
    let mit = error(b"CLIENT_NOT_FOUND\0");
    assert_eq!(line(&mit), "kerberos | MIT Kerberos | - | realm HARBOUR.EXAMPLE");
    let len = u32::try_from(mit.len()).unwrap().to_be_bytes();
    assert_eq!(line(&[len.as_slice(), &mit].concat()), line(&mit));
    assert_eq!(service(&error(b"Client (x@Y) unknown")).product.unwrap(), "Heimdal Kerberos");
    assert_eq!(service(&error(b"no")).product, None);
    // As MIT's 1.20.1 of Debian 12 answers a realm that it does not serve.
    let mut foreign = mit;
    let at = foreign.windows(7).position(|window| window == b"HARBOUR").unwrap();
    foreign[at..at + 15].copy_from_slice(b"PORTOLAN.INVALI");
    assert!(line(&foreign).ends_with("realm PORTOLAN.INVALI"));
    foreign[at..at + 15].copy_from_slice(b"ORTOLAN.INVALID");
    assert_eq!(line(&foreign), "kerberos | MIT Kerberos | - | -");
}

#[test]
fn devices_tell_what_they_are() {
    let string = |text: &[u8]| {
        [&[0x4e, 0x75, u8::try_from(text.len() + 1).unwrap(), 0], text, &[0x4f]].concat()
    };
    let bacnet = [
        b"\x81\x0a\0\0\x01\0\x30\x07\x0e\x0c\x02\0\0\x01\x1e\x29\x79".as_slice(),
        &string(b"Acme"),
        b"\x29\x46",
        &string(b"AHU-9"),
        b"\x29\x2c",
        &string(b"2.1"),
        b"\x29\x0c\x5e\x91\x02\x91\x20\x5f\x29\x4d",
        &string(b"Roof"),
        b"\x1f",
    ]
    .concat();
    assert_eq!(line(&bacnet), "bacnet | AHU-9 | 2.1 | Roof");
    assert_eq!(service(&bacnet).vendor.as_deref(), Some("Acme"));
    let identity = [
        b"\x63\0\x3b\0".as_slice(),
        &[0; 20],
        b"\x01\0\x0c\0\x35\0\x01\0",
        &[0; 16],
        b"\x01\0\x0e\0\x36\0\x14\x0b\x60\x31\x1a\x06\x6c\0\x0b1756-L61/B \x03",
    ]
    .concat();
    assert_eq!(line(&identity), "ethernet-ip | 1756-L61/B | 20.011 | -");
    let pong = b"\x06\0\xff\x06\0\0\x11\xbe\x40\x01\0\x10\0\0\x11\xbe\0\0\0\0\x81\0\0\0\0\0\0\0";
    assert_eq!(line(pong), "asf-rmcp | - | - | IPMI");
    let ipmi =
        b"\x06\0\xff\x07\0\0\0\0\0\0\0\0\0\x10\x81\x1c\x63\x20\0\x38\0\x01\x97\x04\x03\0\0\0\0\0";
    assert_eq!(line(ipmi), "asf-rmcp | - | 2.0 | IPMI");
    let ubiquiti = b"\x01\0\0\x18\x0b\0\x04pier\x03\0\x06v6.3.6\x14\0\x05NBM5X";
    assert_eq!(line(ubiquiti), "ubiquiti-discovery | NBM5X | v6.3.6 | host pier");
    let willing = b"\0\x01\0\x05\0\x11\0\0\0\x05atlas\0\x06Linux ";
    assert_eq!(line(willing), "xdmcp | - | - | atlas, Linux");
    assert_eq!(service(b"\0\x80\0\0\0\0\0\x07\xc0\0\x02\x01").name, "nat-pmp");
    let dht = b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t8:abcdefgh1:v4:LT\x01\x2f1:y1:re";
    assert_eq!(line(dht), "bittorrent | libtorrent | - | DHT");
}

/// As dnsmasq 2.90 and atftpd 0.8 say it.
#[test]
fn an_error_has_its_servers_words() {
    let dnsmasq = b"\0\x05\0\x01file /srv/tftp/portolan-1 not found for 127.0.0.1\0";
    assert_eq!(line(dnsmasq), "tftp | dnsmasq | - | -");
    assert_eq!(line(b"\0\x05\0\x01File not found\0"), "tftp | - | - | -");
    assert_eq!(parts(b"\0\x05\0\x01File not found"), []);
}

#[test]
fn time_servers_tell_their_system() {
    // As NTPsec 1.2.2 of Debian 12 answers.
    let ntpsec = b"\xd6\x82\x12\x34\xc0\x16\0\0\0\0\0\x52processor=\"x86_64\", \
        system=\"Linux/6.1.0\",\r\nversion=\"ntpd ntpsec-1.2.2\"\r\n\0\0";
    assert_eq!(line(ntpsec), "ntp | NTPsec | 1.2.2 | x86_64");
    assert_eq!(service(ntpsec).os.as_deref(), Some("Linux 6.1.0"));
    let ntpd = b"\x16\x82\0\x01\x06\x15\0\0\0\0\0\x30version=\"ntpd 4.2.8p15@1.3728-o\"\r\n";
    assert_eq!(line(ntpd), "ntp | ntpd | 4.2.8p15 | -");
}

/// As xl2tpd 1.3.18 and coturn 4.6.1 of Debian 12 answer.
#[test]
fn real_servers_are_read() {
    let xl2tpd = b"\xc8\x02\0\x63\0\x07\0\0\0\0\0\x01\x80\x08\0\0\0\0\0\x02\x80\x08\0\0\0\x02\
        \x01\0\x80\x0a\0\0\0\x03\0\0\0\x03\x80\x0a\0\0\0\x04\0\0\0\0\0\x08\0\0\0\x06\x06\x90\
        \x80\x08\0\0\0\x07vm\0\x13\0\0\0\x08xelerance.com\x80\x08\0\0\0\x09G\xa3\
        \x80\x08\0\0\0\x0a\0\x04";
    assert_eq!(line(xl2tpd), "l2tp | xl2tpd | - | firmware 0690, host vm");
    let coturn = b"\x01\x01\0\x3c\x21\x12\xa4\x42ABCDEFGHIJKL\0\x20\0\x08\0\x01\xf5\xd8\x5e\x12\
        \xa4\x43\0\x01\0\x08\0\x01\xd4\xca\x7f\0\0\x01\x80\x2b\0\x08\0\x01\x0d\x96\x7f\0\0\x01\
        \x80\x22\0\x14Coturn-4.6.1 'Gorst'";
    assert_eq!(line(coturn), "stun | Coturn | 4.6.1 | Coturn-4.6.1 'Gorst'");
}

#[test]
fn texts_are_read_by_their_headers() {
    let sip = b"SIP/2.0 200 OK\r\nVia: x\r\nServer: kamailio (5.6.3 (x86_64/linux))\r\n\r\n";
    assert_eq!(text_of(Kind::SipServer, sip), b"kamailio (5.6.3 (x86_64/linux))");
    let ssdp = b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1\r\n\
        SERVER: Debian DLNADOC/1.50 UPnP/1.0 MiniDLNA/1.3.0\r\n\r\n";
    let said = "Debian DLNADOC/1.50 UPnP/1.0 MiniDLNA/1.3.0";
    assert_eq!(line(ssdp), format!("ssdp | MiniDLNA | 1.3.0 | {said}"));
    assert_eq!(service(ssdp).os.as_deref(), Some("Debian"));
    assert_eq!(parts(b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\r\n"), []);
}

#[test]
fn names_and_versions_come_apart() {
    for (said, name, version) in [
        ("Coturn-4.6.1 'Gorst'", "Coturn", Some("4.6.1")),
        ("OpenAFS 1.8.9-1-debian 2023-01-21", "OpenAFS", Some("1.8.9-1-debian")),
        ("Portable SDK for UPnP devices/1.14.12", "Portable SDK for UPnP devices", Some("1.14.12")),
        ("ioq3+oa 1.36 linux", "ioq3+oa", Some("1.36")),
        ("server v2.0.", "server", Some("2.0")),
        ("pion turn", "pion turn", None),
    ] {
        let wanted = Some((name.to_owned(), version.map(ToOwned::to_owned)));
        assert_eq!(named_version(said), wanted, "{said}");
    }
    assert_eq!(named_version("1.2.3"), None);
    assert_eq!(named_version(""), None);
}

/// What other protocols say first is taken for none of these.
#[test]
fn what_is_something_else_has_no_parts() {
    let others: [&[u8]; 12] = [
        b"",
        b"\0",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        b"220 atlas ESMTP Postfix\r\n",
        b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03",
        b"J\0\0\0\x0a8.0.36\0\x08\0\0\0",
        b"\xff\xfd\x18\xff\xfd\x20",
        b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\x02\0\0\0",
        b"-ERR unknown command\r\n",
        b"{\"version\":{\"name\":\"1.20\"}}",
        b"RFB 003.008\n",
        &[0; 64],
    ];
    for other in others {
        assert_eq!(parts(other), [], "{other:x?}");
    }
}

fn samples() -> Vec<Vec<u8>> {
    let mut samples = vec![
        snmp_response(b"x"),
        REPORT.to_vec(),
        node_status([0; 6]),
        dns(
            [0x85, 0],
            [1, 1, 0, 0],
            &[VERSION_BIND, b"\xc0\x0c\0\x10\0\x03\0\0\0\0\0\x02\x01x"].concat(),
        ),
    ];
    let heads: [&[u8]; 14] = [
        &[0x30, 0x82],
        &[0x81, 0x0a, 0, 0, 1, 0, 0x30, 0, 0x0e, 0x0c, 0, 0, 0, 0, 0x1e, 0x29],
        &[0xc8, 2],
        &[0xff; 10],
        &[0x63, 0],
        &[0xc0, 0, 0, 0, 0],
        &[6, 0, 0xff, 7],
        &[0x7e, 0x30],
        &[0, 1, 0, 5],
        &[1, 0],
        &[0x1c],
        b"d1:",
        b"HTTP/1.1 200",
        b"SIP/2.0 200",
    ];
    samples.extend(heads.iter().map(|head| head.to_vec()));
    samples
}

proptest! {
    #[test]
    fn nothing_panics_on_any_octets(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        for decode in DECODERS {
            let _ = decode(&octets);
        }
        let _ = parts(&octets);
    }

    /// Beginnings of real replies with noise behind, in and instead of their rest.
    #[test]
    fn nothing_panics_on_damaged_replies(
        which: proptest::sample::Index,
        cut: proptest::sample::Index,
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        at: proptest::sample::Index,
        octet: u8,
    ) {
        let samples = samples();
        let mut reply = which.get(&samples).clone();
        reply.truncate(cut.index(reply.len() + 1));
        reply.extend(tail);
        if !reply.is_empty() {
            let at = at.index(reply.len());
            reply[at] = octet;
        }
        for decode in DECODERS {
            let _ = decode(&reply);
        }
        let _ = parts(&reply);
    }
}
