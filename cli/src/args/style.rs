//! The flags of `scan` that say how its probes look.

use clap::{Args, ValueEnum};
use portolan_core::wire::{ProbeStyle, TcpOptions, VlanId};

/// How probes look.
#[derive(Debug, Args)]
#[command(next_help_heading = "Look of the probes")]
pub(crate) struct StyleArgs {
    /// The TCP options of a SYN
    #[arg(long, value_name = "STYLE", default_value = "mss")]
    tcp_options: TcpStyle,
    /// Time to live, or hop limit
    #[arg(long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..))]
    ttl: u8,
    /// Tag frames on Ethernet links for this virtual network, 1 to 4094 (802.1Q)
    #[arg(long, value_name = "ID")]
    vlan: Option<VlanId>,
}

impl StyleArgs {
    /// The style that the flags ask for.
    pub(crate) const fn style(&self) -> ProbeStyle {
        let tcp_options = match self.tcp_options {
            TcpStyle::None => TcpOptions::None,
            TcpStyle::Mss => TcpOptions::Mss,
            TcpStyle::Linux => TcpOptions::Linux,
            TcpStyle::Windows => TcpOptions::Windows,
        };
        ProbeStyle { tcp_options, ttl: self.ttl, vlan: self.vlan }
    }
}

/// The options of a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TcpStyle {
    /// No option
    None,
    /// The maximum segment size alone
    Mss,
    /// As Linux: MSS, SACK, timestamps, window scale
    Linux,
    /// As Windows: MSS, window scale, SACK
    Windows,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, parse};

    fn style(line: &str) -> Option<ProbeStyle> {
        match parse(line.split(' ').map(Into::into)) {
            Ok(Cli { command: Command::Scan(args), .. }) => Some(args.style.style()),
            _ => None,
        }
    }

    #[test]
    fn flags_reach_the_style() {
        assert_eq!(style("portolan scan h"), Some(ProbeStyle::default()));
        let wanted =
            ProbeStyle { tcp_options: TcpOptions::Windows, ttl: 3, vlan: VlanId::new(4_094) };
        let line = "portolan scan h --tcp-options windows --ttl 3 --vlan 4094";
        assert_eq!(style(line), Some(wanted));
        for wrong in ["--ttl 0", "--ttl 256", "--vlan 0", "--vlan 4095", "--tcp-options bsd"] {
            assert_eq!(style(&format!("portolan scan h {wrong}")), None, "{wrong}");
        }
    }
}
