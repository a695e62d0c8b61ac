//! What was found out of a service, in the form that is kept and written.

use portolan_fingerprints::Service;
use portolan_identify::Identified;
use portolan_identify::ssh::{HostKey, Severity, SshFacts, Weakness};
use portolan_identify::tls::{Certificate, TlsFacts};
use portolan_store::service::host_key_digest;
use portolan_store::{
    CertificateRecord, HostKeyRecord, ServiceRecord, SshAlgorithms, SshRecord, TlsRecord,
    WeaknessRecord,
};

/// What an endpoint told, as its service and its banner.
///
/// Of one that is known by its TLS alone the service is `unknown`.
pub(crate) fn told(identified: Identified) -> (Option<ServiceRecord>, Option<Vec<u8>>) {
    let Identified { service, inside_tls, tls, ssh, banner, .. } = identified;
    let tls = tls.as_ref().filter(|tls| tls.version.is_some() || tls.certificate().is_some());
    let name = match (&ssh, tls) {
        (Some(ssh), _) if ssh.identification.is_some() => Some("ssh"),
        (_, Some(_)) => Some("unknown"),
        _ => None,
    };
    let bare = name.map(|name| ServiceRecord {
        name: name.to_owned(),
        tls: name == "unknown",
        ..ServiceRecord::default()
    });
    let known = service.map(|service| ServiceRecord { tls: inside_tls, ..record(service) });
    let service = known.or(bare).map(|service| ServiceRecord {
        tls_info: tls.map(|tls| Box::new(tls_record(tls))),
        ssh: ssh.map(|ssh| Box::new(ssh_record(ssh))),
        ..service
    });
    (service, banner)
}

/// What signatures say, as a record. Whether it is spoken inside TLS, and how its TLS and SSH are,
/// they can't say.
pub(crate) fn record(service: Service) -> ServiceRecord {
    let Service { name, product, vendor, version, extra, os, device, cpe, .. } = service;
    ServiceRecord {
        name,
        product,
        version,
        extra,
        vendor,
        os,
        device,
        cpe,
        ..ServiceRecord::default()
    }
}

fn tls_record(facts: &TlsFacts) -> TlsRecord {
    TlsRecord {
        version: facts.version.map(|version| version.to_string()),
        cipher: facts.cipher.map(|cipher| cipher.to_string()),
        alpn: facts.alpn.clone(),
        accepted: facts.versions.spoken().map(|version| version.to_string()).collect(),
        fingerprint: facts.fingerprint.as_ref().map(|hello| hello.as_str().to_owned()),
        certificate: facts.certificate().cloned().map(certificate_record),
        chain_len: u32::try_from(facts.certificates.len()).unwrap_or(u32::MAX),
    }
}

fn certificate_record(certificate: Certificate) -> CertificateRecord {
    CertificateRecord {
        subject: certificate.subject,
        common_name: certificate.common_name,
        names: certificate.names,
        names_total: u32::try_from(certificate.names_total).unwrap_or(u32::MAX),
        issuer: certificate.issuer,
        serial: certificate.serial,
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        key: certificate.public_key,
        signature: certificate.signature_algorithm,
        sha256: certificate.sha256,
        self_signed: certificate.self_signed,
    }
}

fn ssh_record(facts: SshFacts) -> SshRecord {
    let algorithms = facts.offer.map(|offer| SshAlgorithms {
        kex: offer.kex,
        host_keys: offer.host_key,
        ciphers: offer.ciphers.to_client().to_vec(),
        macs: offer.macs.to_client().to_vec(),
        compression: offer.compression.to_client().to_vec(),
    });
    SshRecord {
        software: facts.identification.map(|line| line.software),
        host_keys: facts.host_keys.into_iter().filter_map(host_key_record).collect(),
        algorithms: algorithms.unwrap_or_default(),
        auth_methods: facts.auth_methods.told().map(<[String]>::to_vec),
        weaknesses: facts.weaknesses.into_iter().map(weakness_record).collect(),
        terrapin: facts.terrapin,
    }
}

fn host_key_record(key: HostKey) -> Option<HostKeyRecord> {
    let sha256 = host_key_digest(&key.fingerprint)?;
    Some(HostKeyRecord { kind: key.algorithm, bits: key.bits, sha256 })
}

fn weakness_record(weakness: Weakness) -> WeaknessRecord {
    let severity = match weakness.severity {
        Severity::Weak => "weak",
        Severity::Legacy => "legacy",
        _ => "unknown",
    };
    WeaknessRecord {
        name: weakness.name,
        kind: weakness.kind.to_string(),
        severity: severity.to_owned(),
        why: weakness.why.to_owned(),
        source: weakness.source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_signatures_say_is_lost() {
        let octets = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n";
        let database = portolan_fingerprints::Database::embedded();
        let mut service =
            database.identify(Some("ssh"), portolan_fingerprints::Kind::Banner, octets).unwrap();
        service.device = Some("general purpose".to_owned());
        let record = record(service.clone());
        assert_eq!((record.name, record.product), (service.name, service.product));
        assert_eq!((record.vendor, record.version), (service.vendor, service.version));
        assert_eq!((record.extra, record.os), (service.extra, service.os));
        assert_eq!((record.device, record.cpe), (service.device, service.cpe));
        assert!(!record.tls && record.tls_info.is_none() && record.ssh.is_none());
    }

    #[test]
    fn what_tls_told_is_kept() {
        let mut facts = TlsFacts::default();
        assert_eq!(tls_record(&facts), TlsRecord::default());
        facts.version = portolan_identify::tls::Version::of_number(0x0304);
        facts.versions.set(facts.version.unwrap(), true);
        facts.cipher = Some(portolan_identify::tls::CipherSuite(0x1301));
        facts.alpn = Some("h2".to_owned());
        let record = tls_record(&facts);
        assert_eq!(record.version.as_deref(), Some("TLSv1.3"));
        assert_eq!(record.cipher.as_deref(), Some("TLS_AES_128_GCM_SHA256"));
        assert_eq!(record.accepted, ["TLSv1.3"]);
        assert_eq!(record.chain_len, 0);
    }
}
