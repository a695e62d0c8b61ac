//! The web and what stands behind its servers: HTTP/1 and 2, AJP, `FastCGI`, uwsgi.

use super::TcpProbe;
use crate::udp::field::concat;

/// The root page, as version 1.0 asks for it: no host is named.
pub(super) static HTTP: TcpProbe = TcpProbe {
    name: "http",
    source: "RFC 1945 §5",
    ports: &[
        80, 81, 82, 591, 631, 2375, 2379, 2380, 3000, 3128, 3689, 4040, 4567, 4848, 5000, 5001,
        5357, 5601, 5800, 5984, 5985, 6800, 7001, 7474, 7547, 8000, 8001, 8008, 8010, 8060, 8069,
        8080, 8081, 8082, 8083, 8086, 8088, 8090, 8091, 8096, 8098, 8100, 8118, 8123, 8161, 8180,
        8200, 8222, 8300, 8332, 8384, 8388, 8428, 8500, 8530, 8545, 8600, 8686, 8834, 8880, 8888,
        8983, 9000, 9001, 9080, 9090, 9091, 9093, 9094, 9115, 9117, 9121, 9187, 9200, 9292, 9300,
        9411, 9999, 10_000, 11_434, 15_672, 16_010, 19_999, 50_000, 50_070,
    ],
    says: b"GET / HTTP/1.0\r\nAccept: */*\r\n\r\n",
    anywhere: false,
};

/// Version 2 with prior knowledge, and in it a call of gRPC that no server knows: an HTTP server
/// answers 404 or 405, a gRPC server "unimplemented" under its own content type.
pub(super) static HTTP2: TcpProbe = TcpProbe {
    name: "grpc",
    source: "RFC 9113 §3.4, §6.2, §6.5; RFC 7541 §6; gRPC over HTTP/2, Requests",
    ports: &[4317, 5051, 7233, 9095, 10_009, 50_051, 50_052],
    says: &HTTP2_SAYS,
    anywhere: true,
};

/// The preface, empty settings, and the frame of stream 1 that begins and ends the request.
const HTTP2_SAYS: [u8; 24 + 9 + 9 + HTTP2_HEADERS.len()] = concat(&[
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\0\0\0\x04\0\0\0\0\0",
    b"\0\0\x34\x01\x05\0\0\0\x01",
    HTTP2_HEADERS,
]);

/// `POST`, `http`, `/`, then the authority, the content type and `te`, all without Huffman's code.
const HTTP2_HEADERS: &[u8] = b"\x83\x86\x84\x01\x09localhost\
    \x0f\x10\x10application/grpc\
    \0\x02te\x08trailers\x0f\x04\x03*/*";

/// Whether the connection stands.
pub(super) static AJP13: TcpProbe = TcpProbe {
    name: "ajp13",
    source: "Apache Tomcat Connectors, AJP protocol reference v1.3, CPing",
    ports: &[8009, 8019, 8209],
    says: b"\x12\x34\0\x01\x0a",
    anywhere: true,
};

/// A page that does not exist: the error page names the server.
pub(super) const AJP13_FORWARD: &[u8] = b"\x12\x34\0\x41\x02\x02\
    \0\x08HTTP/1.1\0\
    \0\x11/portolan-unknown\0\
    \0\x09127.0.0.1\0\
    \xff\xff\
    \0\x09localhost\0\
    \0\x50\0\0\0\xff";

/// How many connections and requests the process manager takes at once.
pub(super) static FASTCGI: TcpProbe = TcpProbe {
    name: "fastcgi",
    source: "FastCGI Specification 1.0, §3.3, §4.1",
    ports: &[9000, 9001, 9002],
    says: b"\x01\x09\0\0\0\x30\0\0\
        \x0e\0FCGI_MAX_CONNS\x0d\0FCGI_MAX_REQS\x0f\0FCGI_MPXS_CONNS",
    anywhere: true,
};

/// "Are you there?"
pub(super) static UWSGI: TcpProbe = TcpProbe {
    name: "uwsgi",
    source: "uWSGI documentation, The uwsgi Protocol, packet 100",
    ports: &[3031, 3032],
    says: b"\x64\0\0\0",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::{be16, be24};

    #[test]
    fn frames_are_as_long_as_they_say() {
        let frames = &HTTP2_SAYS[24..];
        assert_eq!(be24(frames, 0), 0);
        assert_eq!(be24(frames, 9) + 18, frames.len());
    }

    #[test]
    fn packets_are_as_long_as_they_say() {
        assert_eq!(be16(AJP13.says, 2) + 4, AJP13.says.len());
        assert_eq!(be16(AJP13_FORWARD, 2) + 4, AJP13_FORWARD.len());
        let padding = usize::from(FASTCGI.says[6]);
        assert_eq!(8 + be16(FASTCGI.says, 4) + padding, FASTCGI.says.len());
        assert_eq!(FASTCGI.says.len() % 8, 0);
    }
}
