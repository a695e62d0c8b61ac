//! A service, as it is written.

use portolan_fingerprints::Service;
use serde::Serialize;

/// The `service` object.
#[derive(Debug, Serialize)]
pub(crate) struct ServiceDto {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpe: Vec<String>,
}

impl From<Service> for ServiceDto {
    fn from(service: Service) -> Self {
        let Service { name, product, vendor, version, extra, os, device, cpe, .. } = service;
        Self { name, product, version, extra, vendor, os, device, cpe }
    }
}
