//! The flags of `scan` that say what is asked.

use clap::Args;
use portolan_core::probe::{Pings, TcpScan};
use portolan_core::target::PortSpec;
use portolan_net::{Discovery, ScanKinds};

use crate::exit::Failure;

/// What is asked.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(next_help_heading = "Kinds of scan")]
pub(crate) struct KindArgs {
    /// TCP SYN scan, the default [also: -sS]
    #[arg(long, group = TCP)]
    pub(crate) syn: bool,
    /// TCP connect scan: needs no privilege [also: -sT]
    #[arg(long, group = TCP)]
    pub(crate) connect: bool,
    /// TCP ACK scan: unfiltered where a RST comes, filtered where none does [also: -sA]
    #[arg(long, group = TCP)]
    ack: bool,
    /// TCP FIN scan: closed where a RST comes, open|filtered where none does [also: -sF]
    #[arg(long, group = TCP)]
    fin: bool,
    /// TCP scan without any flag; answers as for FIN [also: -sN]
    #[arg(long, group = TCP)]
    null: bool,
    /// TCP scan with FIN, PSH and URG; answers as for FIN [also: -sX]
    #[arg(long, group = TCP)]
    xmas: bool,
    /// UDP scan [also: -sU]
    #[arg(long)]
    pub(crate) udp: bool,
    /// SCTP INIT scan [also: -sY]
    #[arg(long)]
    sctp_init: bool,
    /// Find hosts, scan no ports [also: -sn]
    #[arg(long, conflicts_with_all = [TCP, "udp", "sctp_init"])]
    pub(crate) discover: bool,
    /// Find hosts beyond the link by echo requests; these four flags replace the usual: echo
    /// requests, and SYN to ports 22, 80, 443 [also: -PE]
    #[arg(long, requires = "discover")]
    ping_echo: bool,
    /// Find IPv4 hosts by ICMP timestamp requests [also: -PP]
    #[arg(long, requires = "discover")]
    ping_timestamp: bool,
    /// Find IPv4 hosts by ICMP address mask requests [also: -PM]
    #[arg(long, requires = "discover")]
    ping_mask: bool,
    /// Find hosts by SYN to these ports [also: -PS]
    #[arg(long, value_name = "PORTS", requires = "discover")]
    ping_syn: Option<String>,
    /// Identify the service behind each open port [also: -sV]
    #[arg(long)]
    pub(crate) identify: bool,
}

/// The group of which one may be given.
const TCP: &str = "tcp_kind";

impl KindArgs {
    /// The kinds that the flags ask for.
    pub(crate) fn kinds(&self) -> ScanKinds {
        let segment = match (self.ack, self.fin, self.null, self.xmas) {
            (true, ..) => Some(TcpScan::Ack),
            (_, true, ..) => Some(TcpScan::Fin),
            (_, _, true, _) => Some(TcpScan::Null),
            (.., true) => Some(TcpScan::Xmas),
            _ => None,
        };
        let other = self.udp || self.sctp_init || self.connect || self.discover;
        ScanKinds {
            syn: self.syn || !(other || segment.is_some()),
            segment,
            sctp: self.sctp_init,
            udp: self.udp,
            connect: self.connect,
            discover: self.discover,
        }
    }

    /// How hosts are looked for.
    ///
    /// # Errors
    /// What is no port in `--ping-syn`.
    pub(crate) fn discovery(&self) -> Result<Discovery, Failure> {
        let pings = Pings { timestamp: self.ping_timestamp, address_mask: self.ping_mask };
        let syn_ports = self.ping_syn.as_deref().map(|text| {
            PortSpec::parse(text, &portolan_fingerprints::lookup)
                .map_err(|e| Failure::usage(format_args!("--ping-syn: {e}")))
        });
        let syn_ports = syn_ports.transpose()?.map(|spec| spec.for_scan(true, false).0);
        if !self.ping_echo && pings == Pings::default() && syn_ports.is_none() {
            return Ok(Discovery::default());
        }
        Ok(Discovery { echo: self.ping_echo, pings, syn_ports: syn_ports.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, parse};

    fn kinds(line: &str) -> Option<(ScanKinds, Discovery)> {
        match parse(format!("portolan scan h {line}").split_whitespace().map(Into::into)) {
            Ok(Cli { command: Command::Scan(args), .. }) => {
                Some((args.kinds.kinds(), args.kinds.discovery().ok()?))
            }
            _ => None,
        }
    }

    #[test]
    fn one_kind_of_tcp_and_any_others() {
        let none = ScanKinds::default();
        let syn = ScanKinds { syn: true, ..none };
        assert_eq!(kinds("").unwrap().0, syn);
        assert_eq!(kinds("-sS -sY").unwrap().0, ScanKinds { sctp: true, ..syn });
        assert_eq!(kinds("-sY").unwrap().0, ScanKinds { sctp: true, ..none });
        let flags = ["-sA", "-sF", "-sN", "-sX"];
        for (flag, scan) in flags.into_iter().zip(TcpScan::ALL.into_iter().skip(1)) {
            let wanted = ScanKinds { segment: Some(scan), udp: true, ..none };
            assert_eq!(kinds(&format!("{flag} -sU")).unwrap().0, wanted);
        }
        for wrong in ["-sS -sA", "-sF -sX", "-sT -sN", "-sn -sA", "-sn -sY", "-PE", "-sn -PS0"] {
            assert_eq!(kinds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn named_ways_of_discovery_replace_the_usual() {
        assert_eq!(kinds("-sn").unwrap().1, Discovery::default());
        let pings = Pings { timestamp: true, address_mask: true };
        let none = portolan_core::target::PortSet::new();
        let two = Discovery { echo: false, pings, syn_ports: none };
        assert_eq!(kinds("-sn -PP -PM").unwrap().1, two);
        let syn_ports = [22, 25].into_iter().collect();
        let both = Discovery { echo: true, pings: Pings::default(), syn_ports };
        assert_eq!(kinds("-sn -PE -PS22,25").unwrap().1, both);
    }
}
