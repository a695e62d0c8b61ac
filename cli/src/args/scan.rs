//! The flags of `scan`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use portolan_api::config::THREADS_MAX;
use portolan_core::MacAddr;
use portolan_core::target::Ipv6Pattern;
use portolan_net::link::LinkKind;

use super::kinds::KindArgs;
use super::style::StyleArgs;
use super::trace::TraceArgs;

/// The flags of `scan`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(override_usage = "portolan scan [OPTIONS] TARGET…")]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScanArgs {
    /// Address, CIDR block, range (10.0.0.1-10.0.0.9, 10.0.0-3.1-20) or host name
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Targets from a file, - for stdin; # starts a comment [also: -iL, --hitlist]
    #[arg(long, value_name = "FILE", alias = "hitlist", help_heading = TARGETS)]
    pub(crate) targets_file: Vec<PathBuf>,
    /// Never touch these, whatever else is said
    #[arg(long, value_name = "SPEC", help_heading = TARGETS)]
    pub(crate) exclude: Vec<String>,
    /// Never touch what this file lists
    #[arg(long, value_name = "FILE", alias = "excludefile", help_heading = TARGETS)]
    pub(crate) exclude_file: Vec<PathBuf>,
    /// Of IPv6 ranges larger than a /112 ask the likely addresses only: low-byte, service-ports,
    /// words, embedded-v4:192.0.2.0/24, eui-64:00-11-22 (RFC 7707); without it the hosts of ranges
    /// larger than a /104 are found by multicast if those are on the link
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',', help_heading = TARGETS)]
    pub(crate) ipv6_patterns: Vec<Ipv6Pattern>,
    /// Refuse every target outside what this file lists
    #[arg(long, value_name = "FILE", help_heading = TARGETS)]
    pub(crate) scope_file: Option<PathBuf>,
    /// Ports: 22,80,8000-8100, T:22,U:53,S:132, - (all), !88 (not), http (by name)
    #[arg(short, long, value_name = "SPEC", allow_hyphen_values = true, help_heading = TARGETS)]
    pub(crate) ports: Option<String>,
    /// The N most common ports [default: 1000 TCP, 100 UDP, 25 SCTP]
    #[arg(long, value_name = "N", conflicts_with = "ports", help_heading = TARGETS)]
    pub(crate) top_ports: Option<usize>,
    /// Never probe these ports
    #[arg(long, value_name = "SPEC", help_heading = TARGETS)]
    pub(crate) exclude_ports: Option<String>,
    /// Take only IPv4 addresses of names
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = TARGETS)]
    pub(crate) ipv4: bool,
    /// Take only IPv6 addresses of names
    #[arg(short = '6', long, help_heading = TARGETS)]
    pub(crate) ipv6: bool,
    /// Scan every address of a name, not just its first
    #[arg(long, help_heading = TARGETS)]
    pub(crate) resolve_all: bool,

    #[command(flatten)]
    pub(crate) kinds: KindArgs,

    /// Packets a second, such as 500, 10k, 1M; auto finds the highest that loses nothing, and asks
    /// up to 64 endpoints that answered again to see that
    #[arg(short, long, value_name = "PPS", alias = "max-rate", help_heading = PACE)]
    pub(crate) rate: Option<Rate>,
    /// Packets a second to any one host, at most
    #[arg(long, value_name = "PPS", help_heading = PACE)]
    pub(crate) max_host_rate: Option<GroupRate>,
    /// Packets a second to any one /64 of IPv6 or /24 of IPv4, at most
    #[arg(long, value_name = "PPS", help_heading = PACE)]
    pub(crate) max_subnet_rate: Option<GroupRate>,
    /// Further probes to what has not answered
    #[arg(long, value_name = "N", default_value_t = 2, alias = "max-retries")]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=15), help_heading = PACE)]
    pub(crate) retries: u8,
    /// Seconds to wait for late answers [default: as long as they come]
    #[arg(long, value_name = "SECONDS", alias = "wait", help_heading = PACE)]
    pub(crate) cooldown: Option<f64>,
    /// Sending threads
    #[arg(long, value_name = "N", help_heading = PACE)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(THREADS_MAX)))]
    pub(crate) threads: Option<u32>,
    /// What probes leave by; see `portolan doctor` [auto, mmsg, xdp, bpf; null sends
    /// nothing]
    #[arg(long, value_name = "LINK", default_value_t = LinkKind::Auto, help_heading = PACE)]
    pub(crate) link: LinkKind,
    /// The order of probes: the same seed, the same order
    #[arg(long, value_name = "N", help_heading = PACE)]
    pub(crate) seed: Option<u64>,
    /// Part I of N of the scan, from 1
    #[arg(long, value_name = "I/N", help_heading = PACE)]
    pub(crate) shard: Option<ShardArg>,
    /// Continue an interrupted scan
    #[arg(long, value_name = "FILE", help_heading = PACE)]
    #[arg(conflicts_with_all = RESUME_CONFLICTS)]
    pub(crate) resume: Option<PathBuf>,
    /// Where to note how far the scan is [default: portolan-TIME.resume]
    #[arg(long, value_name = "FILE", help_heading = PACE)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// List the probes in the order of sending, and send none
    #[arg(long, help_heading = PACE)]
    pub(crate) dry_run: bool,

    /// Send through this interface [also: -e]
    #[arg(short, long, value_name = "NAME", help_heading = NETWORK)]
    pub(crate) interface: Option<String>,
    /// Send from this address [also: -S]
    #[arg(long, value_name = "ADDR", help_heading = NETWORK)]
    pub(crate) source_ip: Option<IpAddr>,
    /// Send from these ports [also: -g]
    #[arg(long, value_name = "A-B", help_heading = NETWORK)]
    pub(crate) source_port: Option<PortRange>,
    /// Keep this host's own TCP from resetting what answers (needs root)
    #[arg(long, help_heading = NETWORK)]
    pub(crate) suppress_resets: bool,
    /// Send to this neighbour whatever routing says
    #[arg(long, value_name = "MAC", help_heading = NETWORK)]
    pub(crate) router_mac: Option<MacAddr>,

    #[command(flatten)]
    pub(crate) style: StyleArgs,
    #[command(flatten)]
    pub(crate) trace: TraceArgs,
    #[command(flatten)]
    pub(crate) out: OutputArgs,
}

/// Where results go.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Write results to this file, - for stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How to write them [default: table on a terminal, ndjson elsewhere]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Also write nmap XML [also: -oX]
    #[arg(long, value_name = "FILE")]
    pub(crate) xml_file: Vec<PathBuf>,
    /// Also write nmap's grepable form [also: -oG]
    #[arg(long, value_name = "FILE")]
    pub(crate) grepable_file: Vec<PathBuf>,
    /// Also write the table [also: -oN]
    #[arg(long, value_name = "FILE")]
    pub(crate) table_file: Vec<PathBuf>,
    /// Also write masscan's JSON [also: -oJ]
    #[arg(long, value_name = "FILE")]
    pub(crate) masscan_json_file: Vec<PathBuf>,
    /// Also write masscan's list [also: -oL]
    #[arg(long, value_name = "FILE")]
    pub(crate) list_file: Vec<PathBuf>,
    /// Write only what is open
    #[arg(long)]
    pub(crate) open: bool,
    /// Tell every open port of a host that is open on all; always so with --data
    #[arg(long)]
    pub(crate) all_open: bool,
    /// Also show closed and filtered ports in the table
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Also commit the scan to the store in this directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The site that the addresses belong to
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) site: String,
    /// Nothing is asked before a port scan: accepted, changes nothing [also: -Pn]
    #[arg(long, hide = true)]
    pub(crate) no_ping: bool,
    /// No address is looked up in the DNS: accepted, changes nothing [also: -n]
    #[arg(long, hide = true)]
    pub(crate) no_dns: bool,
}

/// A scan goes on with the targets, the order and the kinds that it began with.
const RESUME_CONFLICTS: [&str; 27] = [
    "targets",
    "targets_file",
    "exclude",
    "exclude_file",
    "exclude_ports",
    "scope_file",
    "ports",
    "top_ports",
    "seed",
    "shard",
    "threads",
    "max_host_rate",
    "max_subnet_rate",
    "syn",
    "udp",
    "connect",
    "discover",
    "ack",
    "fin",
    "null",
    "xmas",
    "sctp_init",
    "ping_echo",
    "ping_timestamp",
    "ping_mask",
    "ping_syn",
    "ipv6_patterns",
];

const TARGETS: &str = "Targets and ports";
const PACE: &str = "Pace and order";
const NETWORK: &str = "Network";

const EXAMPLES: &str = "\
Examples:
  portolan scan localhost
  portolan scan 192.168.1.0/24 -p 22,80,443 --open
  portolan scan -sS -sU 10.0.0.1-10.0.0.9 -p T:1-1024,U:53,123 -f ndjson
  portolan scan -iL hosts.txt -p- --rate 10000 -oX scan.xml";

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Rows for people
    Table,
    /// One JSON object a line
    Ndjson,
    /// One JSON document
    Json,
    /// nmap's XML
    NmapXml,
    /// nmap's grepable lines
    Grepable,
    /// Comma-separated values
    Csv,
    /// masscan's list
    List,
    /// masscan's JSON
    MasscanJson,
}

/// Packets a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// So many.
    Fixed(u32),
    /// As many as the path takes.
    Auto,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (digits, factor) = match text.chars().last() {
            Some('k' | 'K') => (text.get(..text.len() - 1).unwrap_or_default(), 1_000_u32),
            Some('m' | 'M') => (text.get(..text.len() - 1).unwrap_or_default(), 1_000_000),
            _ => (text, 1),
        };
        let wrong =
            || format!("{text:?} is no rate; expected auto or 1 to 4294967295, k and M understood");
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).filter(|pps| *pps > 0).map(Self::Fixed).ok_or_else(wrong)
    }
}

/// Packets a second to one host or subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupRate(pub(crate) u32);

impl FromStr for GroupRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse()? {
            Rate::Fixed(pps) => Ok(Self(pps)),
            Rate::Auto => Err("a limit is a number; expected such as 100 or 1k".to_owned()),
        }
    }
}

/// Part `index` (from 0) of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardArg {
    /// Which part, from 0.
    pub(crate) index: u32,
    /// How many parts.
    pub(crate) count: u32,
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no part; expected I/N with I from 1 to N, as in 2/4");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let (index, count): (u32, u32) =
            (index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
        let index = index.checked_sub(1).filter(|i| *i < count).ok_or_else(wrong)?;
        Ok(Self { index, count })
    }
}

/// An inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortRange(pub(crate) u16, pub(crate) u16);

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no port range; expected A-B with 1 ≤ A ≤ B ≤ 65535");
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let port = |t: &str| t.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(wrong);
        let (low, high) = (port(low)?, port(high)?);
        if low <= high { Ok(Self(low, high)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, parse};

    fn scan(line: &str) -> ScanArgs {
        match parse(line.split(' ').map(Into::into)) {
            Ok(Cli { command: Command::Scan(args), .. }) => *args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn flags_reach_their_fields() {
        let args = scan("portolan scan -sS -sU -p- -r 10k --retries 0 --shard 2/4 -oX a -oX b h");
        assert!(args.kinds.syn && args.kinds.udp && !args.kinds.connect);
        assert_eq!(args.ports.as_deref(), Some("-"));
        assert_eq!(args.rate, Some(Rate::Fixed(10_000)));
        let limited = scan("portolan scan h --max-host-rate 1k --max-subnet-rate 2k");
        assert_eq!(limited.max_host_rate, Some(GroupRate(1_000)));
        assert_eq!(limited.max_subnet_rate, Some(GroupRate(2_000)));
        assert!("auto".parse::<GroupRate>().is_err());
        assert_eq!(scan("portolan scan h --rate auto").rate, Some(Rate::Auto));
        assert_eq!((args.retries, args.shard), (0, Some(ShardArg { index: 1, count: 4 })));
        assert_eq!(args.out.xml_file.len(), 2);
        assert_eq!(scan("portolan scan h -p -100").ports.as_deref(), Some("-100"));
        assert_eq!(scan("portolan scan -p - h").ports.as_deref(), Some("-"));
        assert_eq!(
            scan("portolan scan h --source-port 40000").source_port,
            Some(PortRange(40_000, 40_000))
        );
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for text in ["", "0", "Auto", "10kk", "5G", "+5", "4294967296", "5000M"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["0/2", "3/2", "1", "a/b", "1/0"] {
            assert!(text.parse::<ShardArg>().is_err(), "{text}");
        }
        for text in ["0", "9-1", "65536", "x"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
        let conflict = [
            "portolan scan -sS -sT h",
            "portolan scan --resume f h",
            "portolan scan -p1 --top-ports 5 h",
        ];
        for line in conflict {
            assert!(parse(line.split(' ').map(Into::into)).is_err(), "{line}");
        }
    }
}
