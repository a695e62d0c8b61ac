//! A service in a record.

use portolan_core::UnixTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::service::{
    CertificateRecord, HostKeyRecord, ServiceRecord, SshAlgorithms, SshRecord, TlsRecord,
    WeaknessRecord, certificate_digest, hex,
};
use crate::wide::text_only;

/// Bytes of a text about TLS or SSH.
const TEXT_LEN_MAX: usize = 255;
/// Bytes of an algorithm's name, and of the short words.
const WORD_LEN_MAX: usize = 64;
const ACCEPTED_MAX: usize = 8;
const NAMES_MAX: usize = 32;
const HOST_KEYS_MAX: usize = 8;
const ALGORITHMS_MAX: usize = 32;
const AUTH_METHODS_MAX: usize = 16;
const WEAKNESSES_MAX: usize = 24;

/// A service: in bytes, what version 1 of the layout has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceRec {
    pub(crate) name: String,
    pub(crate) product: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) extra: Option<String>,
    pub(crate) cpe: Vec<String>,
    pub(crate) tls: bool,
    #[serde(default, with = "text_only", skip_serializing_if = "Option::is_none")]
    pub(crate) more: Option<Box<MoreRec>>,
}

/// What more is known of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct MoreRec {
    pub(crate) vendor: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) tls: Option<TlsRec>,
    pub(crate) ssh: Option<SshRec>,
}

/// How a server's TLS is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TlsRec {
    pub(crate) version: Option<String>,
    pub(crate) cipher: Option<String>,
    pub(crate) alpn: Option<String>,
    pub(crate) accepted: Vec<String>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) certificate: Option<CertificateRec>,
    pub(crate) chain_len: u32,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CertificateRec {
    pub(crate) subject: String,
    pub(crate) common_name: Option<String>,
    pub(crate) names: Vec<String>,
    pub(crate) names_total: u32,
    pub(crate) issuer: String,
    pub(crate) serial: String,
    pub(crate) not_before_ms: i64,
    pub(crate) not_after_ms: i64,
    pub(crate) key: String,
    pub(crate) signature: String,
    pub(crate) sha256: Option<Digest>,
    pub(crate) self_signed: bool,
}

/// How a server's SSH is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SshRec {
    pub(crate) software: Option<String>,
    pub(crate) host_keys: Vec<HostKeyRec>,
    pub(crate) kex: Vec<String>,
    pub(crate) host_key_algorithms: Vec<String>,
    pub(crate) ciphers: Vec<String>,
    pub(crate) macs: Vec<String>,
    pub(crate) compression: Vec<String>,
    pub(crate) auth_methods: Option<Vec<String>>,
    pub(crate) weaknesses: Vec<WeaknessRec>,
    pub(crate) terrapin: Option<bool>,
}

/// A host key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostKeyRec {
    pub(crate) kind: String,
    pub(crate) bits: Option<u32>,
    pub(crate) sha256: Digest,
}

/// Something weak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WeaknessRec {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) severity: String,
    pub(crate) why: String,
    pub(crate) source: String,
}

/// SHA-256 of something; hexadecimal digits in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&hex(&self.0)) } else { self.0.serialize(s) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if !d.is_human_readable() {
            return <[u8; 32]>::deserialize(d).map(Self);
        }
        let text = String::deserialize(d)?;
        let digest = certificate_digest(&text);
        digest.map(Self).ok_or_else(|| D::Error::custom("not 64 hexadecimal digits"))
    }
}

/// The first `len` bytes of a text, to a character's border.
pub(crate) fn cut(text: &str, len: usize) -> String {
    text.get(..text.floor_char_boundary(len)).unwrap_or_default().to_owned()
}

fn short(text: Option<&String>, len: usize) -> Option<String> {
    text.map(|text| cut(text, len))
}

fn list(texts: &[String], most: usize, len: usize) -> Vec<String> {
    texts.iter().take(most).map(|text| cut(text, len)).collect()
}

impl ServiceRec {
    /// A service with texts of at most `len` bytes and `cpes` names.
    pub(crate) fn new(service: &ServiceRecord, len: usize, cpes: usize) -> Self {
        let more = MoreRec {
            vendor: short(service.vendor.as_ref(), len),
            os: short(service.os.as_ref(), len),
            device: short(service.device.as_ref(), len),
            tls: service.tls_info.as_deref().map(TlsRec::new),
            ssh: service.ssh.as_deref().map(SshRec::new),
        };
        Self {
            name: cut(&service.name, len),
            product: short(service.product.as_ref(), len),
            version: short(service.version.as_ref(), len),
            extra: short(service.extra.as_ref(), len),
            cpe: list(&service.cpe, cpes, len),
            tls: service.tls,
            more: (more != MoreRec::default()).then(|| Box::new(more)),
        }
    }

    /// The service as it is known outside.
    pub(crate) fn into_record(self) -> ServiceRecord {
        let MoreRec { vendor, os, device, tls, ssh } = self.more.map(|m| *m).unwrap_or_default();
        ServiceRecord {
            name: self.name,
            product: self.product,
            version: self.version,
            extra: self.extra,
            vendor,
            os,
            device,
            cpe: self.cpe,
            tls: self.tls,
            tls_info: tls.map(|tls| Box::new(tls.into_record())),
            ssh: ssh.map(|ssh| Box::new(ssh.into_record())),
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let texts = [&self.product, &self.version, &self.extra];
        let optional: usize = texts.iter().map(|t| t.as_ref().map_or(0, String::len)).sum();
        let cpes: usize = self.cpe.iter().map(String::len).sum();
        self.name.len() + optional + cpes + 8 + self.more.as_ref().map_or(0, |more| more.size())
    }
}

impl MoreRec {
    fn size(&self) -> usize {
        let texts = [&self.vendor, &self.os, &self.device];
        let texts: usize = texts.iter().map(|t| t.as_ref().map_or(0, String::len)).sum();
        let sum = |texts: &[String]| texts.iter().map(|t| t.len() + 1).sum::<usize>();
        let tls = self.tls.as_ref().map_or(0, |tls| {
            let certificate = tls.certificate.as_ref().map_or(0, |c| {
                100 + sum(&c.names) + c.subject.len() + c.issuer.len() + c.serial.len()
            });
            100 + sum(&tls.accepted) + certificate
        });
        let ssh = self.ssh.as_ref().map_or(0, |ssh| {
            let lists =
                [&ssh.kex, &ssh.host_key_algorithms, &ssh.ciphers, &ssh.macs, &ssh.compression];
            let lists: usize = lists.into_iter().map(|list| sum(list)).sum();
            let weak = ssh.weaknesses.iter();
            let weak = weak.map(|w| 64 + w.name.len() + w.why.len() + w.source.len());
            100 + ssh.host_keys.len() * 56 + lists + weak.sum::<usize>()
        });
        texts + tls + ssh
    }
}

impl TlsRec {
    fn new(tls: &TlsRecord) -> Self {
        Self {
            version: short(tls.version.as_ref(), WORD_LEN_MAX),
            cipher: short(tls.cipher.as_ref(), WORD_LEN_MAX),
            alpn: short(tls.alpn.as_ref(), WORD_LEN_MAX),
            accepted: list(&tls.accepted, ACCEPTED_MAX, WORD_LEN_MAX),
            fingerprint: short(tls.fingerprint.as_ref(), TEXT_LEN_MAX),
            certificate: tls.certificate.as_ref().map(CertificateRec::new),
            chain_len: tls.chain_len,
        }
    }

    fn into_record(self) -> TlsRecord {
        let Self { version, cipher, alpn, accepted, fingerprint, certificate, chain_len } = self;
        let certificate = certificate.map(CertificateRec::into_record);
        TlsRecord { version, cipher, alpn, accepted, fingerprint, certificate, chain_len }
    }
}

impl CertificateRec {
    fn new(certificate: &CertificateRecord) -> Self {
        Self {
            subject: cut(&certificate.subject, TEXT_LEN_MAX),
            common_name: short(certificate.common_name.as_ref(), TEXT_LEN_MAX),
            names: list(&certificate.names, NAMES_MAX, TEXT_LEN_MAX),
            names_total: certificate.names_total,
            issuer: cut(&certificate.issuer, TEXT_LEN_MAX),
            serial: cut(&certificate.serial, WORD_LEN_MAX),
            not_before_ms: certificate.not_before.as_millis(),
            not_after_ms: certificate.not_after.as_millis(),
            key: cut(&certificate.key, WORD_LEN_MAX),
            signature: cut(&certificate.signature, WORD_LEN_MAX),
            sha256: certificate.sha256.map(Digest),
            self_signed: certificate.self_signed,
        }
    }

    fn into_record(self) -> CertificateRecord {
        CertificateRecord {
            subject: self.subject,
            common_name: self.common_name,
            names: self.names,
            names_total: self.names_total,
            issuer: self.issuer,
            serial: self.serial,
            not_before: UnixTime::from_millis(self.not_before_ms),
            not_after: UnixTime::from_millis(self.not_after_ms),
            key: self.key,
            signature: self.signature,
            sha256: self.sha256.map(|digest| digest.0),
            self_signed: self.self_signed,
        }
    }
}

impl SshRec {
    fn new(ssh: &SshRecord) -> Self {
        let names = |texts: &[String]| list(texts, ALGORITHMS_MAX, WORD_LEN_MAX);
        let SshAlgorithms { kex, host_keys, ciphers, macs, compression } = &ssh.algorithms;
        Self {
            software: short(ssh.software.as_ref(), TEXT_LEN_MAX),
            host_keys: ssh.host_keys.iter().take(HOST_KEYS_MAX).map(HostKeyRec::new).collect(),
            kex: names(kex),
            host_key_algorithms: names(host_keys),
            ciphers: names(ciphers),
            macs: names(macs),
            compression: names(compression),
            auth_methods: ssh
                .auth_methods
                .as_ref()
                .map(|methods| list(methods, AUTH_METHODS_MAX, WORD_LEN_MAX)),
            weaknesses: ssh.weaknesses.iter().take(WEAKNESSES_MAX).map(WeaknessRec::new).collect(),
            terrapin: ssh.terrapin,
        }
    }

    fn into_record(self) -> SshRecord {
        SshRecord {
            software: self.software,
            host_keys: self.host_keys.into_iter().map(HostKeyRec::into_record).collect(),
            algorithms: SshAlgorithms {
                kex: self.kex,
                host_keys: self.host_key_algorithms,
                ciphers: self.ciphers,
                macs: self.macs,
                compression: self.compression,
            },
            auth_methods: self.auth_methods,
            weaknesses: self.weaknesses.into_iter().map(WeaknessRec::into_record).collect(),
            terrapin: self.terrapin,
        }
    }
}

impl HostKeyRec {
    fn new(key: &HostKeyRecord) -> Self {
        let kind = cut(&key.kind, WORD_LEN_MAX);
        Self { kind, bits: key.bits, sha256: Digest(key.sha256) }
    }

    fn into_record(self) -> HostKeyRecord {
        HostKeyRecord { kind: self.kind, bits: self.bits, sha256: self.sha256.0 }
    }
}

impl WeaknessRec {
    fn new(weakness: &WeaknessRecord) -> Self {
        Self {
            name: cut(&weakness.name, WORD_LEN_MAX),
            kind: cut(&weakness.kind, WORD_LEN_MAX),
            severity: cut(&weakness.severity, WORD_LEN_MAX),
            why: cut(&weakness.why, TEXT_LEN_MAX),
            source: cut(&weakness.source, TEXT_LEN_MAX),
        }
    }

    fn into_record(self) -> WeaknessRecord {
        let Self { name, kind, severity, why, source } = self;
        WeaknessRecord { name, kind, severity, why, source }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tree::MAX_VALUE_LEN;

    /// A service with every field filled by texts of `len` bytes, in lists of `count`.
    pub(crate) fn filled(len: usize, count: usize) -> ServiceRecord {
        let text = || "ä".repeat(len.div_ceil(2));
        let texts = || vec![text(); count];
        let certificate = CertificateRecord {
            subject: text(),
            common_name: Some(text()),
            names: texts(),
            names_total: 77,
            issuer: text(),
            serial: text(),
            not_before: UnixTime::from_seconds(-5),
            not_after: UnixTime::from_seconds(5),
            key: text(),
            signature: text(),
            sha256: Some(std::array::from_fn(|n| u8::try_from(n * 7).unwrap_or(0))),
            self_signed: true,
        };
        let tls = TlsRecord {
            version: Some(text()),
            cipher: Some(text()),
            alpn: Some(text()),
            accepted: texts(),
            fingerprint: Some(text()),
            certificate: Some(certificate),
            chain_len: 3,
        };
        let key = HostKeyRecord { kind: text(), bits: Some(256), sha256: [9; 32] };
        let weakness = WeaknessRecord {
            name: text(),
            kind: text(),
            severity: text(),
            why: text(),
            source: text(),
        };
        let ssh = SshRecord {
            software: Some(text()),
            host_keys: vec![key; count],
            algorithms: SshAlgorithms {
                kex: texts(),
                host_keys: texts(),
                ciphers: texts(),
                macs: texts(),
                compression: texts(),
            },
            auth_methods: Some(texts()),
            weaknesses: vec![weakness; count],
            terrapin: Some(true),
        };
        ServiceRecord {
            name: text(),
            product: Some(text()),
            version: Some(text()),
            extra: Some(text()),
            vendor: Some(text()),
            os: Some(text()),
            device: Some(text()),
            cpe: texts(),
            tls: true,
            tls_info: Some(Box::new(tls)),
            ssh: Some(Box::new(ssh)),
        }
    }

    #[test]
    fn everything_that_is_known_is_read_back() {
        let service = filled(20, 3);
        let rec = ServiceRec::new(&service, 255, 8);
        assert_eq!(rec.clone().into_record(), service);
        let text = serde_json::to_string(&rec).unwrap();
        assert_eq!(serde_json::from_str::<ServiceRec>(&text).unwrap(), rec);
        let more = postcard::to_stdvec(rec.more.as_deref().unwrap()).unwrap();
        assert_eq!(postcard::from_bytes::<MoreRec>(&more).unwrap(), *rec.more.unwrap());
    }

    #[test]
    fn in_bytes_a_service_is_what_it_was_in_version_1() {
        let service = ServiceRecord { tls: true, ..filled(20, 3) };
        let rec = ServiceRec::new(&service, 255, 8);
        let old = (&rec.name, &rec.product, &rec.version, &rec.extra, &rec.cpe, rec.tls);
        let bytes = postcard::to_stdvec(&old).unwrap();
        assert_eq!(postcard::to_stdvec(&rec).unwrap(), bytes);
        let read = postcard::from_bytes::<ServiceRec>(&bytes).unwrap();
        assert_eq!(read, ServiceRec { more: None, ..rec });
    }

    #[test]
    fn the_largest_service_fits_a_value_beside_a_full_chunk() {
        let rec = ServiceRec::new(&filled(300, 100), 255, 8);
        let more = postcard::to_stdvec(rec.more.as_deref().unwrap()).unwrap().len();
        let plain = postcard::to_stdvec(&rec).unwrap().len();
        // A chunk is closed behind the row that makes it 4 KiB long; a banner is up to 4 KiB.
        assert!(more + plain + (4 << 10) + (4 << 10) + 200 < MAX_VALUE_LEN, "{more} + {plain}");
        assert!(rec.size() > (more + plain) * 8 / 10, "{} of {}", rec.size(), more + plain);
    }

    #[test]
    fn digests_are_hexadecimal_in_text() {
        let digest = Digest(std::array::from_fn(|n| u8::try_from(n * 8).unwrap_or(0)));
        let text = serde_json::to_string(&digest).unwrap();
        assert!(text.starts_with("\"0008101820"), "{text}");
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        for bad in ["\"\"", "\"00\"", &text.replace("00", "0g"), &text.replace("00", "é")] {
            assert!(serde_json::from_str::<Digest>(bad).is_err(), "{bad}");
        }
    }
}
