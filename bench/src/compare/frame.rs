//! A probe as it arrives and the answer to it, octet by octet.

use std::net::Ipv4Addr;

/// Octets of a frame that carries a bare TCP header over IPv4.
pub(crate) const FRAME_LEN: usize = 54;

/// An answer, ready to leave.
pub(crate) type Frame = [u8; FRAME_LEN];

/// A TCP SYN over IPv4 over Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syn {
    from_mac: [u8; 6],
    to_mac: [u8; 6],
    pub(crate) from: Ipv4Addr,
    pub(crate) to: Ipv4Addr,
    pub(crate) source_port: u16,
    pub(crate) target_port: u16,
    sequence: u32,
}

const FLAGS: u8 = 0x17;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const RST_ACK: u8 = 0x14;

impl Syn {
    /// Reads `frame`; `None` where it is anything else. Only headers without IP options are read:
    /// scanners send no others.
    pub(crate) fn read(frame: &[u8]) -> Option<Self> {
        let octets = |at: usize| frame.get(at..);
        let [0x08, 0, 0x45] = *octets(12)?.first_chunk()? else { return None };
        let ([6], [flags]) = (*octets(23)?.first_chunk()?, *octets(47)?.first_chunk()?) else {
            return None;
        };
        if flags & FLAGS != SYN {
            return None;
        }
        Some(Self {
            to_mac: *octets(0)?.first_chunk()?,
            from_mac: *octets(6)?.first_chunk()?,
            from: Ipv4Addr::from(*octets(26)?.first_chunk::<4>()?),
            to: Ipv4Addr::from(*octets(30)?.first_chunk::<4>()?),
            source_port: u16::from_be_bytes(*octets(34)?.first_chunk()?),
            target_port: u16::from_be_bytes(*octets(36)?.first_chunk()?),
            sequence: u32::from_be_bytes(*octets(38)?.first_chunk()?),
        })
    }

    /// The answer: a SYN-ACK, or else an RST.
    pub(crate) fn answer(&self, open: bool) -> Frame {
        let mut ip = [0_u8; 20];
        put(&mut ip, 0, &[0x45, 0, 0, 40]);
        put(&mut ip, 6, &[0x40, 0, 64, 6]);
        put(&mut ip, 12, &self.to.octets());
        put(&mut ip, 16, &self.from.octets());
        let ip_checksum = checksum(&[&ip]);
        put(&mut ip, 10, &ip_checksum);

        let mut tcp = [0_u8; 20];
        put(&mut tcp, 0, &self.target_port.to_be_bytes());
        put(&mut tcp, 2, &self.source_port.to_be_bytes());
        put(&mut tcp, 8, &self.sequence.wrapping_add(1).to_be_bytes());
        let (flags, window) = if open { (SYN_ACK, 0xffff_u16) } else { (RST_ACK, 0) };
        put(&mut tcp, 12, &[0x50, flags]);
        put(&mut tcp, 14, &window.to_be_bytes());
        let pseudo = [0, 6, 0, 20];
        let sum = checksum(&[&self.to.octets(), &self.from.octets(), &pseudo, &tcp]);
        put(&mut tcp, 16, &sum);

        let mut frame = [0; FRAME_LEN];
        put(&mut frame, 0, &self.from_mac);
        put(&mut frame, 6, &self.to_mac);
        put(&mut frame, 12, &[0x08, 0]);
        put(&mut frame, 14, &ip);
        put(&mut frame, 34, &tcp);
        frame
    }
}

fn put(target: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = target.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}

/// The Internet checksum, RFC 1071, of parts of even length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks_exact(2));
    let mut sum: u32 =
        words.map(|word| word.iter().fold(0, |value, octet| value << 8 | u32::from(*octet))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketBuilder, PacketHeaders, TransportHeader};

    use super::*;

    fn probe() -> Vec<u8> {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 9], 64)
            .tcp(40_000, 80, u32::MAX, 1_024)
            .syn()
            .write(&mut frame, &[])
            .unwrap();
        frame
    }

    #[test]
    fn an_answer_is_what_another_reader_calls_one() {
        let syn = Syn::read(&probe()).unwrap();
        for open in [true, false] {
            let answer = syn.answer(open);
            let read = PacketHeaders::from_ethernet_slice(&answer).unwrap();
            let Some(etherparse::NetHeaders::Ipv4(ip, _)) = read.net else { panic!("no IPv4") };
            let Some(TransportHeader::Tcp(tcp)) = read.transport else { panic!("no TCP") };
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            assert_eq!(tcp.checksum, tcp.calc_checksum_ipv4(&ip, &[]).unwrap());
            assert_eq!((ip.source, ip.destination), ([10, 0, 0, 9], [10, 0, 0, 1]));
            assert_eq!((tcp.source_port, tcp.destination_port), (80, 40_000));
            assert_eq!((tcp.ack, tcp.rst, tcp.syn), (true, !open, open));
            assert_eq!(tcp.acknowledgment_number, 0, "one after the last number");
        }
    }

    #[test]
    fn whatever_is_no_syn_is_left_alone() {
        let frame = probe();
        for (at, octet) in [(12, 0x86), (14, 0x46), (23, 17), (47, 0x12), (47, 0x04)] {
            let mut other = frame.clone();
            other[at] = octet;
            assert_eq!(Syn::read(&other), None, "octet {at}");
        }
        assert_eq!(Syn::read(&frame[..40]), None);
    }
}
