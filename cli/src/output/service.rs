//! A service, as it is written in JSON and NDJSON, and read back.

use portolan_api::facts::{SshDto, TlsDto};
use portolan_store::ServiceRecord;
use serde::{Deserialize, Serialize};

/// The `service` object: of a scan's results, and of `portolan identify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceDto {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extra: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpe: Option<Vec<String>>,
    /// `None` where nobody looked whether it is spoken inside TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    os: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls_info: Option<TlsDto>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ssh: Option<SshDto>,
}

impl ServiceDto {
    /// What is known from octets alone, whatever they came through.
    pub(crate) fn of_octets(record: ServiceRecord) -> Self {
        let dto = Self::from(record);
        Self { tls: None, cpe: dto.cpe.filter(|cpe| !cpe.is_empty()), ..dto }
    }

    /// The record it was made from; `None` where a digest in it is none.
    pub(crate) fn into_record(self) -> Option<ServiceRecord> {
        let tls_info = match self.tls_info {
            Some(tls) => Some(Box::new(tls.into_record()?)),
            None => None,
        };
        let ssh = match self.ssh {
            Some(ssh) => Some(Box::new(ssh.into_record()?)),
            None => None,
        };
        Some(ServiceRecord {
            name: self.name,
            product: self.product,
            version: self.version,
            extra: self.extra,
            vendor: self.vendor,
            os: self.os,
            device: self.device,
            cpe: self.cpe.unwrap_or_default(),
            tls: self.tls.unwrap_or_default(),
            tls_info,
            ssh,
        })
    }
}

impl From<ServiceRecord> for ServiceDto {
    fn from(record: ServiceRecord) -> Self {
        let ServiceRecord { name, product, version, extra, vendor, os, device, cpe, tls, .. } =
            record;
        let tls_info = record.tls_info.map(|tls| TlsDto::from(*tls));
        let ssh = record.ssh.map(|ssh| SshDto::from(*ssh));
        let (cpe, tls) = (Some(cpe), Some(tls));
        Self { name, product, version, extra, cpe, tls, vendor, os, device, tls_info, ssh }
    }
}

/// `ssl/http`, as nmap writes what is spoken inside TLS.
pub(super) fn full_name(service: &ServiceRecord) -> String {
    if service.tls { format!("ssl/{}", service.name) } else { service.name.clone() }
}

/// `OpenSSH 9.2p1 (Debian-2+deb12u10)`, as far as it is known.
pub(super) fn in_words(service: &ServiceRecord) -> String {
    let extra = service.extra.as_ref().map(|extra| format!("({extra})"));
    let words = [service.product.as_deref(), service.version.as_deref(), extra.as_deref()];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
