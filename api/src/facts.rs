//! What is known of a server's TLS and SSH, as JSON: over HTTP, in results, and read back.
//!
//! Every key is always there; what could not be told is `null`.

use jiff::Timestamp;
use portolan_core::UnixTime;
use portolan_store::{
    CertificateRecord, HostKeyRecord, SshAlgorithms, SshRecord, TlsRecord, WeaknessRecord,
};
use serde::{Deserialize, Serialize};

/// A server's TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsDto {
    version: Option<String>,
    cipher: Option<String>,
    alpn: Option<String>,
    accepted: Vec<String>,
    fingerprint: Option<String>,
    chain_len: u32,
    certificate: Option<CertificateDto>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CertificateDto {
    subject: String,
    common_name: Option<String>,
    names: Vec<String>,
    names_total: u32,
    issuer: String,
    serial: String,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    key: String,
    signature: String,
    sha256: Option<String>,
    self_signed: bool,
}

/// A server's SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshDto {
    software: Option<String>,
    host_keys: Vec<HostKeyDto>,
    algorithms: AlgorithmsDto,
    auth_methods: Option<Vec<String>>,
    weaknesses: Vec<WeaknessDto>,
    terrapin: Option<bool>,
}

/// A host key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct HostKeyDto {
    #[serde(rename = "type")]
    kind: String,
    bits: Option<u32>,
    fingerprint: String,
}

/// What a server offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AlgorithmsDto {
    kex: Vec<String>,
    host_keys: Vec<String>,
    ciphers: Vec<String>,
    macs: Vec<String>,
    compression: Vec<String>,
}

/// Something weak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WeaknessDto {
    name: String,
    kind: String,
    severity: String,
    why: String,
    source: String,
}

impl From<TlsRecord> for TlsDto {
    fn from(record: TlsRecord) -> Self {
        let TlsRecord { version, cipher, alpn, accepted, fingerprint, certificate, chain_len } =
            record;
        let certificate = certificate.map(CertificateDto::from);
        Self { version, cipher, alpn, accepted, fingerprint, chain_len, certificate }
    }
}

impl TlsDto {
    /// The record it was made from; `None` where a digest is none.
    pub fn into_record(self) -> Option<TlsRecord> {
        let Self { version, cipher, alpn, accepted, fingerprint, chain_len, certificate } = self;
        let certificate = match certificate {
            Some(certificate) => Some(certificate.into_record()?),
            None => None,
        };
        Some(TlsRecord { version, cipher, alpn, accepted, fingerprint, certificate, chain_len })
    }
}

impl From<CertificateRecord> for CertificateDto {
    fn from(record: CertificateRecord) -> Self {
        let time = |at: UnixTime| Timestamp::from_millisecond(at.as_millis()).ok();
        Self {
            sha256: record.fingerprint(),
            not_before: time(record.not_before),
            not_after: time(record.not_after),
            subject: record.subject,
            common_name: record.common_name,
            names: record.names,
            names_total: record.names_total,
            issuer: record.issuer,
            serial: record.serial,
            key: record.key,
            signature: record.signature,
            self_signed: record.self_signed,
        }
    }
}

impl CertificateDto {
    fn into_record(self) -> Option<CertificateRecord> {
        let sha256 = match self.sha256 {
            Some(text) => Some(portolan_store::service::certificate_digest(&text)?),
            None => None,
        };
        let time = |at: Option<Timestamp>| {
            at.map_or_else(UnixTime::default, |at| UnixTime::from_millis(at.as_millisecond()))
        };
        Some(CertificateRecord {
            sha256,
            not_before: time(self.not_before),
            not_after: time(self.not_after),
            subject: self.subject,
            common_name: self.common_name,
            names: self.names,
            names_total: self.names_total,
            issuer: self.issuer,
            serial: self.serial,
            key: self.key,
            signature: self.signature,
            self_signed: self.self_signed,
        })
    }
}

impl From<SshRecord> for SshDto {
    fn from(record: SshRecord) -> Self {
        let SshAlgorithms { kex, host_keys, ciphers, macs, compression } = record.algorithms;
        let key = |key: HostKeyRecord| HostKeyDto {
            fingerprint: key.fingerprint(),
            kind: key.kind,
            bits: key.bits,
        };
        let weakness = |WeaknessRecord { name, kind, severity, why, source }| WeaknessDto {
            name,
            kind,
            severity,
            why,
            source,
        };
        Self {
            software: record.software,
            host_keys: record.host_keys.into_iter().map(key).collect(),
            algorithms: AlgorithmsDto { kex, host_keys, ciphers, macs, compression },
            auth_methods: record.auth_methods,
            weaknesses: record.weaknesses.into_iter().map(weakness).collect(),
            terrapin: record.terrapin,
        }
    }
}

impl SshDto {
    /// The record it was made from; `None` where a fingerprint is none.
    pub fn into_record(self) -> Option<SshRecord> {
        let AlgorithmsDto { kex, host_keys, ciphers, macs, compression } = self.algorithms;
        let key = |key: HostKeyDto| {
            let sha256 = portolan_store::service::host_key_digest(&key.fingerprint)?;
            Some(HostKeyRecord { kind: key.kind, bits: key.bits, sha256 })
        };
        let weakness = |WeaknessDto { name, kind, severity, why, source }| WeaknessRecord {
            name,
            kind,
            severity,
            why,
            source,
        };
        Some(SshRecord {
            software: self.software,
            host_keys: self.host_keys.into_iter().map(key).collect::<Option<_>>()?,
            algorithms: SshAlgorithms { kex, host_keys, ciphers, macs, compression },
            auth_methods: self.auth_methods,
            weaknesses: self.weaknesses.into_iter().map(weakness).collect(),
            terrapin: self.terrapin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let certificate = CertificateRecord {
            subject: "CN=x".to_owned(),
            names: vec!["x.example".to_owned()],
            names_total: 9,
            not_after: UnixTime::from_seconds(1_795_287_600),
            sha256: Some([0xa5; 32]),
            ..CertificateRecord::default()
        };
        let tls = TlsRecord {
            version: Some("TLSv1.3".to_owned()),
            certificate: Some(certificate),
            chain_len: 2,
            ..TlsRecord::default()
        };
        let text = serde_json::to_string(&TlsDto::from(tls.clone())).unwrap();
        assert!(text.contains(r#""not_after":"2026-11-21T19:00:00Z""#), "{text}");
        let read: TlsDto = serde_json::from_str(&text).unwrap();
        assert_eq!(read.into_record(), Some(tls));
        let bad: TlsDto = serde_json::from_str(&text.replace("a5a5", "zz")).unwrap();
        assert_eq!(bad.into_record(), None);

        let key = HostKeyRecord { kind: "ssh-rsa".to_owned(), bits: Some(3072), sha256: [7; 32] };
        let ssh = SshRecord { host_keys: vec![key], ..SshRecord::default() };
        let text = serde_json::to_string(&SshDto::from(ssh.clone())).unwrap();
        assert!(
            text.contains(r#"{"type":"ssh-rsa","bits":3072,"fingerprint":"SHA256:Bwc"#),
            "{text}"
        );
        assert!(text.contains(r#""auth_methods":null"#), "{text}");
        let read: SshDto = serde_json::from_str(&text).unwrap();
        assert_eq!(read.into_record(), Some(ssh));
        let bad: SshDto = serde_json::from_str(&text.replace("SHA256:", "MD5:")).unwrap();
        assert_eq!(bad.into_record(), None);
    }
}
