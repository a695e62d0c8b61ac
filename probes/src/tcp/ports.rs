//! What is customary at which port.

/// Ports where the server speaks first, so that a client listens before it says anything. Rising.
///
/// Assignments are IANA's, or the software's own default.
static SPEAKS_FIRST: &[u16] = &[
    11, 13, 15, 17, 19, 21, 22, 23, 24, 25, 26, 37, 106, 110, 119, 143, 220, 433, 475, 587, 674,
    740, 873, 902, 1025, 1110, 1119, 1143, 1494, 2000, 2001, 2005, 2022, 2023, 2110, 2121, 2143,
    2200, 2222, 2223, 2323, 2424, 2501, 2525, 2598, 2601, 2602, 2603, 2604, 2605, 2606, 2608, 2628,
    2827, 2947, 3300, 3301, 3306, 3307, 3308, 3690, 3905, 4001, 4190, 4222, 4557, 4559, 4949, 5038,
    5631, 5667, 5900, 5901, 5902, 5903, 5904, 5905, 5906, 5907, 5908, 5909, 5910, 6082, 6129, 6419,
    6502, 6556, 6600, 6660, 6661, 6665, 6666, 6667, 6668, 6669, 6789, 7419, 7505, 7634, 8021, 8025,
    8649, 8651, 8652, 10_011, 10_022, 10_024, 10_025, 10_110, 10_143, 10_809, 11_110, 13_327,
    14_580, 22_222, 24_245, 61_616,
];

/// Ports where TLS is usual from the first octet, each with the port whose protocol is inside:
/// its own, where there is no plain twin. Rising.
static TLS_FIRST: &[(u16, u16)] = &[
    (261, 261),
    (322, 554),
    (443, 80),
    (465, 25),
    (563, 119),
    (614, 514),
    (636, 389),
    (695, 695),
    (832, 832),
    (853, 53),
    (981, 80),
    (989, 20),
    (990, 21),
    (992, 23),
    (993, 143),
    (994, 194),
    (995, 110),
    (1311, 80),
    (1443, 80),
    (1965, 1965),
    (2053, 80),
    (2078, 80),
    (2083, 80),
    (2087, 80),
    (2096, 80),
    (2376, 2375),
    (2443, 80),
    (2484, 1521),
    (3269, 3268),
    (3443, 80),
    (4343, 80),
    (4433, 80),
    (4443, 80),
    (4843, 4840),
    (4911, 1911),
    (5061, 5060),
    (5223, 5222),
    (5270, 5269),
    (5349, 3478),
    (5443, 80),
    (5665, 5665),
    (5671, 5672),
    (5986, 5985),
    (6443, 80),
    (6514, 514),
    (6619, 21),
    (6679, 6667),
    (6697, 6667),
    (7002, 7001),
    (7443, 80),
    (7473, 7474),
    (8140, 80),
    (8243, 80),
    (8322, 8554),
    (8443, 80),
    (8444, 80),
    (8447, 80),
    (8501, 8500),
    (8531, 8530),
    (8834, 80),
    (8883, 1883),
    (8943, 80),
    (9440, 9000),
    (9443, 80),
    (10_250, 80),
    (10_257, 80),
    (10_259, 80),
    (10_443, 80),
    (10_636, 389),
    (11_207, 11_210),
    (12_443, 80),
    (15_671, 15_672),
    (16_993, 16_992),
    (18_091, 8091),
    (18_092, 8092),
    (18_443, 80),
    (22_000, 22_000),
    (61_617, 61_616),
    (64_738, 64_738),
];

/// Ports where TLS is usual after something else was tried, or as often as not. Rising.
static TLS_SOMETIMES: &[(u16, u16)] = &[
    (2380, 2379),
    (5551, 5552),
    (6380, 6379),
    (6651, 6650),
    (7687, 7687),
    (9093, 9092),
    (9142, 9042),
    (10_051, 10_051),
    (61_614, 61_613),
];

/// Whether the server usually speaks first at `port`: listen before saying anything.
pub fn speaks_first(port: u16) -> bool {
    SPEAKS_FIRST.binary_search(&port).is_ok()
}

/// Whether TLS is usual at `port` from the first octet.
pub fn tls_first(port: u16) -> bool {
    twin(TLS_FIRST, port).is_some()
}

/// The port at which what is inside TLS at `port` is usually spoken without it: 143 for 993;
/// `port` itself, where there is no such port.
pub fn inside_tls(port: u16) -> Option<u16> {
    twin(TLS_FIRST, port).or_else(|| twin(TLS_SOMETIMES, port))
}

/// Whether only the port's own probes may be said at `port`, because what stands there prints
/// what it does not understand.
///
/// The first of [`at_port`](super::at_port) is what it does understand; others may follow only if
/// the reply shows that it is no printer.
/// Source: HP, `JetDirect`'s raw ports 9100 to 9102; print servers of several ports go on to 9107.
pub const fn only(port: u16) -> bool {
    matches!(port, 9100..=9107)
}

fn twin(rows: &[(u16, u16)], port: u16) -> Option<u16> {
    let at = rows.binary_search_by_key(&port, |row| row.0).ok()?;
    rows.get(at).map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_rise() {
        assert!(SPEAKS_FIRST.is_sorted_by(|a, b| a < b));
        assert!(TLS_FIRST.is_sorted_by(|a, b| a.0 < b.0));
        assert!(TLS_SOMETIMES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_port_is_of_one_kind() {
        for (port, inside) in TLS_FIRST.iter().chain(TLS_SOMETIMES) {
            assert!(!speaks_first(*port), "{port}");
            assert!(*inside == *port || !tls_first(*inside), "{port} holds {inside}");
        }
        for (port, _) in TLS_SOMETIMES {
            assert!(!tls_first(*port), "{port}");
        }
        assert!((9100..=9107).all(|port| !speaks_first(port) && !tls_first(port)));
    }

    #[test]
    fn well_known_ports_are_there() {
        for port in [21, 22, 23, 25, 110, 119, 143, 587, 873, 3306, 5900] {
            assert!(speaks_first(port), "{port}");
        }
        for (port, plain) in [(443, 80), (465, 25), (636, 389), (853, 53), (993, 143), (995, 110)] {
            assert!(tls_first(port), "{port}");
            assert_eq!(inside_tls(port), Some(plain));
        }
        assert_eq!((inside_tls(80), tls_first(80), speaks_first(80)), (None, false, false));
        assert!(only(9100) && only(9107) && !only(9099) && !only(9108));
    }
}
