//! Whether what a probe asks for is known when it comes.

use portolan_fingerprints::{Database, Kind};
use portolan_probes::udp::udp_probe_ports;
use portolan_probes::{UdpProbe, udp_anywhere, udp_further, udp_probes};

/// Of what nobody answers.
const MUTE: [&str; 1] = ["syslog"];
/// Of what has no shape to be known by: the cookie alone shows that it is an answer.
const BY_COOKIE: [&str; 6] = ["echo", "coap", "iax2", "rip", "cldap", "memberlist"];

fn all() -> Vec<&'static UdpProbe> {
    let mut all: Vec<_> =
        udp_probe_ports().flat_map(udp_probes).chain(udp_anywhere()).copied().collect();
    let further: Vec<_> = all.iter().flat_map(|probe| udp_further(probe.service())).collect();
    all.extend(further.into_iter().copied());
    all.sort_by_key(|probe| probe.name);
    all.dedup_by_key(|probe| std::ptr::from_ref(*probe));
    all
}

/// What a server answers to the probe of that name.
#[expect(clippy::too_many_lines, reason = "a table")]
fn answer(name: &str) -> Option<Vec<u8>> {
    let dns = |flags: &[u8], rest: &[u8]| [b"\x12\x34", flags, rest].concat();
    let magic = b"\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78";
    let ike =
        b"\x0123456\xf78\0\0\0\0\0\0\0\0\x29\x20\x22\x20\0\0\0\0\0\0\0\x24\0\0\0\x08\0\0\0\x0e";
    Some(match name {
        "afs3-rx" => [&[0; 20], b"\x0d\x04\0\0\0\0\0\0 OpenAFS 1.8.9\0".as_slice()].concat(),
        "any-datagram" => b"Thursday, November 19, 2026 12:00:00-UTC\r\n".to_vec(),
        "bacnet" => b"\x81\x0a\0\x14\x01\0\x30\x07\x0c\x0c\x02\0\0\x01\x19\x4b\x3e\xc4\x02\0\0\x01\x3f"
            .to_vec(),
        "bittorrent-dht" => b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t8:abcdefgh1:y1:re".to_vec(),
        "dns" => dns(b"\x81\x05\0\x01\0\0\0\0\0\0", b"\x07version\x04bind\0\0\x10\0\x03"),
        "dtls" => b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x23\x03\0\0\x17".to_vec(),
        "enip" => [
            b"\x63\0\x3b\0".as_slice(),
            &[0; 20],
            b"\x01\0\x0c\0\x35\0\x01\0",
            &[0; 16],
            b"\x01\0\x0e\0\x36\0\x14\x0b\x60\x31\x1a\x06\x6c\0\x0b1756-L61/B \x03",
        ]
        .concat(),
        "gtp" => b"\x32\x02\0\x06\0\0\0\0\x12\x34\0\0\x0e\x01".to_vec(),
        "ike" => ike.to_vec(),
        "ike-nat-t" => [&[0; 4], ike.as_slice()].concat(),
        "ipmi" => b"\x06\0\xff\x07\0\0\0\0\0\0\0\0\0\x10\x81\x1c\x63\x20\0\x38\0\x01\x97\x04\x03\0\0\0\0\0"
            .to_vec(),
        "kerberos" => b"\x7e\x19\x30\x17\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x1e\xa9\x0b\x1b\x09H.EXAMPLE"
            .to_vec(),
        "knxnet-ip" => [b"\x06\x10\x02\x04\0\x3c\x36\x01".as_slice(), &[0; 22], b"IP interface\0", &[0; 17]]
            .concat(),
        "l2tp" => b"\xc8\x02\0\x1c\0\x01\0\0\0\0\0\x01\x80\x08\0\0\0\0\0\x02\x80\x08\0\0\0\x02\x01\0".to_vec(),
        "mdns" => dns(
            b"\x84\0\0\x01\0\0\0\0\0\0",
            b"\x09_services\x07_dns-sd\x04_udp\x05local\0\0\x0c\0\x01",
        ),
        "memcached" => b"\x12\x34\0\0\0\x01\0\0VERSION 1.6.18\r\n".to_vec(),
        "minetest" => b"\x4f\x45\x74\x03\0\x01\0\x03\xff\xdc\0\x01\0\x02".to_vec(),
        "mssql-browser" => b"\x05\x48\0ServerName;A;InstanceName;B;IsClustered;No;Version;15.0.2000.5;tcp;1433;;"
            .to_vec(),
        "mumble" => b"\0\x01\x04\x0312345678\0\0\0\x02\0\0\0\x64\0\x02\x22\xe0".to_vec(),
        "nat-pmp" => b"\0\x80\0\0\0\0\0\x07\xc0\0\x02\x01".to_vec(),
        "netbios-ns" => [
            b"\x12\x34\x84\0\0\0\0\x01\0\0\0\0\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01".as_slice(),
            b"\0\0\0\0\0\x41\x01ATLAS          \0\x04\0",
            &[0; 46],
        ]
        .concat(),
        // Procedure 0 has no result, and no program: what was asked for says which.
        "rpcbind" | "nfs" => b"\x12\x34\x56\x78\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        "ntp" => [&[0x24, 2, 6, 0xe9], [1; 44].as_slice()].concat(),
        "openvpn" => b"\x40abcdefgh\x01\0\0\0\0ABCDEFGH\0\0\0\0".to_vec(),
        "quake3" => b"\xff\xff\xff\xffinfoResponse\n\\challenge\\x\\gamename\\baseq3".to_vec(),
        "quic" => b"\xc0\0\0\0\0\x08abcdefgh\x08ABCDEFGH\0\0\0\x01".to_vec(),
        "radius" => [&[3, 7, 0, 20], [9; 16].as_slice()].concat(),
        "raknet" => [b"\x1c1234567812345678".as_slice(), magic, b"\0\x18MCPE;Pier;594;1.20.12;3;"].concat(),
        "rmcp" => b"\x06\0\xff\x06\0\0\x11\xbe\x40\x01\0\x10\0\0\x11\xbe\0\0\0\0\x81\0\0\0\0\0\0\0".to_vec(),
        "sip" => b"SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP x\r\nContent-Length: 0\r\n\r\n".to_vec(),
        "slp" => b"\x02\x0a\0\0\x1e\0\0\0\0\0\x12\x34\0\x02en\0\0\0\x0aservice:x,".to_vec(),
        "snmp" => b"\x30\x2b\x02\x01\0\x04\x06public\xa2\x1e\x02\x01\x07\x02\x01\0\x02\x01\0\x30\x13\x30\x11\
            \x06\x08\x2b\x06\x01\x02\x01\x01\x01\0\x04\x05Thing"
            .to_vec(),
        "source" => b"\xff\xff\xff\xffA\x01\x02\x03\x04".to_vec(),
        "ssdp" => b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1\r\n\r\n".to_vec(),
        "stun" => b"\x01\x01\0\0\x21\x12\xa4\x42123456789012".to_vec(),
        "teeworlds" => [&[0xff; 10], b"inf377\x000.6.4\0Pier\0dm1\0".as_slice()].concat(),
        "tftp" => b"\0\x05\0\x01File not found\0".to_vec(),
        "ubiquiti-discovery" => b"\x01\0\0\x07\x0b\0\x04pier".to_vec(),
        "ws-discovery" => b"<?xml version=\"1.0\"?><s:Envelope xmlns:d=\
            \"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><d:ProbeMatches/>"
            .to_vec(),
        "xdmcp" => b"\0\x01\0\x05\0\x11\0\0\0\x05atlas\0\x06Linux ".to_vec(),
        _ => return None,
    })
}

#[test]
fn every_probes_answer_is_known_for_what_it_is() {
    let database = Database::embedded();
    let mut problems = Vec::new();
    for probe in all() {
        let unshaped = MUTE.contains(&probe.name) || BY_COOKIE.contains(&probe.name);
        let Some(reply) = answer(probe.name) else {
            if !unshaped {
                problems.push(format!("{}: no answer to try", probe.name));
            }
            continue;
        };
        let found = database.identify(Some(probe.service()), Kind::Banner, &reply);
        let wanted = match probe.name {
            "any-datagram" => "daytime",
            "nfs" => "rpcbind",
            _ => probe.service(),
        };
        match found {
            Some(found) if found.name == wanted => {}
            found => {
                let found = found.map(|found| found.name);
                problems.push(format!("{}: taken for {found:?}", probe.name));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
