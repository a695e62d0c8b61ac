//! From flags to what the engine is asked to do: targets within the scope, ports, kinds, pace.

use std::path::Path;
use std::time::Duration;

use portolan_core::Transport;
use portolan_core::permutation::Shard;
use portolan_core::target::{AddrSet, Block, PortSet, PortSpec, Scope, TargetSet};

use crate::args::ScanArgs;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::targets::{self, NameRules};
use portolan_net::{Checkpoint, ScanKinds, ScanOptions};

/// Ports that are scanned where nobody names any.
const TCP_PORTS_DEFAULT: usize = 1_000;
/// As [`TCP_PORTS_DEFAULT`].
const UDP_PORTS_DEFAULT: usize = 100;

/// What to scan, and how.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What to ask; nothing in it is excluded or out of scope.
    pub(crate) targets: TargetSet,
    /// What may be touched at all: the engine holds to it too.
    pub(crate) scope: Scope,
    /// How to ask it.
    pub(crate) options: ScanOptions,
}

/// What the flags ask for.
///
/// # Errors
/// The first flag that makes no sense, a target outside the scope, nothing left to scan.
pub(crate) fn from_flags(args: &ScanArgs) -> Result<Request, Failure> {
    let kinds = kinds(args);
    let (tcp, udp) = ports(args, kinds)?;
    let (scope, addrs) = addrs(args)?;
    let targets = TargetSet::single(Block { addrs, tcp, udp });
    targets.len().map_err(Failure::usage)?;
    targets.addrs().len().map_err(Failure::usage)?;
    Ok(Request { targets, scope, options: options(args, kinds)? })
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
    }
    let targets = left.targets.clone();
    options.resume = Some(left);
    Ok(Request { targets, scope: Scope::unbounded(), options })
}

fn kinds(args: &ScanArgs) -> ScanKinds {
    let none = !(args.syn || args.udp || args.connect || args.discover);
    ScanKinds {
        syn: args.syn || none,
        udp: args.udp,
        connect: args.connect,
        discover: args.discover,
    }
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
    let addrs = within(&scope, &named)?;
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

fn ports(args: &ScanArgs, kinds: ScanKinds) -> Result<(PortSet, PortSet), Failure> {
    let tcp = kinds.syn || kinds.connect;
    let without = match &args.exclude_ports {
        None => (PortSet::new(), PortSet::new()),
        Some(text) => spec("--exclude-ports", text)?.for_scan(true, true),
    };
    let (tcp, udp) = match &args.ports {
        None => default_ports(tcp, kinds.udp, args.top_ports),
        Some(text) => {
            let spec = spec("--ports", text)?;
            if !kinds.udp && !spec.udp.is_empty() && spec.any.is_empty() && spec.tcp.is_empty() {
                return Err(Failure::usage("--ports names UDP ports alone: add -sU"));
            }
            let written = text.contains("U:") || text.contains("u:");
            if written && !kinds.udp && !spec.udp.is_empty() {
                console::warn("the U: ports are left out: they need -sU");
            }
            spec.for_scan(tcp, kinds.udp)
        }
    };
    let (tcp, udp) = (tcp.difference(&without.0), udp.difference(&without.1));
    if tcp.is_empty() && udp.is_empty() && !kinds.discover {
        return Err(Failure::usage("no port is left to scan"));
    }
    Ok((tcp, udp))
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
    if let Some(rate) = args.rate {
        options.rate_pps = rate.0;
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
    options.seed = args.seed;
    options.interface.clone_from(&args.interface);
    options.source_ip = args.source_ip;
    options.source_ports = args.source_port.map(|range| (range.0, range.1));
    options.router_mac = args.router_mac;
    options.suppress_resets = args.suppress_resets;
    options.style = args.style.style();
    Ok(options)
}
