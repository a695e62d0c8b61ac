//! Hostile frames over a real cable: namespace to namespace, through kernel filter and ring, with
//! true answers among them that must all be heard.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use portolan_core::link::{Encapsulation, FrameBatch};
use portolan_core::plan::ScanPlan;
use portolan_core::receive::ReceiveCounts;
use portolan_core::{Endpoint, ScanEvent, Timestamp};
use portolan_net::{
    Filter, PacketRx, PacketRxOptions, PacketTx, PacketTxOptions, RouteOverrides, RouteTable,
    RxLink, TxLink,
};
use portolan_simnet::lab::{FAR_INTERFACE, Lab, NEAR_INTERFACE, spawn_in_namespaces};
use portolan_simnet::network::{Hostile, siege};

/// Set in the child that runs in namespaces of its own.
const INSIDE: &str = "PORTOLAN_BENCH_INSIDE";
/// Of so many frames, one is a true answer.
const TRUE_ONE_IN: u64 = 64;
/// How long a full queue is waited for.
const PATIENCE: Duration = Duration::from_millis(50);

/// Throws `frames`, in a child that is root of namespaces of its own.
pub(crate) fn run(frames: u64, seed: u64) -> anyhow::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return measure(frames, seed);
    }
    let exe = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new(exe);
    child.args(std::env::args_os().skip(1)).env(INSIDE, "1").stdin(Stdio::null());
    let output = spawn_in_namespaces(&mut child)
        .context("namespaces of our own: run as root, or allow user namespaces")?;
    std::io::stdout().write_all(&output.stdout)?;
    std::io::stderr().write_all(&output.stderr)?;
    if !output.status.success() {
        bail!("the siege ended with {}", output.status);
    }
    Ok(())
}

/// What was heard.
#[derive(Default)]
struct Heard {
    frames: u64,
    told: BTreeSet<Endpoint>,
    false_results: u64,
    dropped: u64,
    counts: ReceiveCounts,
}

fn measure(frames: u64, seed: u64) -> anyhow::Result<()> {
    let lab = Lab::builder().build().context("laying the cable")?;
    let plan = Arc::new(siege::plan(seed, Encapsulation::Ethernet)?);
    let hostile = Hostile::new(seed, &plan, Encapsulation::Ethernet);
    let truths: BTreeSet<(Endpoint, &'static str)> =
        hostile.true_answers().map(|(truth, _)| (truth.endpoint, truth.state.name())).collect();
    let ports = plan.config().source_ports;
    let filter = Filter::new(Encapsulation::Ethernet).ports(ports.first()..=ports.last());
    let near = index_of(NEAR_INTERFACE)?;
    let mut rx = PacketRx::open(near, &filter, PacketRxOptions::default())?;
    let done = AtomicBool::new(false);
    let start = Instant::now();
    let (sent, heard) = std::thread::scope(|scope| {
        let listener = scope.spawn(|| listen(&mut rx, &plan, &truths, &done, start));
        let sent = lab.far(|| send(hostile, frames).map_err(std::io::Error::other));
        done.store(true, Ordering::Release);
        let heard = listener.join().map_err(|_| anyhow::anyhow!("the listener panicked"))?;
        Ok::<_, anyhow::Error>((sent?, heard?))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    report(&sent, &heard, &truths, seconds)
}

fn report(
    sent: &Sent,
    heard: &Heard,
    truths: &BTreeSet<(Endpoint, &'static str)>,
    seconds: f64,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let rate = sent.frames as f64 / seconds / 1e6;
    writeln!(
        out,
        "{} frames over a veth pair in {seconds:.1} s: {rate:.2} million a second",
        sent.frames
    )?;
    writeln!(out, "{} of them true answers, in turns", sent.true_ones)?;
    writeln!(
        out,
        "past the kernel filter: {} read, {} dropped for want of room",
        heard.frames, heard.dropped
    )?;
    let endpoints: BTreeSet<Endpoint> = truths
        .iter()
        .map(|t| t.0)
        .filter(|e| e.port != 0 && e.transport != portolan_core::Transport::Ip)
        .collect();
    let found = endpoints.intersection(&heard.told).count();
    writeln!(
        out,
        "endpoints told: {found} of {}, false: {}",
        endpoints.len(),
        heard.false_results
    )?;
    writeln!(
        out,
        "replies believed: {}, rejected: {:?}",
        heard.counts.replies, heard.counts.rejected
    )?;
    if heard.false_results > 0 {
        bail!("{} results were false", heard.false_results);
    }
    Ok(())
}

fn listen(
    rx: &mut PacketRx,
    plan: &Arc<ScanPlan>,
    truths: &BTreeSet<(Endpoint, &'static str)>,
    done: &AtomicBool,
    start: Instant,
) -> anyhow::Result<Heard> {
    let mut half = siege::receiver(plan, Encapsulation::Ethernet);
    let mut heard = Heard::default();
    loop {
        let last = done.load(Ordering::Acquire);
        let (told, lies) = (&mut heard.told, &mut heard.false_results);
        let read = rx.recv(PATIENCE, &mut |arrival| {
            let now = (Timestamp::ZERO + start.elapsed()).before(arrival.age);
            // A frame that is no answer has been counted.
            let _ = half.handle_frame(now, arrival.frame, &mut |event| {
                if let ScanEvent::Endpoint(seen) = event {
                    told.insert(seen.endpoint);
                    // An endpoint may be in stock with several answers: any of them will do.
                    *lies += u64::from(!truths.contains(&(seen.endpoint, seen.state.name())));
                }
            });
        })?;
        heard.frames += u64::try_from(read)?;
        if last && read == 0 {
            heard.dropped = rx.dropped();
            heard.counts = *half.counts();
            return Ok(heard);
        }
    }
}

struct Sent {
    frames: u64,
    true_ones: u64,
}

/// Sends from the calling thread's namespace: hostile frames, and true answers in turns, made
/// beforehand and sent round and round, for making them takes longer than sending.
fn send(hostile: Hostile, frames: u64) -> anyhow::Result<Sent> {
    let far = index_of(FAR_INTERFACE)?;
    let mut tx = PacketTx::open(far, Encapsulation::Ethernet, PacketTxOptions::default())?;
    let (batches, true_ones) = volley(hostile);
    let (mut sent, mut rounds) = (0, 0);
    for batch in batches.iter().cycle() {
        if sent >= frames {
            break;
        }
        let mut from = 0;
        while from < batch.len() {
            let taken = tx.send(batch, from)?;
            from += taken;
            if taken == 0 {
                tx.wait_writable(PATIENCE)?;
            }
        }
        sent += u64::try_from(batch.len())?;
        rounds += 1;
    }
    let true_ones = true_ones * rounds / u64::try_from(batches.len().max(1))?;
    Ok(Sent { frames: sent, true_ones })
}

/// As many batches as hold every true answer once, and how many those are.
fn volley(mut hostile: Hostile) -> (Vec<FrameBatch>, u64) {
    let true_frames: Vec<Vec<u8>> = hostile.true_answers().map(|(_, f)| f.to_vec()).collect();
    let (mut batches, mut batch, mut frames, mut true_ones) = (Vec::new(), FrameBatch::new(), 0, 0);
    let mut answers = true_frames.iter();
    loop {
        let pushed = if frames % TRUE_ONE_IN == 0 {
            let Some(answer) = answers.next() else { break };
            true_ones += 1;
            batch.push(answer)
        } else {
            let (_, _, frame) = hostile.next_frame();
            // The kernel refuses what is shorter than a link header.
            if frame.len() < 14 { None } else { batch.push(frame) }
        };
        frames += u64::from(pushed.is_some());
        if batch.is_full() {
            batches.push(std::mem::take(&mut batch));
        }
    }
    batches.push(batch);
    (batches, true_ones)
}

fn index_of(interface: &str) -> anyhow::Result<u32> {
    let table = RouteTable::open(RouteOverrides::default())?;
    Ok(table.interface(interface).context("the lab's interface is gone")?.index)
}
