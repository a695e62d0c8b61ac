//! Scans a range and prints its open ports: `open_ports 127.0.0.0/30 1-1024`.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use portolan_core::target::{Block, PortSpec, Scope, TargetSet, TargetSpec};
use portolan_core::{PortState, ScanEvent};
use portolan_net::{Cancel, Scan, ScanOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let targets: TargetSpec = words.next().unwrap_or_else(|| "127.0.0.1".to_owned()).parse()?;
    let ports = words.next().unwrap_or_else(|| "1-1024".to_owned());
    let ports = PortSpec::parse(&ports, &|_name| Vec::new())?;
    let (tcp, udp) = ports.for_scan(true, false);

    // Plan: nothing is sent yet, and nothing outside the scope can be.
    let targets =
        TargetSet::single(Block { addrs: targets.addrs().clone(), tcp, udp, ..Block::default() });
    let options = ScanOptions { rate_pps: 10_000, ..ScanOptions::default() };
    let scan = Scan::plan(&targets, &Scope::unbounded(), options)?;

    // Run: every event arrives here as soon as it is known.
    let outcome = scan.run(&Cancel::default(), &mut |event| {
        if let ScanEvent::Endpoint(seen) = event
            && seen.state == PortState::Open
        {
            println!("{} {} {:?}", seen.endpoint, seen.reason, seen.rtt);
        }
    })?;
    println!("{} open, {} closed", outcome.stats.open, outcome.stats.closed);
    Ok(())
}
