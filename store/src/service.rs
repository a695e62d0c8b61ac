//! What is known of the service behind a port.

use portolan_core::UnixTime;

/// What is known of the service behind a port.
///
/// Stored up to 255 bytes a text and 8 CPE names, 100 bytes and 3 names in the current state; the
/// rest is cut off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceRecord {
    /// The protocol's name: `ssh`, `http`; `unknown` where only what lies around it is known.
    pub name: String,
    /// The product: `OpenSSH`.
    pub product: Option<String>,
    /// Its version: `9.2p1`.
    pub version: Option<String>,
    /// What else it said: `Debian-2+deb12u10`.
    pub extra: Option<String>,
    /// Who makes it, where that says more than the product.
    pub vendor: Option<String>,
    /// The operating system that it runs on.
    pub os: Option<String>,
    /// The kind of device that it runs on, or its model.
    pub device: Option<String>,
    /// CPE 2.3 names.
    pub cpe: Vec<String>,
    /// Whether it is spoken inside TLS from the first octet on.
    pub tls: bool,
    /// How its TLS is, inside which it is spoken or to which it can go over (`STARTTLS`).
    pub tls_info: Option<Box<TlsRecord>>,
    /// How its SSH is.
    pub ssh: Option<Box<SshRecord>>,
}

/// A server's TLS, as far as it told. Stored up to 255 bytes a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsRecord {
    /// The version that was agreed on: `TLSv1.3`.
    pub version: Option<String>,
    /// The cipher suite that was agreed on, as IANA names it.
    pub cipher: Option<String>,
    /// The application protocol that was agreed on (ALPN, RFC 7301).
    pub alpn: Option<String>,
    /// Every version that the server accepts; empty where that was not tried. Stored up to 8.
    pub accepted: Vec<String>,
    /// A digest of how the server chooses among what it is offered.
    pub fingerprint: Option<String>,
    /// The server's own certificate.
    pub certificate: Option<CertificateRecord>,
    /// How many certificates it sent, its own among them.
    pub chain_len: u32,
}

/// A certificate (RFC 5280).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateRecord {
    /// Whom it names, as text: `CN=x, O=y`.
    pub subject: String,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// The subject's alternative names. Stored up to 32.
    pub names: Vec<String>,
    /// How many of them there are.
    pub names_total: u32,
    /// Who signed it.
    pub issuer: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// When it begins to hold.
    pub not_before: UnixTime,
    /// When it ceases to.
    pub not_after: UnixTime,
    /// The kind and size of its key: `rsa 2048`, `ec p-256`.
    pub key: String,
    /// The algorithm it is signed by.
    pub signature: String,
    /// SHA-256 of its DER; `None` where it was not seen whole.
    pub sha256: Option<[u8; 32]>,
    /// Whether subject and issuer are one.
    pub self_signed: bool,
}

/// A server's SSH, as far as it told. Stored up to 255 bytes a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SshRecord {
    /// What its version exchange says behind `SSH-2.0-` (RFC 4253 §4.2).
    pub software: Option<String>,
    /// Its host keys. Stored up to 8.
    pub host_keys: Vec<HostKeyRecord>,
    /// What it offers to agree on.
    pub algorithms: SshAlgorithms,
    /// The ways to authenticate that it names (RFC 4252 §5.1); `None` where it could not be
    /// told. Stored up to 16.
    pub auth_methods: Option<Vec<String>>,
    /// What is weak in it. Stored up to 24.
    pub weaknesses: Vec<WeaknessRecord>,
    /// Whether sessions can be cut at their beginning unseen (CVE-2023-48795); `None` where it
    /// could not be told.
    pub terrapin: Option<bool>,
}

/// What an SSH server offers to agree on (RFC 4253 §7.1), by its preference. Stored up to 32 names
/// of 64 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SshAlgorithms {
    /// Key exchange methods.
    pub kex: Vec<String>,
    /// Host key algorithms.
    pub host_keys: Vec<String>,
    /// Ciphers, server to client.
    pub ciphers: Vec<String>,
    /// Message authentication codes, server to client.
    pub macs: Vec<String>,
    /// Compression methods, server to client.
    pub compression: Vec<String>,
}

/// A host key of SSH.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostKeyRecord {
    /// The key's type, as in its encoding: `ssh-ed25519`, `ssh-rsa`.
    pub kind: String,
    /// Its size in bits, where it has one.
    pub bits: Option<u32>,
    /// SHA-256 of its encoding.
    pub sha256: [u8; 32],
}

/// Something weak that a server offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WeaknessRecord {
    /// What: `diffie-hellman-group1-sha1`.
    pub name: String,
    /// What it is: `kex`, `cipher`, `mac`, ….
    pub kind: String,
    /// How bad it is, in a word.
    pub severity: String,
    /// Why it is weak.
    pub why: String,
    /// Who says so: an RFC and section, or an advisory.
    pub source: String,
}

impl CertificateRecord {
    /// The digest of the certificate, as 64 hexadecimal digits.
    pub fn fingerprint(&self) -> Option<String> {
        self.sha256.as_ref().map(|digest| hex(digest))
    }
}

impl HostKeyRecord {
    /// The fingerprint as OpenSSH writes it: `SHA256:` and base64 without padding.
    pub fn fingerprint(&self) -> String {
        use base64::Engine as _;
        format!("SHA256:{}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(self.sha256))
    }
}

/// The digest that [`CertificateRecord::fingerprint`] gave the text of.
pub fn certificate_digest(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut digest = [0_u8; 32];
    if !rest.is_empty() || pairs.len() != digest.len() {
        return None;
    }
    for (octet, pair) in digest.iter_mut().zip(pairs) {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let [high, low] = pair.map(digit);
        *octet = high.zip(low).map(|(high, low)| (high << 4) | low)?;
    }
    Some(digest)
}

/// The digest that [`HostKeyRecord::fingerprint`] gave the text of.
pub fn host_key_digest(text: &str) -> Option<[u8; 32]> {
    use base64::Engine as _;
    let digits = text.strip_prefix("SHA256:")?;
    let octets = base64::engine::general_purpose::STANDARD_NO_PAD.decode(digits).ok()?;
    octets.try_into().ok()
}

/// Octets as lower-case hexadecimal digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        let _ = write!(text, "{octet:02x}");
    }
    text
}
