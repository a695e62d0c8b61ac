//! A scan set aside: all that is needed to go on, as a small text.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;
use portolan_core::UnixTime;
use portolan_core::permutation::Shard;
use portolan_core::probe::TcpScan;
use portolan_core::target::spec::PortSpec;
use portolan_core::target::{Block, TargetSet, TargetSpec};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::options::ScanKinds;

/// Version of the text form.
const VERSION: u32 = 1;
/// Endpoints up to which the answers so far are kept too: 8 MiB of bits.
pub const ANSWERS_KEPT_MAX: u64 = 1 << 26;

/// Where a scan stood when it was set aside, and what it is.
///
/// Everything before the position has been asked in this pass and had its time to answer. After an
/// interruption nothing behind it has been asked; after a kill some of it has, in the last seconds
/// of which no checkpoint tells, and is asked again.
/// An endpoint whose answer is not kept (in scans of more than [`ANSWERS_KEPT_MAX`] endpoints) is
/// asked again in later passes, and reported again unless [`Scan::know`](crate::Scan::know) is
/// told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What is scanned, exclusions already taken out.
    pub targets: TargetSet,
    /// What is sent.
    pub kinds: ScanKinds,
    /// The order.
    pub seed: u64,
    /// When the scan began; results from before belong to another.
    pub begun: UnixTime,
    /// Which part.
    pub shard: Shard,
    /// Retries of the whole scan.
    pub retries: u8,
    /// Packets a second.
    pub rate_pps: u32,
    /// Whether that was the most of a rate to be found.
    pub auto_rate: bool,
    /// The most to any one host, which fixes the order too.
    pub max_host_pps: Option<u32>,
    /// The most to any one subnet, which fixes the order too.
    pub max_subnet_pps: Option<u32>,
    /// The pass that was running, from 0.
    pub pass: u8,
    /// Sending threads a link.
    pub threads: u32,
    /// Positions of the pass that are done with, by sending thread.
    pub taken: Vec<u64>,
    /// Which endpoints had answered, one bit each, little-endian; empty where not kept.
    pub answered: Vec<u8>,
}

/// A text that is no checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not the JSON that a checkpoint is.
    #[error("not a checkpoint")]
    Syntax(#[source] serde_json::Error),
    /// Of a later program.
    #[error("checkpoint of version {found}; this program knows version {VERSION}")]
    Version {
        /// The version it says.
        found: u32,
    },
    /// A field holds what it can't.
    #[error("checkpoint field {field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
struct CheckpointDto<'a> {
    portolan_checkpoint: u32,
    targets: Vec<BlockDto>,
    kinds: Vec<String>,
    seed: u64,
    #[serde(default)]
    begun_ms: i64,
    shard: (u32, u32),
    retries: u8,
    rate_pps: u32,
    #[serde(default)]
    auto_rate: bool,
    #[serde(default)]
    max_host_pps: Option<u32>,
    #[serde(default)]
    max_subnet_pps: Option<u32>,
    pass: u8,
    threads: u32,
    taken: Vec<u64>,
    answered: Bits<'a>,
}

/// Octets that are written as base64, piece by piece: they may be the largest thing that a scan
/// holds, and are not to be held twice.
struct Bits<'a>(Cow<'a, [u8]>);

impl Serialize for Bits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &BASE64))
    }
}

impl<'de> Deserialize<'de> for Bits<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let octets = BASE64.decode(text.as_ref()).map_err(D::Error::custom)?;
        Ok(Self(Cow::Owned(octets)))
    }
}

#[derive(Serialize, Deserialize)]
struct BlockDto {
    addrs: String,
    tcp: String,
    udp: String,
    #[serde(default)]
    sctp: String,
}

const KINDS: [&str; 9] =
    ["syn", "udp", "connect", "discover", "sctp", "ack", "fin", "null", "xmas"];

impl Checkpoint {
    /// Writes the text form to `out`, piece by piece.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        Ok(serde_json::to_writer_pretty(out, &self.dto())?)
    }

    fn dto(&self) -> CheckpointDto<'_> {
        let ScanKinds { syn, segment, sctp, udp, connect, discover } = self.kinds;
        let [ack, fin, null, xmas] =
            [TcpScan::Ack, TcpScan::Fin, TcpScan::Null, TcpScan::Xmas].map(|s| segment == Some(s));
        let on = [syn, udp, connect, discover, sctp, ack, fin, null, xmas];
        let block = |b: &Block| BlockDto {
            addrs: b.addrs.to_string(),
            tcp: b.tcp.to_string(),
            udp: b.udp.to_string(),
            sctp: b.sctp.to_string(),
        };
        CheckpointDto {
            portolan_checkpoint: VERSION,
            targets: self.targets.blocks().iter().map(block).collect(),
            kinds: KINDS
                .iter()
                .zip(on)
                .filter(|k| k.1)
                .map(|(kind, _)| (*kind).to_owned())
                .collect(),
            seed: self.seed,
            begun_ms: self.begun.as_millis(),
            shard: (self.shard.index, self.shard.count),
            retries: self.retries,
            rate_pps: self.rate_pps,
            auto_rate: self.auto_rate,
            max_host_pps: self.max_host_pps,
            max_subnet_pps: self.max_subnet_pps,
            pass: self.pass,
            threads: self.threads,
            taken: self.taken.clone(),
            answered: Bits(Cow::Borrowed(&self.answered)),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string_pretty(&self.dto()).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let dto: CheckpointDto<'_> = serde_json::from_str(text).map_err(CheckpointError::Syntax)?;
        if dto.portolan_checkpoint != VERSION {
            return Err(CheckpointError::Version { found: dto.portolan_checkpoint });
        }
        if let Some(odd) = dto.kinds.iter().find(|k| !KINDS.contains(&k.as_str())) {
            return Err(field("kinds", format!("{odd:?} is none of {KINDS:?}")));
        }
        if dto.shard.0 >= dto.shard.1 {
            return Err(field("shard", format!("{} of {}", dto.shard.0, dto.shard.1)));
        }
        let has = |kind: &str| dto.kinds.iter().any(|k| k == kind);
        let blocks: Result<Vec<Block>, _> = dto.targets.iter().map(block_of).collect();
        Ok(Self {
            targets: blocks?.into_iter().collect(),
            kinds: ScanKinds {
                syn: has("syn"),
                segment: TcpScan::ALL.into_iter().find(|s| *s != TcpScan::Syn && has(s.name())),
                sctp: has("sctp"),
                udp: has("udp"),
                connect: has("connect"),
                discover: has("discover"),
            },
            seed: dto.seed,
            begun: UnixTime::from_millis(dto.begun_ms),
            shard: Shard { index: dto.shard.0, count: dto.shard.1 },
            retries: dto.retries,
            rate_pps: dto.rate_pps,
            auto_rate: dto.auto_rate,
            max_host_pps: dto.max_host_pps,
            max_subnet_pps: dto.max_subnet_pps,
            pass: dto.pass,
            threads: dto.threads,
            taken: dto.taken,
            answered: dto.answered.0.into_owned(),
        })
    }
}

fn field(field: &'static str, problem: String) -> CheckpointError {
    CheckpointError::Field { field, problem }
}

fn block_of(dto: &BlockDto) -> Result<Block, CheckpointError> {
    let spec: TargetSpec = dto.addrs.parse().map_err(|e| field("addrs", format!("{e}")))?;
    let ports = |name, text: &str| {
        if text.is_empty() {
            return Ok(portolan_core::target::PortSet::new());
        }
        let spec =
            PortSpec::parse(text, &|_| Vec::new()).map_err(|e| field(name, e.to_string()))?;
        Ok(spec.any)
    };
    Ok(Block {
        addrs: spec.addrs().clone(),
        tcp: ports("tcp", &dto.tcp)?,
        udp: ports("udp", &dto.udp)?,
        sctp: ports("sctp", &dto.sctp)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let spec: TargetSpec = "10.0.0.0/24,2001:db8::1-2001:db8::7".parse().unwrap();
        let block = Block {
            addrs: spec.addrs().clone(),
            tcp: [(1, 100), (443, 443)].into_iter().collect(),
            sctp: [(38_412, 38_412)].into_iter().collect(),
            ..Block::default()
        };
        let checkpoint = Checkpoint {
            targets: TargetSet::single(block),
            kinds: ScanKinds { segment: Some(TcpScan::Null), sctp: true, ..ScanKinds::default() },
            seed: u64::MAX,
            begun: UnixTime::from_millis(1_700_000_000_123),
            shard: Shard { index: 1, count: 4 },
            retries: 3,
            rate_pps: 50_000,
            auto_rate: true,
            max_host_pps: Some(100),
            max_subnet_pps: Some(1_000),
            pass: 1,
            threads: 1,
            taken: vec![12_345],
            answered: vec![0, 255, 3],
        };
        assert_eq!(checkpoint.to_string().parse::<Checkpoint>().unwrap(), checkpoint);
        let later = checkpoint.to_string().replace("checkpoint\": 1", "checkpoint\": 9");
        let error = later.parse::<Checkpoint>().unwrap_err();
        assert!(matches!(error, CheckpointError::Version { found: 9 }), "{error}");
        assert!("{}".parse::<Checkpoint>().is_err());
    }
}
