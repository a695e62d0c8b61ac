//! From flags to what the engine is asked to do: targets within the scope, ports, kinds, pace.

use std::path::Path;
use std::time::Duration;

use portolan_core::Transport;
use portolan_core::permutation::Shard;
use portolan_core::target::{AddrSet, Block, PortSet, PortSpec, Scope, TargetSet, candidates};

use crate::args::ScanArgs;
use crate::args::scan::Rate;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::targets::{self, NameRules};
use portolan_identify::Options;
use portolan_net::options::AUTO_PPS_MAX;
use portolan_net::{Checkpoint, ScanKinds, ScanOptions};

/// Ports that are scanned where nobody names any.
const TCP_PORTS_DEFAULT: usize = 1_000;
/// As [`TCP_PORTS_DEFAULT`].
const UDP_PORTS_DEFAULT: usize = 100;
/// As [`TCP_PORTS_DEFAULT`].
const SCTP_PORTS_DEFAULT: usize = 25;

/// What to scan, and how.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What to ask; nothing in it is excluded or out of scope.
    pub(crate) targets: TargetSet,
    /// What may be touched at all: the engine holds to it too.
    pub(crate) scope: Scope,
    /// How to ask it.
    pub(crate) options: ScanOptions,
    /// How to ask what is open who it is; `None`: not at all.
    pub(crate) identify: Option<Options>,
}

impl Request {
    /// Refuses what can't be counted.
    ///
    /// # Errors
    /// More targets than there are numbers for.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.targets.len().map_err(Failure::usage)?;
        self.targets.addrs().len().map_err(Failure::usage)?;
        Ok(())
    }
}

/// What the flags ask for.
///
/// # Errors
/// The first flag that makes no sense, a target outside the scope, nothing left to scan.
pub(crate) fn from_flags(args: &ScanArgs) -> Result<Request, Failure> {
    let kinds = args.kinds.kinds();
    if let (Some(segment), true) = (kinds.segment, args.out.data.is_some()) {
        let kind = segment.name();
        return Err(Failure::usage(format_args!(
            "--data: a scan by {kind} does not say what is open; store a SYN or connect scan"
        )));
    }
    let ports = ports(args, kinds)?;
    let (scope, addrs) = addrs(args)?;
    let targets = TargetSet::single(Block { addrs, ..ports });
    let mut options = options(args, kinds)?;
    let identify = identify(args, &options);
    options.keep_replies = identify.is_some();
    Ok(Request { targets, scope, options, identify })
}

/// What an interrupted scan had still to ask; pace and way may be changed by flags.
///
/// # Errors
/// The first flag that makes no sense.
pub(crate) fn from_checkpoint(args: &ScanArgs, left: Checkpoint) -> Result<Request, Failure> {
    let mut options = options(args, left.kinds)?;
    options.retries = left.retries;
    if args.rate.is_none() {
        options.rate_pps = left.rate_pps;
        options.auto_rate = left.auto_rate;
    }
    let targets = left.targets.clone();
    options.resume = Some(left);
    let identify = identify(args, &options);
    options.keep_replies = identify.is_some();
    Ok(Request { targets, scope: Scope::unbounded(), options, identify })
}

/// Descriptors that are left to the rest of the program.
const DESCRIPTORS_KEPT: u64 = 256;

/// How to ask what is open who it is, if the flags want that.
fn identify(args: &ScanArgs, options: &ScanOptions) -> Option<Options> {
    let mut asking = asking();
    asking.sources.extend(options.source_ip);
    args.kinds.identify.then_some(asking)
}

/// How to ask what is open who it is, over as many sockets as this process may open.
pub(crate) fn asking() -> Options {
    let mut asking = Options::default();
    if let Ok(limit) = portolan_net::raise_descriptor_limit() {
        let spare = usize::try_from(limit.saturating_sub(DESCRIPTORS_KEPT)).unwrap_or(usize::MAX);
        asking.sockets = spare.max(asking.sockets / 4);
    }
    asking
}

/// The addresses that are named, less what is excluded, within the scope.
fn addrs(args: &ScanArgs) -> Result<(Scope, AddrSet), Failure> {
    if args.targets.is_empty() && args.targets_file.is_empty() {
        return Err(Failure::usage(
            "nothing to scan: name a TARGET, or a list of them with -iL FILE",
        ));
    }
    let rules = NameRules { ipv4: args.ipv4, ipv6: args.ipv6, all: args.resolve_all };
    let named = targets::gather("TARGET", &args.targets, &args.targets_file, rules)?;
    let excluded =
        targets::gather("--exclude", &args.exclude, &args.exclude_file, NameRules::EVERY)?;
    let scope = match &args.scope_file {
        None => Scope::unbounded(),
        Some(file) => {
            let files: [&Path; 1] = [file];
            Scope::only(targets::gather("--scope-file", &[], &files, NameRules::EVERY)?)
        }
    };
    let scope = scope.without(&excluded);
    let mut addrs = within(&scope, &named)?;
    if !args.ipv6_patterns.is_empty() {
        addrs = candidates(&addrs, &args.ipv6_patterns)
            .map_err(|e| Failure::usage(format_args!("--ipv6-patterns: {e}")))?;
    }
    Ok((scope, addrs))
}

/// What of `named` may be scanned.
///
/// # Errors
/// A target outside the scope; nothing left.
pub(crate) fn within(scope: &Scope, named: &AddrSet) -> Result<AddrSet, Failure> {
    let outside = scope.outside(named);
    if let Some(first) = outside.ranges().first() {
        let words = format!("{first} is out of scope; nothing was scanned");
        return Err(Failure::message(Exit::OutOfScope, words));
    }
    let addrs = scope.bound(named);
    if addrs.is_empty() {
        let words = if named.is_empty() {
            return Err(Failure::usage("nothing to scan: the targets name no address"));
        } else {
            "every target is excluded; nothing was scanned"
        };
        return Err(Failure::message(Exit::OutOfScope, words));
    }
    Ok(addrs)
}

/// The ports to ask, as a block without addresses.
fn ports(args: &ScanArgs, kinds: ScanKinds) -> Result<Block, Failure> {
    let without = match &args.exclude_ports {
        None => PortSpec::default(),
        Some(text) => spec("--exclude-ports", text)?,
    };
    let (tcp, udp, sctp) = match &args.ports {
        None => {
            let (tcp, udp) = default_ports(kinds.tcp(), kinds.udp, args.top_ports);
            let count = if kinds.sctp { args.top_ports.unwrap_or(SCTP_PORTS_DEFAULT) } else { 0 };
            (tcp, udp, portolan_fingerprints::top_set(Transport::Sctp, count))
        }
        Some(text) => {
            let spec = spec("--ports", text)?;
            check_sides(&spec, kinds)?;
            let (tcp, udp) = spec.for_scan(kinds.tcp(), kinds.udp);
            (tcp, udp, if kinds.sctp { spec.for_sctp() } else { PortSet::new() })
        }
    };
    let (no_tcp, no_udp) = without.for_scan(true, true);
    let block = Block {
        tcp: tcp.difference(&no_tcp),
        udp: udp.difference(&no_udp),
        sctp: sctp.difference(&without.for_sctp()),
        ..Block::default()
    };
    if block.ports_len() == 0 && !kinds.discover {
        return Err(Failure::usage("no port is left to scan"));
    }
    Ok(block)
}

/// Ports behind a prefix need the kind of scan that asks them.
fn check_sides(spec: &PortSpec, kinds: ScanKinds) -> Result<(), Failure> {
    let none = PortSet::new();
    let sides = [
        (&spec.any, true, "", ""),
        (&spec.tcp, true, "", ""),
        (&spec.udp, kinds.udp, "U:", "-sU"),
        (&spec.sctp, kinds.sctp, "S:", "-sY"),
    ];
    let asked = sides.iter().any(|(ports, on, ..)| *on && **ports != none);
    for (_, _, prefix, flag) in sides.iter().filter(|(ports, on, ..)| !on && **ports != none) {
        if !asked {
            return Err(Failure::usage(format_args!(
                "--ports names {prefix} ports alone: add {flag}"
            )));
        }
        console::warn(&format!("the {prefix} ports are left out: they need {flag}"));
    }
    Ok(())
}

/// The most common ports; `count` replaces the usual number of both kinds.
pub(crate) fn default_ports(tcp: bool, udp: bool, count: Option<usize>) -> (PortSet, PortSet) {
    let top = |on: bool, transport, usual| {
        let count = if on { count.unwrap_or(usual) } else { 0 };
        portolan_fingerprints::top_set(transport, count)
    };
    (top(tcp, Transport::Tcp, TCP_PORTS_DEFAULT), top(udp, Transport::Udp, UDP_PORTS_DEFAULT))
}

fn spec(flag: &str, text: &str) -> Result<PortSpec, Failure> {
    PortSpec::parse(text, &portolan_fingerprints::lookup)
        .map_err(|e| Failure::usage(format_args!("{flag}: {e}")))
}

fn options(args: &ScanArgs, kinds: ScanKinds) -> Result<ScanOptions, Failure> {
    let mut options = ScanOptions { kinds, retries: args.retries, ..ScanOptions::default() };
    match args.rate {
        Some(Rate::Fixed(pps)) => options.rate_pps = pps,
        Some(Rate::Auto) => (options.rate_pps, options.auto_rate) = (AUTO_PPS_MAX, true),
        None => {}
    }
    if let Some(seconds) = args.cooldown {
        options.cooldown = Some(Duration::try_from_secs_f64(seconds).map_err(|_| {
            Failure::usage(format_args!("--cooldown: {seconds} is no number of seconds"))
        })?);
    }
    if let Some(shard) = args.shard {
        options.shard = Shard { index: shard.index, count: shard.count };
    }
    if let Some(threads) = args.threads {
        options.threads = threads;
    }
    options.max_host_pps = args.max_host_rate.map(|most| most.0);
    options.max_subnet_pps = args.max_subnet_rate.map(|most| most.0);
    options.keep_back = !args.out.all_open && args.out.data.is_none();
    options.link = args.link;
    options.seed = args.seed;
    options.interface.clone_from(&args.interface);
    options.source_ip = args.source_ip;
    options.source_ports = args.source_port.map(|range| (range.0, range.1));
    options.router_mac = args.router_mac;
    options.suppress_resets = args.suppress_resets;
    options.style = args.style.style();
    options.discovery = args.kinds.discovery()?;
    Ok(options)
}
