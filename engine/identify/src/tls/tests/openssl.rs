//! OpenSSL, where it is installed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use rcgen::{CertificateParams, DnType, KeyPair};
use tempfile::TempDir;

use super::{facts, later, shaken};
use crate::tls::{Version, Versions, legacy, versions};

/// `openssl s_server`, until it is dropped.
struct OpenSsl {
    child: Child,
    address: SocketAddr,
    // Who writes into what nobody reads ends.
    _said: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl OpenSsl {
    /// Starts it with `arguments`; `None`, and a line that says so, if it is not installed.
    fn start(arguments: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["old.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the old server");
        let certificate = params.self_signed(&key).unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("certificate.pem"), certificate.pem()).unwrap();
        std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
        let started = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert"])
            .arg(path("certificate.pem"))
            .arg("-key")
            .arg(path("key.pem"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else {
            let _ = writeln!(std::io::stderr(), "openssl is not installed: not compared with it");
            return None;
        };
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let address = said
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok())
            .expect("openssl s_server says where it listens");
        Some(Self { child, address, _said: said, _folder: folder })
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn old_versions_are_read() {
    let weak = ["-cipher", "DEFAULT@SECLEVEL=0"];
    for (flag, version) in [("-tls1", Version::Tls10), ("-tls1_1", Version::Tls11)] {
        let arguments = [&weak[..], &[flag]].concat();
        let Some(server) = OpenSsl::start(&arguments) else { return };
        let told = facts(shaken(server.address, later()).await);
        assert!(told.alert.is_some() || told.version == Some(version), "{told:?}");
        let told = facts(legacy(server.address, Some("old.example"), later()).await);
        assert_eq!(told.version, Some(version), "{told:?}");
        let certificate = told.certificate().unwrap();
        assert_eq!(certificate.common_name.as_deref(), Some("the old server"));
        assert!(told.cipher.unwrap().name().is_some());
        let asked = versions(server.address, None, Versions::default(), later()).await;
        for one in Version::TLS {
            assert_eq!(asked.get(one), Some(one == version), "{one}");
        }
    }
}

#[tokio::test]
async fn odd_ciphers_are_read() {
    // Neither is one that rustls has.
    for cipher in ["ECDHE-ECDSA-CAMELLIA128-SHA256", "ECDHE-ECDSA-AES128-SHA"] {
        let Some(server) = OpenSsl::start(&["-tls1_2", "-cipher", cipher]) else { return };
        let told = facts(shaken(server.address, later()).await);
        assert!(told.alert.is_some_and(crate::tls::Alert::refuses_version), "{told:?}");
        let told = facts(legacy(server.address, None, later()).await);
        assert_eq!(told.version, Some(Version::Tls12), "{cipher}: {told:?}");
        assert_eq!(told.certificate().unwrap().names, ["old.example"]);
    }
}
