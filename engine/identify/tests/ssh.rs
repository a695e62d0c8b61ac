//! The audit against real servers, which are oracles only: where one is not installed its tests
//! say so, and fail in CI. Each serves one connection after the other, on loopback.

#![expect(clippy::unwrap_used, reason = "a helper that can't go on fails its test")]

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use portolan_identify::ssh::{AuthMethods, Fault, Kind, SshFacts, audit};
use tokio::time::Instant;

/// Longest that an audit may take here: it ends long before, or the test has failed.
const TIME_MAX: Duration = Duration::from_mins(1);
const OCTETS_MAX: usize = 64 << 10;

#[test]
fn openssh_tells_all_that_it_would_tell_its_owner() {
    let Some(server) = OpenSsh::new(&["PasswordAuthentication yes"]) else { return };
    let facts = server.audit();
    assert_eq!(facts.stopped, None);
    let identification = facts.identification.as_ref().unwrap();
    assert_eq!(identification.protocol, "2.0");
    assert!(identification.software.starts_with("OpenSSH_"), "{identification:?}");
    assert_eq!(told_keys(&facts), server.printed_keys());
    assert_eq!(told_methods(&facts), ["publickey", "password"]);

    let offer = facts.offer.as_ref().unwrap();
    let printed = server.printed_configuration();
    let list = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(offer.ciphers.to_server(), list("ciphers "));
    assert_eq!(offer.macs.to_client(), list("macs "));
    let (methods, markers): (Vec<String>, _) =
        offer.kex.iter().cloned().partition(|name| list("kexalgorithms ").contains(name));
    assert_eq!(methods, list("kexalgorithms "));
    let strict = markers.iter().any(|name| name == "kex-strict-s-v00@openssh.com");
    assert_eq!(facts.terrapin, Some(!strict), "ChaCha20-Poly1305 is offered");
    assert!(!facts.weaknesses.iter().any(|weak| weak.name.contains("nistp")));
}

#[test]
fn methods_that_are_off_are_told_to_be_off() {
    let Some(server) = OpenSsh::new(&["PasswordAuthentication no"]) else { return };
    let facts = server.audit();
    assert_eq!(facts.auth_methods.allows("publickey"), Some(true));
    assert_eq!(facts.auth_methods.allows("password"), Some(false));
}

#[test]
fn every_key_exchange_method_is_spoken() {
    let methods = [
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group1-sha1",
    ];
    for method in methods {
        let Some(server) = OpenSsh::new(&[&format!("KexAlgorithms {method}")]) else { return };
        let facts = server.audit();
        assert_eq!(told_keys(&facts), server.printed_keys(), "{method}");
        assert!(facts.auth_methods.allows("publickey").is_some(), "{method}: {facts:?}");
    }
}

#[test]
fn every_cipher_and_every_code_is_spoken() {
    let ciphers = [
        "chacha20-poly1305@openssh.com",
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes256-ctr",
    ];
    let macs = [
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-512",
        "hmac-sha1-etm@openssh.com",
        "hmac-sha1",
        "hmac-sha1-96",
    ];
    let cases = ciphers.map(|cipher| (cipher, "hmac-sha2-256")).into_iter();
    for (cipher, mac) in cases.chain(macs.map(|mac| ("aes128-ctr", mac))) {
        let lines = [format!("Ciphers {cipher}"), format!("MACs {mac}")];
        let Some(server) = OpenSsh::new(&lines.each_ref().map(String::as_str)) else { return };
        let facts = server.audit();
        assert!(facts.auth_methods.allows("publickey").is_some(), "{cipher} {mac}: {facts:?}");
    }
}

#[test]
fn what_is_not_spoken_here_is_not_taken_for_off() {
    let Some(server) = OpenSsh::new(&["Ciphers aes128-cbc"]) else { return };
    let facts = server.audit();
    assert_eq!(told_keys(&facts), server.printed_keys(), "keys are told before ciphers matter");
    assert_eq!(facts.auth_methods, AuthMethods::Unknown(Fault::NoCommon(Kind::Cipher)));
    assert_eq!(facts.auth_methods.allows("password"), None);
    assert!(facts.weaknesses.iter().any(|weak| weak.name == "aes128-cbc"));

    let line = "KexAlgorithms sntrup761x25519-sha512@openssh.com";
    let Some(server) = OpenSsh::new(&[line]) else { return };
    let facts = server.audit();
    let fault = Fault::NoCommon(Kind::KeyExchange);
    assert_eq!(facts.auth_methods, AuthMethods::Unknown(fault.clone()));
    assert_eq!(facts.host_keys, []);
    assert_eq!(facts.host_keys_unknown.len(), server.printed_keys().len());
    assert!(facts.host_keys_unknown.iter().all(|unknown| unknown.why == fault));
}

#[test]
fn dropbear_tells_its_keys_and_methods() {
    for (options, expected) in
        [(&[][..], &["publickey", "password"][..]), (&["-s"], &["publickey"])]
    {
        let Some(server) = dropbear(options) else { return };
        let facts = server.audit();
        let identification = facts.identification.as_ref().unwrap();
        assert!(identification.software.starts_with("dropbear"), "{identification:?}");
        assert_eq!(told_keys(&facts), server.printed_keys());
        assert_eq!(told_methods(&facts), expected);
    }
}

/// Bits and fingerprint of each key, as `ssh-keygen -l` begins its lines.
fn told_keys(facts: &SshFacts) -> Vec<String> {
    assert_eq!(facts.host_keys_unknown, []);
    let line = |key: &portolan_identify::ssh::HostKey| {
        format!("{} {}", key.bits.unwrap(), key.fingerprint)
    };
    let mut lines: Vec<String> = facts.host_keys.iter().map(line).collect();
    lines.sort();
    lines
}

fn told_methods(facts: &SshFacts) -> Vec<String> {
    let methods = facts.auth_methods.told();
    assert!(methods.is_some(), "{:?}", facts.auth_methods);
    methods.unwrap().to_vec()
}

/// A server that is started anew for every connection, as by inetd.
struct Server {
    addr: SocketAddr,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    dir: tempfile::TempDir,
}

impl Server {
    fn start(program: PathBuf, arguments: Vec<OsString>, dir: tempfile::TempDir) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let input = OwnedFd::from(stream.unwrap());
                let output = input.try_clone().unwrap();
                let mut command = Command::new(&program);
                command.args(&arguments).stdin(Stdio::from(input)).stdout(Stdio::from(output));
                let mut child = command.stderr(Stdio::null()).spawn().unwrap();
                drop(command);
                // The client closes its end, and with that the server ends.
                child.wait().unwrap();
            }
        });
        Self { addr, done, thread: Some(thread), dir }
    }

    fn audit(&self) -> SshFacts {
        run(self.addr, Instant::now() + TIME_MAX)
    }

    /// As [`told_keys`] gives them, from the public keys in the folder.
    fn printed_keys(&self) -> Vec<String> {
        let files = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let public = files.filter(|path| path.extension().is_some_and(|end| end == "pub"));
        let line = |path: PathBuf| {
            let printed = output("ssh-keygen", &["-l".as_ref(), "-f".as_ref(), path.as_os_str()]);
            printed.split(' ').take(2).collect::<Vec<_>>().join(" ")
        };
        let mut lines: Vec<String> = public.map(line).collect();
        lines.sort();
        lines
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct OpenSsh {
    server: Server,
    program: PathBuf,
}

impl std::ops::Deref for OpenSsh {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl OpenSsh {
    /// With three host keys and these lines besides; `None` where it is not installed.
    fn new(lines: &[&str]) -> Option<Self> {
        let program = installed("sshd")?;
        installed("ssh-keygen")?;
        // Started by root it insists on this folder, which its package leaves to whoever starts it.
        let _ = fs::create_dir("/run/sshd");
        let dir = tempfile::tempdir().unwrap();
        let mut configuration: Vec<String> =
            ["KbdInteractiveAuthentication no", "UsePAM no"].map(str::to_owned).to_vec();
        configuration.extend(lines.iter().map(|line| (*line).to_owned()));
        for (kind, bits) in [("rsa", "2048"), ("ecdsa", "384"), ("ed25519", "256")] {
            let path = dir.path().join(kind);
            let arguments = ["-q", "-N", "", "-t", kind, "-b", bits, "-f"].map(OsString::from);
            let arguments: Vec<OsString> =
                arguments.into_iter().chain([path.clone().into_os_string()]).collect();
            output("ssh-keygen", &arguments);
            configuration.push(format!("HostKey {}", path.display()));
        }
        let file = dir.path().join("configuration");
        fs::write(&file, configuration.join("\n")).unwrap();
        let arguments = vec!["-i".into(), "-f".into(), file.into_os_string()];
        Some(Self { server: Server::start(program.clone(), arguments, dir), program })
    }

    /// What the server prints of its own configuration.
    fn printed_configuration(&self) -> String {
        let file = self.dir.path().join("configuration");
        output(&self.program, &["-T".as_ref(), "-f".as_ref(), file.as_os_str()])
    }
}

/// With three host keys and these options besides; `None` where it is not installed.
fn dropbear(options: &[&str]) -> Option<Server> {
    let program = installed("dropbear")?;
    let maker = installed("dropbearkey")?;
    installed("ssh-keygen")?;
    let dir = tempfile::tempdir().unwrap();
    let mut arguments: Vec<OsString> = ["-i"].iter().chain(options).map(Into::into).collect();
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let path = dir.path().join(kind);
        output(&maker, &["-t".as_ref(), kind.as_ref(), "-f".as_ref(), path.as_os_str()]);
        let printed = output(&maker, &["-y".as_ref(), "-f".as_ref(), path.as_os_str()]);
        let key = printed.lines().find(|line| line.contains(" AAAA")).unwrap();
        fs::write(path.with_extension("pub"), key).unwrap();
        arguments.extend(["-r".into(), path.into_os_string()]);
    }
    Some(Server::start(program, arguments, dir))
}

/// The path of `program`; `None`, said in one line, where it is not installed.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn installed(program: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(Path::new);
    let found = folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file());
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "{program} must be installed in CI"
    );
    if found.is_none() {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

fn output(
    program: impl AsRef<std::ffi::OsStr>,
    arguments: &[impl AsRef<std::ffi::OsStr>],
) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn run(addr: SocketAddr, until: Instant) -> SshFacts {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(audit(addr, until, OCTETS_MAX))
}
