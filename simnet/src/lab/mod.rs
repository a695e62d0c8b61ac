//! A lab of real packets: two network namespaces with a virtual cable between them, made by the
//! test for itself, without root and without any external program.
//!
//! ```text
//! near (where the test runs)                  far (a kernel stack that answers)
//! near0 10.77.0.1/16  fd00:77::1/64 ───────── far0 10.77.0.2/16  fd00:77::2/64
//!                                   (relay)   every address of 10.78.0.0/15, fd00:78::/64
//! ```
//!
//! A test wraps its body in [`lab_test!`](crate::lab_test): the body then runs in a child process
//! that is root of its own user and network namespace.
//! Inside, [`Lab::builder`](crate::lab::Lab::builder) lays the cable.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;
use netlink_packet_route::route::RouteType;

use crate::sys;

/// Every frame that arrives, recorded.
mod capture;
/// Network namespaces and threads in them.
mod namespace;
/// Interfaces, addresses and routes.
mod netlink;
/// Loss and delay on the cable.
mod relay;
/// An answerer of frames.
mod responder;
/// What answers on the far side.
mod service;
/// Interfaces without hardware addresses.
mod tun;
/// What becomes of frames before any stack sees them.
mod verdict;
/// An interface's frames, in and out.
mod wire;
/// A thread that works until it is dropped.
mod worker;

pub use capture::{Capture, Captured};
pub use namespace::{Namespace, sysctl};
pub use relay::RelayOptions;
pub use responder::Responder;
pub use service::{UdpEcho, listen_tcp};
pub use tun::Tun;
pub use verdict::Verdict;
pub use wire::Wire;
pub use worker::{Stop, Worker};

use netlink::{Rtnl, VethEnd};
use relay::Relay;

/// The interface on the near side.
pub const NEAR_INTERFACE: &str = "near0";
/// The interface on the far side.
pub const FAR_INTERFACE: &str = "far0";
/// Its hardware address.
pub const NEAR_MAC: [u8; 6] = [2, 0, 0, 0, 0x77, 1];
/// Its hardware address.
pub const FAR_MAC: [u8; 6] = [2, 0, 0, 0, 0x77, 2];
/// The near side's address; the link's prefix is /16.
pub const NEAR_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The far side's address on the link.
pub const FAR_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The near side's IPv6 address; the link's prefix is /64.
pub const NEAR_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 1);
/// The far side's IPv6 address on the link.
pub const FAR_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 2);

/// Names the test whose body runs in the child process.
const VARIABLE: &str = "PORTOLAN_LAB";

/// Runs the body of a `#[test]` in a child process that is root of fresh user and network
/// namespaces.
///
/// ```ignore
/// #[test]
/// fn the_far_side_answers() {
///     portolan_simnet::lab_test!(the_far_side_answers, {
///         let lab = portolan_simnet::lab::Lab::builder().build().unwrap();
///         // …
///     });
/// }
/// ```
#[macro_export]
macro_rules! lab_test {
    ($name:ident, $body:block) => {
        $crate::lab::enter(concat!(module_path!(), "::", stringify!($name)), || $body)
    };
}

/// [`lab_test!`](crate::lab_test) with all rights of real root, for what no user namespace may do.
///
/// Where the caller is not root, one loud line is written and the test passes, unless the
/// environment says `CI=true`.
#[macro_export]
macro_rules! lab_root_test {
    ($name:ident, $body:block) => {
        $crate::lab::enter_as_root(concat!(module_path!(), "::", stringify!($name)), || $body)
    };
}

/// Runs `body` as the test called `path` (as `module_path!` has it) in namespaces of its own.
///
/// In the test process this starts the child and reports its outcome; in the child it runs the
/// body. Where the kernel refuses namespaces, one loud line is written and the test passes, unless
/// the environment says `CI=true`.
///
/// # Panics
/// When the body does, with its output; when namespaces are refused under `CI=true`.
pub fn enter(path: &str, body: impl FnOnce()) {
    enter_by(path, body, spawn_in_namespaces);
}

/// As [`enter`], with all rights of real root: for what no user namespace may do (BPF).
///
/// # Panics
/// As [`enter`].
pub fn enter_as_root(path: &str, body: impl FnOnce()) {
    enter_by(path, body, spawn_as_root);
}

fn enter_by(
    path: &str,
    body: impl FnOnce(),
    spawn: fn(&mut Command) -> io::Result<std::process::Output>,
) {
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    if std::env::var(VARIABLE).is_ok_and(|running| running == name) {
        body();
        return;
    }
    let child = std::env::current_exe().and_then(|exe| {
        let mut command = Command::new(exe);
        command
            .args(["--exact", name, "--include-ignored", "--nocapture", "--test-threads=1"])
            .env(VARIABLE, name);
        spawn(&mut command)
    });
    let output = match child {
        Ok(output) => output,
        Err(error) => {
            let line = format!("LAB NOT AVAILABLE: {name} did not run: {error}");
            assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{line}");
            // Past the test harness's capture: this must be read.
            let _told = writeln!(io::stderr(), "{line}");
            return;
        }
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let ran = stdout.contains("1 passed");
    assert!(
        output.status.success() && ran,
        "{name} failed in the lab ({})\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs `command` to its end as root of fresh user and network namespaces.
///
/// # Errors
/// When the kernel refuses the namespaces, or the program can't be started.
pub fn spawn_in_namespaces(command: &mut Command) -> io::Result<std::process::Output> {
    let own = std::fs::metadata("/proc/self")?;
    sys::in_new_namespaces(command, own.uid(), own.gid());
    command.output()
}

/// Runs `command` to its end in a fresh network namespace, with all rights of the caller, who must
/// be real root.
///
/// # Errors
/// When the kernel refuses the namespace, or the program can't be started.
pub fn spawn_as_root(command: &mut Command) -> io::Result<std::process::Output> {
    sys::in_new_network(command);
    command.output()
}

/// Makes `command` start where a lab can be built: in a network namespace of its own, with all
/// privileges of real root where the caller has them (BPF needs those), else as root of a user
/// namespace. It dies with the calling thread.
///
/// # Errors
/// When `/proc` is not there.
pub fn lead_into_lab(command: &mut Command) -> io::Result<()> {
    let own = std::fs::metadata("/proc/self")?;
    let mut probe = Command::new("/proc/self/exe");
    probe.arg("--help").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    sys::in_new_network(&mut probe);
    if own.uid() == 0 && probe.status().is_ok() {
        sys::in_new_network(command);
    } else {
        sys::in_new_namespaces(command, own.uid(), own.gid());
    }
    Ok(())
}

/// Whether this kernel lets us make a lab.
pub fn lab_available() -> bool {
    spawn_in_namespaces(Command::new("/proc/self/exe").arg("--help")).is_ok()
}

/// How the lab is to be.
#[derive(Debug, Clone, Default)]
pub struct LabBuilder {
    relay: Option<RelayOptions>,
    addrs: Vec<IpNetwork>,
    silent: Vec<IpNetwork>,
    rejected: Vec<IpNetwork>,
    bare: bool,
    polled: bool,
    queues: Option<NonZeroU32>,
}

impl LabBuilder {
    /// The far side's kernel answers for its own address on the link and for nothing beyond: the
    /// test answers for the rest, through a [`Wire`] or an XDP program.
    #[must_use]
    pub const fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Both ends of the cable take frames in by polling, as hardware does: XDP programs may then
    /// send through it.
    #[must_use]
    pub const fn polled(mut self) -> Self {
        self.polled = true;
        self
    }

    /// Both ends have so many queues in each direction, as a network card has one for each
    /// processor; one, unless said.
    #[must_use]
    pub const fn queues(mut self, queues: NonZeroU32) -> Self {
        self.queues = Some(queues);
        self
    }

    /// The cable passes through a relay that loses and delays.
    #[must_use]
    pub const fn relay(mut self, options: RelayOptions) -> Self {
        self.relay = Some(options);
        self
    }

    /// The far side has the address of `net` on the link too.
    #[must_use]
    pub fn addr(mut self, net: IpNetwork) -> Self {
        self.addrs.push(net);
        self
    }

    /// The far side drops what is for `net` without a word.
    #[must_use]
    pub fn silent(mut self, net: IpNetwork) -> Self {
        self.silent.push(net);
        self
    }

    /// The far side answers what is for `net` with ICMP "administratively prohibited".
    ///
    /// Over IPv4 Linux sends some five of these at once to one host, and then one a second.
    #[must_use]
    pub fn rejected(mut self, net: IpNetwork) -> Self {
        self.rejected.push(net);
        self
    }

    /// Lays the cable and waits until both sides may speak.
    ///
    /// # Errors
    /// When the kernel refuses a part of it; most likely the caller is not in
    /// [`lab_test!`](crate::lab_test).
    pub fn build(self) -> io::Result<Lab> {
        let near = Namespace::current()?;
        let far = Namespace::create()?;
        quiet()?;
        far.run(quiet)?;
        let queues = self.queues.map_or(1, NonZeroU32::get);
        let near_end = VethEnd { name: NEAR_INTERFACE, mac: NEAR_MAC, namespace: &near, queues };
        let far_end = VethEnd { name: FAR_INTERFACE, mac: FAR_MAC, namespace: &far, queues };
        let relay = match self.relay {
            None => {
                Rtnl::open()?.add_veth(&near_end, &far_end)?;
                None
            }
            Some(options) => Some(Relay::start(options, &near_end, &far_end)?),
        };
        if relay.is_some() {
            sys::disable_checksum_offload(NEAR_INTERFACE)?;
            far.run(|| sys::disable_checksum_offload(FAR_INTERFACE))?;
        }
        if self.polled {
            sys::enable_polling(NEAR_INTERFACE)?;
            far.run(|| sys::enable_polling(FAR_INTERFACE))?;
        }
        far.run(|| Rtnl::open()?.up(FAR_INTERFACE))?;
        Rtnl::open()?.up(NEAR_INTERFACE)?;
        far.run(|| far_side(&self))?;
        near_side()?;
        wait_ready(NEAR_V6)?;
        far.run(|| wait_ready(FAR_V6))?;
        Ok(Lab { near, far, relay })
    }
}

/// A lab; gone when dropped and the namespaces' sockets are closed.
#[derive(Debug)]
pub struct Lab {
    near: Namespace,
    far: Namespace,
    relay: Option<Relay>,
}

impl Lab {
    /// A lab with a plain cable and a far side that answers.
    pub fn builder() -> LabBuilder {
        LabBuilder::default()
    }

    /// Runs `work` on the far side; see [`Namespace::run`].
    ///
    /// # Errors
    /// What `work` returns.
    pub fn far<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        self.far.run(work)
    }

    /// The namespace that the test runs in.
    pub const fn near_namespace(&self) -> &Namespace {
        &self.near
    }

    /// Has every frame that arrives on the far side judged by an XDP program in the driver.
    ///
    /// A veth interface takes frames from a peer's XDP program only while it has one itself, or
    /// polls; so the far side of a sender that uses XDP needs one that passes.
    /// Lasts as long as the interface.
    ///
    /// # Errors
    /// Without `CAP_BPF` (no user namespace gives it), see
    /// [`lab_root_test!`](crate::lab_root_test).
    pub fn far_verdict(&self, verdict: Verdict) -> io::Result<()> {
        self.far.run(|| verdict.attach(FAR_INTERFACE))
    }

    /// The same for what arrives on the near side.
    ///
    /// # Errors
    /// As [`Lab::far_verdict`].
    pub fn near_verdict(&self, verdict: Verdict) -> io::Result<()> {
        self.near.run(|| verdict.attach(NEAR_INTERFACE))
    }

    /// Leaves what arrives on the near side to whoever is measured: an interface has room for one
    /// program.
    ///
    /// # Errors
    /// As [`Lab::far_verdict`].
    pub fn near_unjudged(&self) -> io::Result<()> {
        self.near.run(|| Verdict::detach(NEAR_INTERFACE))
    }

    /// Answers frames that arrive on the far side with what `answer` makes of them, beside what the
    /// far side's kernel says; for protocols that no kernel here speaks.
    ///
    /// # Errors
    /// When the kernel refuses the sockets.
    pub fn respond(
        &self,
        answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> io::Result<Responder> {
        self.far.run(|| Responder::start(FAR_INTERFACE, answer))
    }

    /// Frames that the relay has lost beyond what it was told to, because it did not keep up.
    pub fn relay_overrun(&self) -> u64 {
        self.relay.as_ref().map_or(0, Relay::overrun)
    }

    /// Records every frame that arrives on the far side from now on.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub fn capture(&self) -> io::Result<Capture> {
        self.far.run(|| Capture::start(FAR_INTERFACE))
    }
}

/// Sets what a namespace must not do by itself, before it has interfaces.
///
/// Kernels differ in the switches they have and in who may turn them; a lab without some of them
/// has more background traffic or lower ICMP limits, and works.
fn quiet() -> io::Result<()> {
    const SWITCHES: [(&str, &str); 15] = [
        ("net/ipv6/conf/default/accept_dad", "0"),
        ("net/ipv6/conf/all/accept_dad", "0"),
        ("net/ipv6/conf/default/accept_ra", "0"),
        ("net/ipv6/conf/default/router_solicitations", "0"),
        ("net/ipv4/icmp_ratelimit", "0"),
        ("net/ipv4/icmp_msgs_per_sec", "1000000"),
        ("net/ipv4/icmp_msgs_burst", "1000000"),
        ("net/ipv6/icmp/ratelimit", "0"),
        ("net/ipv6/ip_nonlocal_bind", "1"),
        ("net/ipv4/tcp_max_syn_backlog", "65536"),
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/default/rp_filter", "0"),
        ("net/ipv4/neigh/default/gc_thresh3", "131072"),
        ("net/ipv4/neigh/default/unres_qlen_bytes", "4194304"),
        ("net/ipv4/ip_local_port_range", "32768 60999"),
    ];
    for (name, value) in SWITCHES {
        let _unset = sysctl(name, value);
    }
    Rtnl::open()?.up("lo")
}

fn far_side(plan: &LabBuilder) -> io::Result<()> {
    let rtnl = Rtnl::open()?;
    rtnl.add_address(FAR_INTERFACE, net(FAR_V4.into(), 16)?)?;
    rtnl.add_address(FAR_INTERFACE, net(FAR_V6.into(), 64)?)?;
    let beyond: &[&str] =
        if plan.bare { &[] } else { &["10.78.0.0/15", "10.77.128.0/17", "fd00:78::/64"] };
    for text in beyond {
        let any = text.parse().map_err(io::Error::other)?;
        rtnl.add_route(any, RouteType::Local, Some("lo"), None)?;
    }
    for net in &plan.addrs {
        rtnl.add_address(FAR_INTERFACE, *net)?;
    }
    for net in &plan.silent {
        rtnl.add_refusal(*net, RouteType::BlackHole)?;
    }
    for net in &plan.rejected {
        rtnl.add_refusal(*net, RouteType::Prohibit)?;
    }
    if !plan.rejected.is_empty() {
        sysctl("net/ipv4/ip_forward", "1")?;
        sysctl("net/ipv6/conf/all/forwarding", "1")?;
    }
    Ok(())
}

fn near_side() -> io::Result<()> {
    let rtnl = Rtnl::open()?;
    rtnl.add_address(NEAR_INTERFACE, net(NEAR_V4.into(), 16)?)?;
    rtnl.add_address(NEAR_INTERFACE, net(NEAR_V6.into(), 64)?)?;
    for (text, gateway) in
        [("10.78.0.0/15", IpAddr::V4(FAR_V4)), ("fd00:78::/64", IpAddr::V6(FAR_V6))]
    {
        let beyond = text.parse().map_err(io::Error::other)?;
        rtnl.add_route(beyond, RouteType::Unicast, Some(NEAR_INTERFACE), Some(gateway))?;
    }
    Ok(())
}

fn net(addr: IpAddr, prefix: u8) -> io::Result<IpNetwork> {
    IpNetwork::new(addr, prefix).map_err(io::Error::other)
}

/// Waits until `addr` is in use, some seconds at most.
fn wait_ready(addr: Ipv6Addr) -> io::Result<()> {
    let rtnl = Rtnl::open()?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !rtnl.is_local(addr.into()).is_ok_and(|local| local) {
        if Instant::now() > deadline {
            return Err(io::Error::other("an address of the lab does not come into use"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
