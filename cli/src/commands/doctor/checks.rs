//! One look at one thing each. A thing that can't be looked at is a warning, never an error.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portolan_net::link::{LinkKind, survey};
use portolan_net::ports::BLOCK_LEN_DEFAULT;
use portolan_net::{
    PortBlock, Privilege, Reach, RouteOverrides, RouteTable, SuppressError, suppress,
};

use super::Check;
use crate::finding::{now, rfc3339};

/// Descriptors below which a connect scan is slow.
const DESCRIPTORS_WANTED: u64 = 4_096;
/// Octets of socket buffer that a fast scan wants.
const BUFFER_WANTED: u64 = 1 << 20;
/// 2026-01-01T00:00:00Z: no scan took place before.
const EARLIEST_SECONDS: i64 = 1_767_225_600;
/// The kernel that raw scans were first tried on, and that has all they need.
const KERNEL_WANTED: (u32, u32) = (4, 20);

/// Every check, in the order in which they matter.
pub(super) fn all() -> Vec<Check> {
    let mut checks = vec![privileges()];
    match RouteTable::open(RouteOverrides::default()) {
        Ok(mut table) => {
            checks.push(interfaces(&table));
            checks.push(route(&mut table, "IPv4 route", Ipv4Addr::new(192, 0, 2, 1).into()));
            let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            checks.push(route(&mut table, "IPv6 route", documentation.into()));
        }
        Err(e) => checks.push(Check::fail(
            "interfaces",
            format!("the kernel can't be asked: {e}"),
            "allow netlink sockets (AF_NETLINK) in the sandbox or container",
        )),
    }
    checks.extend(links());
    checks.extend([kernel(), source_ports(), filter(), resets()]);
    checks.extend([buffers(), descriptors(), clock()]);
    checks
}

fn privileges() -> Check {
    let name = "privileges";
    match Privilege::detect() {
        Err(e) => Check::fail(name, format!("capabilities can't be read: {e}"), "mount /proc"),
        Ok(privilege) => match privilege.require_raw() {
            Ok(()) if privilege.net_admin => Check::ok(name, "packet sockets can be opened"),
            Ok(()) => Check::warn(
                name,
                "packet sockets can be opened, without CAP_NET_ADMIN: smaller socket buffers",
                "setcap cap_net_raw,cap_net_admin+ep on the program, for fast scans",
            ),
            Err(e) => Check::fail(name, "no packet socket can be opened", e.to_string()),
        },
    }
}

/// One for each link that probes can leave by, but for what the first check has said.
fn links() -> impl Iterator<Item = Check> {
    survey().into_iter().map(|report| {
        let name = match report.kind {
            LinkKind::Mmsg => "link mmsg",
            LinkKind::Xdp => "link xdp",
            LinkKind::Bpf => "link bpf",
            LinkKind::Auto | LinkKind::Null => "link",
        };
        match report.obstacle {
            None => Check::ok(name, "can run here"),
            Some(obstacle) => Check::warn(name, obstacle.why, obstacle.remedy),
        }
    })
}

fn interfaces(table: &RouteTable) -> Check {
    let name = "interfaces";
    let up = table.interfaces().iter().filter(|i| i.is_up);
    let words: Vec<String> = up
        .clone()
        .map(|i| {
            let addrs: Vec<String> =
                i.addrs.iter().map(|a| format!("{}/{}", a.addr, a.prefix_len)).collect();
            format!("{} ({})", i.name, addrs.join(", "))
        })
        .collect();
    if up.clone().any(|i| !i.is_loopback && !i.addrs.is_empty()) {
        Check::ok(name, words.join("; "))
    } else if words.is_empty() {
        Check::fail(name, "none is up", "ip link set lo up")
    } else {
        Check::warn(name, words.join("; "), "only this host itself can be scanned: bring one up")
    }
}

fn route(table: &mut RouteTable, name: &'static str, addr: IpAddr) -> Check {
    match table.lookup(addr) {
        Ok(Reach::Via(route)) => {
            let way = format!("by {} from {}", route.interface.name, route.source);
            Check::ok(name, way)
        }
        Ok(_) => Check::warn(
            name,
            "none beyond the networks on the links",
            "add a default route, where networks beyond are to be scanned",
        ),
        Err(e) => Check::warn(name, format!("can't be asked: {e}"), "allow netlink sockets"),
    }
}

fn kernel() -> Check {
    let name = "kernel";
    let Some(release) = read("/proc/sys/kernel/osrelease") else {
        return Check::warn(name, "its version can't be read", "mount /proc");
    };
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= KERNEL_WANTED => {
            Check::ok(name, format!("Linux {release}"))
        }
        _ => {
            let (major, minor) = KERNEL_WANTED;
            let remedy = format!("Linux {major}.{minor} or later does not echo our own packets");
            Check::warn(name, format!("Linux {release}"), remedy)
        }
    }
}

fn source_ports() -> Check {
    let name = "source ports";
    match PortBlock::pick(BLOCK_LEN_DEFAULT) {
        Ok(block) if block.len() >= BLOCK_LEN_DEFAULT => {
            let range = block.range();
            Check::ok(name, format!("{}-{} are free", range.start(), range.end()))
        }
        Ok(block) => Check::warn(
            name,
            format!("only {} adjacent ports are free", block.len()),
            "narrow net.ipv4.ip_local_port_range",
        ),
        Err(e) => Check::fail(name, e.to_string(), "narrow net.ipv4.ip_local_port_range"),
    }
}

fn filter() -> Check {
    let name = "packet filter";
    match number("/proc/sys/net/core/bpf_jit_enable") {
        Some(0) => Check::warn(
            name,
            "the kernel interprets packet filters",
            "sysctl -w net.core.bpf_jit_enable=1, for fast scans",
        ),
        Some(_) => Check::ok(name, "compiled by the kernel"),
        // Not shown outside the initial network namespace.
        None => Check::ok(name, "whether the kernel compiles filters can't be read here"),
    }
}

fn resets() -> Check {
    let name = "resets";
    match suppress::trial() {
        Ok(()) => Check::ok(name, "this host can be kept from resetting what answers"),
        Err(e @ SuppressError::NotPermitted(_)) => {
            Check::warn(name, e.to_string(), "run as root or grant CAP_NET_ADMIN")
        }
        Err(e) => Check::warn(
            name,
            format!("can't be suppressed: {e}"),
            "a kernel with CONFIG_NF_TABLES_NETDEV and CONFIG_NETFILTER_INGRESS",
        ),
    }
}

fn buffers() -> Check {
    let name = "buffers";
    let limits = ["/proc/sys/net/core/wmem_max", "/proc/sys/net/core/rmem_max"].map(number);
    match limits {
        [Some(send), Some(receive)] if send.min(receive) >= BUFFER_WANTED => {
            Check::ok(name, format!("send up to {send} octets, receive up to {receive}"))
        }
        [Some(send), Some(receive)] => match Privilege::detect() {
            Ok(Privilege { net_admin: true, .. }) => {
                Check::ok(name, format!("the limits of {send} and {receive} octets don't hold us"))
            }
            _ => Check::warn(
                name,
                format!("send at most {send} octets, receive at most {receive}"),
                format!(
                    "sysctl -w net.core.wmem_max={BUFFER_WANTED} net.core.rmem_max={BUFFER_WANTED}"
                ),
            ),
        },
        _ => Check::ok(name, "their limits can't be read here"),
    }
}

fn descriptors() -> Check {
    let name = "descriptors";
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|l| l.strip_prefix("Max open files"));
    let mut words = line.unwrap_or_default().split_whitespace();
    let limit = |word: Option<&str>| match word {
        Some("unlimited") => Some(u64::MAX),
        other => other.and_then(|w| w.parse().ok()),
    };
    match (limit(words.next()), limit(words.next())) {
        (Some(soft), _) if soft >= DESCRIPTORS_WANTED => Check::ok(name, format!("{soft} at once")),
        (Some(soft), hard) => {
            let most = hard.unwrap_or(soft);
            Check::warn(
                name,
                format!("{soft} at once (could be raised to {most}): connect scans are slow"),
                format!("ulimit -n {DESCRIPTORS_WANTED}, or LimitNOFILE= in the service"),
            )
        }
        _ => Check::warn(name, "their limit can't be read", "mount /proc"),
    }
}

fn clock() -> Check {
    let name = "clock";
    let time = now();
    if time.as_seconds() < EARLIEST_SECONDS {
        return Check::warn(
            name,
            format!("{} can't be right", rfc3339(time)),
            "set the time, and run a time service: scans are numbered by it",
        );
    }
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    match source.as_deref() {
        Some(slow @ ("hpet" | "acpi_pm" | "jiffies" | "refined-jiffies")) => Check::warn(
            name,
            format!("{}, read slowly through {slow}", rfc3339(time)),
            "boot with clocksource=tsc where the processor's counter is stable",
        ),
        Some(source) => Check::ok(name, format!("{}, by {source}", rfc3339(time))),
        None => Check::ok(name, rfc3339(time)),
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn number(path: &str) -> Option<u64> {
    read(path)?.parse().ok()
}
