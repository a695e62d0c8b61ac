//! Starting the daemons, and waiting until they listen.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use portolan_simnet::process::run_bounded;

use super::catalogue::{Daemon, Endpoint, Places};
use super::listening::{Listening, listening};
use super::world::World;

/// Daemons that are prepared at once.
const WORKERS: usize = 2;
/// How long preparing one may take.
const PREPARING: Duration = Duration::from_mins(2);
/// How long they may take to listen.
const WAITING: Duration = Duration::from_secs(90);
/// Many listen before they can answer.
const SETTLING: Duration = Duration::from_secs(4);
/// How often the kernel is asked who listens.
const PERIOD: Duration = Duration::from_millis(250);
/// Where it is kept what is up.
const UP: &str = "up.json";

/// What listens.
pub(crate) type Up = Listening;

/// What became of the daemons.
pub(crate) struct Started {
    pub(crate) up: Up,
    /// Names, and the last word of each.
    pub(crate) failed: Vec<(String, String)>,
    /// Held, so that nobody waits for them.
    _running: Vec<Child>,
}

/// A daemon whose start was tried.
struct Tried<'a> {
    daemon: &'a Daemon,
    child: Result<Child, String>,
}

/// Starts every one of `daemons` at the far end of `world` and waits until they listen.
pub(crate) fn start(daemons: &[Daemon], world: &World, places: &Places) -> anyhow::Result<Started> {
    let queue = Mutex::new(daemons.iter());
    let tried = Mutex::new(Vec::new());
    world.far(|| {
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some(daemon) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                        let child = start_one(daemon, world, places).map_err(|e| format!("{e:#}"));
                        if let Ok(mut tried) = tried.lock() {
                            tried.push(Tried { daemon, child });
                        }
                    }
                });
            }
        });
        Ok(())
    })?;
    let mut tried = tried.into_inner().unwrap_or_default();
    let fronts = front(daemons, world)?;
    let up = world.far(|| Ok(wait(&mut tried)))?;
    fs::write(world.folder().join(UP), serde_json::to_string(&up)?)?;
    let mut failed = Vec::new();
    let mut running: Vec<Child> = fronts.into_iter().collect();
    for Tried { daemon, child } in tried {
        let silent = daemon.endpoints.iter().filter(|e| !up.contains(&key(e)));
        let ports: Vec<String> = silent.map(|e| e.port.to_string()).collect();
        let dir = world.folder().join(&daemon.name);
        match child {
            Err(why) => failed.push((daemon.name.clone(), why)),
            Ok(child) => {
                running.push(child);
                if !ports.is_empty() {
                    let why = format!("port {}: {}", ports.join(", "), last_word(&dir));
                    failed.push((daemon.name.clone(), why));
                }
            }
        }
    }
    Ok(Started { up, failed, _running: running })
}

/// What was up when the daemons of the world in `folder` were started.
pub(crate) fn read_up(folder: &Path) -> anyhow::Result<Up> {
    let text = fs::read_to_string(folder.join(UP)).context("no daemons run")?;
    Ok(serde_json::from_str(&text)?)
}

/// An endpoint as `/proc` has it.
pub(crate) const fn key(endpoint: &Endpoint) -> (bool, bool, u16) {
    (endpoint.udp, endpoint.ipv6, endpoint.port)
}

/// Prepares and starts one, in the calling thread's namespace.
fn start_one(daemon: &Daemon, world: &World, places: &Places) -> anyhow::Result<Child> {
    let dir = world.folder().join(&daemon.name);
    fs::create_dir_all(&dir)?;
    let fill = |text: &str| world.fill(&dir, &places.fill(daemon, text));
    for (name, text) in &daemon.files {
        write(&dir.join(fill(name)), &fill(text))?;
    }
    if let Some(setup) = &daemon.setup {
        let mut command = shell(&dir, "setup", &fill(setup))?;
        let ran = run_bounded(&mut command, PREPARING)?;
        if !ran.status.success() {
            anyhow::bail!("preparing: {}: {}", ran.status, last_word(&dir));
        }
    }
    Ok(shell(&dir, "log", &fill(&daemon.run))?.spawn()?)
}

/// A shell that runs `text` in `dir` and writes what is said to the file `log` there.
fn shell(dir: &Path, log: &str, text: &str) -> io::Result<Command> {
    let out = File::create(dir.join(log))?;
    let err = out.try_clone()?;
    let mut command = Command::new("sh");
    command.args(["-ec", text]).current_dir(dir).process_group(0);
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    command.env("HOME", dir).env("LC_ALL", "C.UTF-8").env_remove("TMPDIR");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/usr/games");
    Ok(command)
}

fn write(path: &PathBuf, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)?;
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// One program that ends TLS before all who can't themselves.
fn front(daemons: &[Daemon], world: &World) -> anyhow::Result<Option<Child>> {
    let dir = world.folder().join("front");
    let mut text = "foreground = yes\npid =\n".to_owned();
    let mut any = false;
    for endpoint in daemons.iter().flat_map(|daemon| &daemon.endpoints) {
        let Endpoint { port, front: Some(behind), ipv6, .. } = endpoint else { continue };
        let accept = if *ipv6 { ":::" } else { "0.0.0.0:" };
        let lines = [
            format!("[to-{port}]"),
            format!("accept = {accept}{port}"),
            format!("connect = 127.0.0.1:{behind}"),
            "cert = {both}\n".to_owned(),
        ];
        text.push_str(&lines.join("\n"));
        any = true;
    }
    if !any {
        return Ok(None);
    }
    fs::create_dir_all(&dir)?;
    write(&dir.join("stunnel.conf"), &world.fill(&dir, &text))?;
    let mut command = shell(&dir, "log", "exec stunnel4 stunnel.conf")?;
    Ok(Some(world.far(|| command.spawn())?))
}

/// Waits until all who may still come do listen.
fn wait(tried: &mut [Tried<'_>]) -> Up {
    let deadline = Instant::now() + WAITING;
    loop {
        let up = listening();
        let mut awaited = tried.iter_mut().filter_map(|Tried { daemon, child }| {
            let child = child.as_mut().ok()?;
            let ended = child.try_wait().ok().flatten().is_some_and(|status| !status.success());
            let all = daemon.endpoints.iter().all(|endpoint| up.contains(&key(endpoint)));
            (!ended && !all).then_some(())
        });
        if awaited.next().is_none() || Instant::now() > deadline {
            thread::sleep(SETTLING);
            let wanted: BTreeSet<_> =
                tried.iter().flat_map(|one| one.daemon.endpoints.iter().map(key)).collect();
            return listening().intersection(&wanted).copied().collect();
        }
        thread::sleep(PERIOD);
    }
}

/// The last line that a daemon wrote, or what prepared it.
fn last_word(dir: &Path) -> String {
    let read = |file| {
        let octets = fs::read(dir.join(file)).ok()?;
        let text = String::from_utf8_lossy(&octets).into_owned();
        let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(last.trim().chars().take(200).collect::<String>())
    };
    read("log").or_else(|| read("setup")).unwrap_or_else(|| "no word".to_owned())
}
