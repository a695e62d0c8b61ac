//! Servers as they are met: what each says, and what whoever asks it should find.

use std::net::Ipv4Addr;

/// What is at an endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Persona {
    /// The service's name.
    pub(crate) service: &'static str,
    /// A part of the product's name, in small letters.
    pub(crate) product: &'static str,
    /// Its version, as far as the server tells it; empty where it does not.
    pub(crate) version: &'static str,
    /// What it says of itself: greeting, value of Server, version.
    pub(crate) words: &'static str,
    /// A page's title.
    pub(crate) title: &'static str,
}

const fn persona(
    service: &'static str,
    product: &'static str,
    version: &'static str,
    words: &'static str,
) -> Persona {
    Persona { service, product, version, words, title: "" }
}

const fn web(
    product: &'static str,
    version: &'static str,
    words: &'static str,
    title: &'static str,
) -> Persona {
    Persona { service: "http", product, version, words, title }
}

const HTTP: [Persona; 14] = [
    web("nginx", "1.24.0", "nginx/1.24.0", "Welcome to nginx!"),
    web("nginx", "", "nginx", "403 Forbidden"),
    web("apache", "2.4.57", "Apache/2.4.57 (Debian)", "Apache2 Debian Default Page: It works"),
    web("apache", "2.4.6", "Apache/2.4.6 (CentOS) OpenSSL/1.0.2k-fips PHP/5.4.16", "Index of /"),
    web("iis", "10.0", "Microsoft-IIS/10.0", "IIS Windows Server"),
    web("lighttpd", "1.4.69", "lighttpd/1.4.69", "Index of /"),
    web("openresty", "1.21.4.1", "openresty/1.21.4.1", "Welcome to OpenResty!"),
    web("caddy", "", "Caddy", "Caddy works!"),
    web("werkzeug", "2.3.6", "Werkzeug/2.3.6 Python/3.11.2", "Home"),
    web("jetty", "9.4.51.v20230217", "Jetty(9.4.51.v20230217)", "Error 404 Not Found"),
    web("gunicorn", "20.1.0", "gunicorn/20.1.0", "API"),
    web("kestrel", "", "Kestrel", "Home page - Intranet"),
    web("grafana", "", "", "Grafana"),
    web("phpmyadmin", "", "", "phpMyAdmin"),
];
const SSH: [Persona; 4] = [
    persona("ssh", "openssh", "9.2p1", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
    persona("ssh", "openssh", "8.9p1", "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.6\r\n"),
    persona("ssh", "openssh", "7.4", "SSH-2.0-OpenSSH_7.4\r\n"),
    persona("ssh", "dropbear", "2022.83", "SSH-2.0-dropbear_2022.83\r\n"),
];
const FTP: [Persona; 2] = [
    persona("ftp", "vsftpd", "3.0.5", "220 (vsFTPd 3.0.5)\r\n"),
    persona("ftp", "proftpd", "1.3.5e", "220 ProFTPD 1.3.5e Server (Debian) [192.0.2.7]\r\n"),
];
const SMTP: [Persona; 2] = [
    persona("smtp", "postfix", "", "220 mx.example.net ESMTP Postfix (Debian/GNU)\r\n"),
    persona(
        "smtp",
        "exim",
        "4.96",
        "220 mail.example.org ESMTP Exim 4.96 Tue, 02 Jan 2024 10:00:00 +0000\r\n",
    ),
];
const MYSQL: [Persona; 2] = [
    persona("mysql", "mysql", "8.0.35", "8.0.35"),
    persona("mysql", "mariadb", "10.11.6", "5.5.5-10.11.6-MariaDB-0+deb12u1"),
];
const REDIS: [Persona; 2] =
    [persona("redis", "redis", "7.2.4", "7.2.4"), persona("redis", "redis", "6.0.16", "6.0.16")];
const POSTGRESQL: [Persona; 1] = [persona("postgresql", "postgresql", "", "")];
const MONGODB: [Persona; 1] = [persona("mongodb", "mongodb", "6.0.13", "6.0.13")];
const MEMCACHED: [Persona; 1] = [persona("memcached", "memcached", "1.6.18", "1.6.18")];

/// What listens at which port of every host: half of it speaks HTTP, a fifth is at a port that is
/// not usual for it.
const PORTS: [(u16, &[Persona]); 20] = [
    (80, &HTTP),
    (8_080, &HTTP),
    (8_000, &HTTP),
    (8_888, &HTTP),
    (3_000, &HTTP),
    (5_000, &HTTP),
    (9_090, &HTTP),
    (8_081, &HTTP),
    (4_321, &HTTP),
    (12_345, &HTTP),
    (22, &SSH),
    (40_022, &SSH),
    (21, &FTP),
    (25, &SMTP),
    (587, &SMTP),
    (3_306, &MYSQL),
    (6_379, &REDIS),
    (5_432, &POSTGRESQL),
    (27_017, &MONGODB),
    (11_211, &MEMCACHED),
];

/// The ports.
pub(crate) fn ports() -> impl Iterator<Item = u16> {
    PORTS.iter().map(|(port, _)| *port)
}

/// Who listens at `port` of `addr`.
pub(crate) fn at(addr: Ipv4Addr, port: u16) -> Option<&'static Persona> {
    let (_, personas) = PORTS.iter().find(|(listened, _)| *listened == port)?;
    // Neighbours differ, and so do the ports of one host.
    let mixed = (u32::from(addr) ^ u32::from(port)).wrapping_mul(0x9e37_79b1) >> 16;
    personas.get(usize::try_from(mixed).ok()? % personas.len())
}

/// Every persona with the octets that tell most of it.
pub(crate) fn all() -> impl Iterator<Item = &'static Persona> {
    PORTS.iter().skip(9).flat_map(|(_, personas)| personas.iter())
}
