//! A chunk of a scan's coverage: some addresses with the same ports, and how they lie in a value.
//!
//! Version 1 of the layout knows TCP and UDP. Version 2 has SCTP too, and is written only where
//! there is some: what an earlier program could read, it can still read.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::codec::{RECORD_VERSION, decode, opened, seal, seal_as};
use crate::error::StoreError;
use crate::record::Ports;

/// The layout that has SCTP.
const WITH_SCTP: u8 = 2;

/// Some addresses with the same ports; as such, a part of an export's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockRec {
    pub(crate) addrs: Vec<(IpAddr, IpAddr)>,
    pub(crate) tcp: Ports,
    pub(crate) udp: Ports,
    /// Left out where there are none, as in exports of version 1.
    #[serde(default, skip_serializing_if = "Ports::is_empty")]
    pub(crate) sctp: Ports,
}

/// [`BlockRec`] as version 1 has it.
type BlockV1 = (Vec<(IpAddr, IpAddr)>, Ports, Ports);
/// [`BlockRec`] as version 2 has it.
type BlockV2 = (Vec<(IpAddr, IpAddr)>, Ports, Ports, Ports);

/// The value that holds `blocks` under `key`.
pub(crate) fn seal_blocks(key: &[u8], blocks: &[BlockRec]) -> Result<Vec<u8>, StoreError> {
    if blocks.iter().all(|block| block.sctp.is_empty()) {
        let blocks = blocks.iter().map(|b| (&b.addrs, &b.tcp, &b.udp));
        seal(key, &blocks.collect::<Vec<_>>())
    } else {
        let blocks = blocks.iter().map(|b| (&b.addrs, &b.tcp, &b.udp, &b.sctp));
        seal_as(WITH_SCTP, key, &blocks.collect::<Vec<_>>())
    }
}

/// The blocks in `value` under `key`.
pub(crate) fn unseal_blocks(key: &[u8], value: &[u8]) -> Result<Vec<BlockRec>, StoreError> {
    let (version, body) = opened(key, value, &[RECORD_VERSION, WITH_SCTP])?;
    if version == WITH_SCTP {
        let blocks: Vec<BlockV2> = decode(key, body)?;
        let rec = |(addrs, tcp, udp, sctp)| BlockRec { addrs, tcp, udp, sctp };
        return Ok(blocks.into_iter().map(rec).collect());
    }
    let blocks: Vec<BlockV1> = decode(key, body)?;
    let rec = |(addrs, tcp, udp)| BlockRec { addrs, tcp, udp, sctp: Ports::default() };
    Ok(blocks.into_iter().map(rec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(sctp: &[u16]) -> BlockRec {
        let ports = |list: &[u16]| Ports(list.iter().copied().collect());
        let addrs = vec![([10, 0, 0, 1].into(), [10, 0, 0, 9].into())];
        BlockRec { addrs, tcp: ports(&[22, 80]), udp: ports(&[53]), sctp: ports(sctp) }
    }

    #[test]
    fn blocks_are_read_back_and_the_newer_layout_is_for_sctp_alone() {
        for (blocks, version) in [
            (vec![], RECORD_VERSION),
            (vec![block(&[]), block(&[])], RECORD_VERSION),
            (vec![block(&[]), block(&[2905, 38_412])], WITH_SCTP),
        ] {
            let value = seal_blocks(b"key", &blocks).unwrap();
            assert_eq!(value.first(), Some(&version));
            assert_eq!(unseal_blocks(b"key", &value).unwrap(), blocks);
            let mut other = value;
            other[0] = WITH_SCTP + RECORD_VERSION - version;
            assert!(unseal_blocks(b"key", &other).is_err(), "the checksum covers the version");
            other[0] = WITH_SCTP + 1;
            assert!(unseal_blocks(b"key", &other).is_err());
        }
    }

    #[test]
    fn as_text_only_ports_that_are_there_are_named() {
        let text = serde_json::to_string(&block(&[])).unwrap();
        assert_eq!(text, r#"{"addrs":[["10.0.0.1","10.0.0.9"]],"tcp":"22,80","udp":"53"}"#);
        for block in [block(&[]), block(&[2905])] {
            let text = serde_json::to_string(&block).unwrap();
            assert_eq!(serde_json::from_str::<BlockRec>(&text).unwrap(), block);
        }
    }
}
