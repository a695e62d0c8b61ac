//! What is said of a service now against what was said before.
//!
//! "Could not tell" is never "gone": what one side does not say has not changed, and stays known.

use std::fmt;

use crate::diff::DriftKind;
use crate::service::{HostKeyRecord, ServiceRecord, SshAlgorithms, SshRecord, TlsRecord};

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// The endpoint's state.
    State,
    /// The name of the service behind it.
    Service,
    /// The product.
    Product,
    /// The version of the same product.
    Version,
    /// The server's certificate.
    Certificate,
    /// A host key of SSH.
    HostKey,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::State,
        Self::Service,
        Self::Product,
        Self::Version,
        Self::Certificate,
        Self::HostKey,
    ];

    /// The name in every output format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Service => "service",
            Self::Product => "product",
            Self::Version => "version",
            Self::Certificate => "certificate",
            Self::HostKey => "host_key",
        }
    }

    /// What it means in a difference.
    pub(crate) const fn drift(self) -> DriftKind {
        match self {
            Self::State => DriftKind::Changed,
            Self::Service => DriftKind::Service,
            Self::Product => DriftKind::Product,
            Self::Version => DriftKind::Version,
            Self::Certificate => DriftKind::Certificate,
            Self::HostKey => DriftKind::HostKey,
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something of a service that is another than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changed.
    pub kind: ChangeKind,
    /// What it was. A certificate is its SHA-256 in hexadecimal digits, a host key its type and
    /// fingerprint; several keys are apart by `, `.
    pub from: String,
    /// What it is.
    pub to: String,
}

/// What both sides say, and say differently, by kind.
///
/// A version is only compared within one product, and a host key with that of its own type; where
/// no type is common, all of them changed.
pub(crate) fn changes(from: &ServiceRecord, to: &ServiceRecord) -> Vec<Change> {
    let mut all = Vec::new();
    let mut add = |kind, from: &str, to: &str| {
        all.push(Change { kind, from: from.to_owned(), to: to.to_owned() });
    };
    if is_named(from) && is_named(to) && from.name != to.name {
        add(ChangeKind::Service, &from.name, &to.name);
    }
    if let (Some(a), Some(b)) = (&from.product, &to.product) {
        if a != b {
            add(ChangeKind::Product, a, b);
        } else if let (Some(a), Some(b)) = (&from.version, &to.version)
            && a != b
        {
            add(ChangeKind::Version, a, b);
        }
    }
    let certificate =
        |side: &ServiceRecord| side.tls_info.as_ref()?.certificate.as_ref()?.fingerprint();
    if let (Some(a), Some(b)) = (certificate(from), certificate(to))
        && a != b
    {
        add(ChangeKind::Certificate, &a, &b);
    }
    let keys = |side: &ServiceRecord| {
        side.ssh.as_ref().map(|ssh| ssh.host_keys.clone()).unwrap_or_default()
    };
    if let Some((a, b)) = changed_keys(&keys(from), &keys(to)) {
        add(ChangeKind::HostKey, &a, &b);
    }
    all
}

/// What is known once `seen` has been seen of what was `known`.
pub(crate) fn merged(known: ServiceRecord, seen: ServiceRecord) -> ServiceRecord {
    if is_named(&known) && is_named(&seen) && known.name != seen.name {
        // Nothing of what was there says anything of what is there now.
        return seen;
    }
    let tls_info = merged_tls(known.tls_info.clone(), seen.tls_info.clone());
    let ssh = merged_ssh(known.ssh.clone(), seen.ssh.clone());
    let (vendor, os, device) = (known.vendor.clone(), known.os.clone(), known.device.clone());
    let other_product =
        known.product.is_some() && seen.product.is_some() && known.product != seen.product;
    let mut now = if !is_named(&seen) {
        ServiceRecord { tls: known.tls || seen.tls, ..known }
    } else if seen.product.is_none() && known.product.is_some() {
        ServiceRecord { tls: seen.tls, ..known }
    } else if other_product {
        seen
    } else {
        same_product(known, seen)
    };
    if !other_product {
        now.vendor = now.vendor.or(vendor);
        now.os = now.os.or(os);
        now.device = now.device.or(device);
    }
    ServiceRecord { tls_info, ssh, ..now }
}

/// Version, extra and CPE names belong together.
fn same_product(known: ServiceRecord, mut seen: ServiceRecord) -> ServiceRecord {
    let untold = seen.version.is_none() && known.version.is_some();
    if untold {
        seen.version = known.version;
        seen.extra = known.extra.or(seen.extra);
        seen.cpe = if known.cpe.is_empty() { seen.cpe } else { known.cpe };
    } else if seen.version == known.version || known.version.is_none() {
        seen.extra = seen.extra.or(known.extra);
        seen.cpe = if seen.cpe.is_empty() { known.cpe } else { seen.cpe };
    }
    seen
}

fn merged_tls(
    known: Option<Box<TlsRecord>>,
    seen: Option<Box<TlsRecord>>,
) -> Option<Box<TlsRecord>> {
    let (known, mut seen) = match (known, seen) {
        (Some(known), Some(seen)) => (known, seen),
        (known, seen) => return seen.or(known),
    };
    if seen.certificate.as_ref().is_none_or(|certificate| certificate.sha256.is_none()) {
        // One that was not seen whole can't be compared with the next.
        seen.certificate = known.certificate.or(seen.certificate);
        seen.chain_len = seen.chain_len.max(known.chain_len);
    }
    if seen.accepted.is_empty() {
        seen.accepted = known.accepted;
    }
    seen.version = seen.version.or(known.version);
    seen.cipher = seen.cipher.or(known.cipher);
    seen.alpn = seen.alpn.or(known.alpn);
    seen.fingerprint = seen.fingerprint.or(known.fingerprint);
    Some(seen)
}

fn merged_ssh(
    known: Option<Box<SshRecord>>,
    seen: Option<Box<SshRecord>>,
) -> Option<Box<SshRecord>> {
    let (known, mut seen) = match (known, seen) {
        (Some(known), Some(seen)) => (known, seen),
        (known, seen) => return seen.or(known),
    };
    seen.software = seen.software.or(known.software);
    seen.auth_methods = seen.auth_methods.or(known.auth_methods);
    if seen.algorithms == SshAlgorithms::default() {
        seen.algorithms = known.algorithms;
        seen.weaknesses = known.weaknesses;
        seen.terrapin = seen.terrapin.or(known.terrapin);
    }
    let common = known.host_keys.iter().any(|key| of_kind(&seen.host_keys, key).is_some());
    if seen.host_keys.is_empty() || common {
        // A key of a type that was not asked for this time is still known.
        let rest = known.host_keys.into_iter();
        let rest: Vec<_> = rest.filter(|key| of_kind(&seen.host_keys, key).is_none()).collect();
        seen.host_keys.extend(rest);
    }
    Some(seen)
}

/// Whether a name says what is spoken, and not only that it is spoken inside TLS.
fn is_named(service: &ServiceRecord) -> bool {
    !matches!(service.name.as_str(), "" | "unknown" | "ssl" | "tls")
}

fn of_kind<'a>(keys: &'a [HostKeyRecord], like: &HostKeyRecord) -> Option<&'a HostKeyRecord> {
    keys.iter().find(|key| key.kind == like.kind)
}

fn changed_keys(from: &[HostKeyRecord], to: &[HostKeyRecord]) -> Option<(String, String)> {
    if from.is_empty() || to.is_empty() {
        return None;
    }
    let common: Vec<(&HostKeyRecord, &HostKeyRecord)> =
        from.iter().filter_map(|key| Some((key, of_kind(to, key)?))).collect();
    if common.is_empty() {
        return Some((in_words(from.iter()), in_words(to.iter())));
    }
    let changed: Vec<_> = common.into_iter().filter(|(a, b)| a.sha256 != b.sha256).collect();
    if changed.is_empty() {
        return None;
    }
    let (from, to) = (changed.iter().map(|(a, _)| *a), changed.iter().map(|(_, b)| *b));
    Some((in_words(from), in_words(to)))
}

fn in_words<'keys, I: Iterator<Item = &'keys HostKeyRecord>>(keys: I) -> String {
    let words: Vec<_> = keys.map(|key| format!("{} {}", key.kind, key.fingerprint())).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::CertificateRecord;

    fn service(name: &str, product: &str, version: &str) -> ServiceRecord {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (product, version) = (text(product), text(version));
        ServiceRecord { name: name.to_owned(), product, version, ..ServiceRecord::default() }
    }

    fn with_certificate(mut service: ServiceRecord, n: u8) -> ServiceRecord {
        let sha256 = Some([n; 32]);
        let certificate = CertificateRecord { sha256, ..CertificateRecord::default() };
        let tls = TlsRecord { certificate: Some(certificate), ..TlsRecord::default() };
        service.tls_info = Some(Box::new(tls));
        service
    }

    fn with_keys(mut service: ServiceRecord, keys: &[(&str, u8)]) -> ServiceRecord {
        let key = |(kind, n): &(&str, u8)| HostKeyRecord {
            kind: (*kind).to_owned(),
            bits: None,
            sha256: [*n; 32],
        };
        let host_keys = keys.iter().map(key).collect();
        service.ssh = Some(Box::new(SshRecord { host_keys, ..SshRecord::default() }));
        service
    }

    fn kinds(from: &ServiceRecord, to: &ServiceRecord) -> Vec<&'static str> {
        let there: Vec<_> = changes(from, to).iter().map(|c| c.kind.name()).collect();
        let back: Vec<_> = changes(to, from).iter().map(|c| c.kind.name()).collect();
        assert_eq!(there, back, "the same from both sides");
        there
    }

    #[test]
    fn what_both_sides_say_differently_is_a_change_and_nothing_else() {
        let ssh = service("ssh", "OpenSSH", "9.2p1");
        assert_eq!(kinds(&ssh, &ssh), [] as [&str; 0]);
        for untold in [
            service("ssh", "OpenSSH", ""),
            service("ssh", "", ""),
            service("", "", ""),
            service("unknown", "", ""),
            service("ssl", "", ""),
        ] {
            assert_eq!(kinds(&ssh, &untold), [] as [&str; 0], "{untold:?}");
            assert_eq!(merged(ssh.clone(), untold.clone()), ssh, "{untold:?}");
        }
        assert_eq!(kinds(&ssh, &service("ssh", "OpenSSH", "9.3p1")), ["version"]);
        assert_eq!(kinds(&ssh, &service("ssh", "Dropbear", "2022.83")), ["product"]);
        let http = service("http", "nginx", "1.18");
        assert_eq!(kinds(&ssh, &http), ["service", "product"]);
        assert_eq!(merged(ssh, http.clone()), http);
    }

    #[test]
    fn a_version_that_was_not_told_leaves_what_goes_with_it() {
        let mut known = service("ssh", "OpenSSH", "9.2p1");
        known.extra = Some("Debian".to_owned());
        known.cpe = vec!["cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*".to_owned()];
        known.os = Some("Linux".to_owned());
        let mut bare = service("ssh", "OpenSSH", "");
        bare.cpe = vec!["cpe:2.3:a:openbsd:openssh:*:*:*:*:*:*:*:*".to_owned()];
        assert_eq!(merged(known.clone(), bare), known);
        let newer = merged(known.clone(), service("ssh", "OpenSSH", "9.3p1"));
        assert_eq!((newer.extra, newer.cpe, newer.os), (None, vec![], known.os.clone()));
        let other = merged(known, service("ssh", "Dropbear", ""));
        assert_eq!(other, service("ssh", "Dropbear", ""));
    }

    #[test]
    fn certificates_are_compared_where_both_are_known() {
        let web = service("http", "nginx", "1.18");
        let (one, two) = (with_certificate(web.clone(), 1), with_certificate(web.clone(), 2));
        assert_eq!(kinds(&one, &two), ["certificate"]);
        assert_eq!(changes(&one, &two)[0].to, "02".repeat(32));
        assert_eq!(kinds(&one, &web), [] as [&str; 0]);
        assert_eq!(merged(one.clone(), web), one);
        let failed = with_certificate(service("unknown", "", ""), 2);
        assert_eq!(kinds(&one, &failed), ["certificate"]);
        assert_eq!(merged(one, failed), two);
    }

    #[test]
    fn host_keys_are_compared_by_type() {
        let ssh = || service("ssh", "OpenSSH", "9.2p1");
        let both = with_keys(ssh(), &[("ssh-rsa", 1), ("ssh-ed25519", 2)]);
        let one = with_keys(ssh(), &[("ssh-ed25519", 2)]);
        let new = with_keys(ssh(), &[("ssh-ed25519", 3)]);
        assert_eq!(kinds(&both, &one), [] as [&str; 0]);
        assert_eq!(merged(both.clone(), one).ssh.unwrap().host_keys.len(), 2);
        assert_eq!(kinds(&both, &new), ["host_key"]);
        let told = &changes(&both, &new)[0];
        assert!(told.from.starts_with("ssh-ed25519 SHA256:AgIC"), "{told:?}");
        let keys = merged(both.clone(), new).ssh.unwrap().host_keys;
        assert_eq!((keys.len(), keys[0].sha256[0], keys[1].sha256[0]), (2, 3, 1));
        let other = with_keys(ssh(), &[("ecdsa-sha2-nistp256", 4)]);
        assert_eq!(kinds(&both, &other), ["host_key"], "nothing in common");
        assert_eq!(merged(both.clone(), other).ssh.unwrap().host_keys.len(), 1);
        assert_eq!(kinds(&both, &with_keys(ssh(), &[])), [] as [&str; 0]);
        assert_eq!(merged(both.clone(), with_keys(ssh(), &[])), both);
    }
}
