//! A signature as it is written, and as the build packs it: shared with `build.rs`.

use serde::{Deserialize, Serialize};

/// A file of signatures, whose examples are read as `E`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File<E> {
    pub(crate) signature: Vec<Raw<E>>,
}

/// A signature as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw<E> {
    pub(crate) service: String,
    pub(crate) kind: String,
    pub(crate) has: Option<Has>,
    pub(crate) pattern: String,
    pub(crate) product: Option<String>,
    pub(crate) vendor: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) extra: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) cpe: Option<String>,
    pub(crate) score: Option<u8>,
    pub(crate) examples: Vec<E>,
}

/// One literal, or several of which one must occur.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Has {
    One(String),
    OneOf(Vec<String>),
}

/// A signature without its examples; its texts lie where it was read from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed<'a> {
    pub(crate) service: &'a str,
    pub(crate) kind: &'a str,
    #[serde(borrow)]
    pub(crate) has: Vec<&'a str>,
    pub(crate) pattern: &'a str,
    pub(crate) product: Option<&'a str>,
    pub(crate) vendor: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) extra: Option<&'a str>,
    pub(crate) os: Option<&'a str>,
    pub(crate) device: Option<&'a str>,
    pub(crate) cpe: Option<&'a str>,
    pub(crate) score: Option<u8>,
}

impl<E> Raw<E> {
    /// The same without its examples.
    pub(crate) fn packed(&self) -> Packed<'_> {
        Packed {
            service: &self.service,
            kind: &self.kind,
            has: match &self.has {
                None => Vec::new(),
                Some(Has::One(has)) => vec![has],
                Some(Has::OneOf(has)) => has.iter().map(String::as_str).collect(),
            },
            pattern: &self.pattern,
            product: self.product.as_deref(),
            vendor: self.vendor.as_deref(),
            version: self.version.as_deref(),
            extra: self.extra.as_deref(),
            os: self.os.as_deref(),
            device: self.device.as_deref(),
            cpe: self.cpe.as_deref(),
            score: self.score,
        }
    }
}
