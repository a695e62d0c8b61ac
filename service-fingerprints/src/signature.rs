//! One signature: how one product speaks.

use std::sync::OnceLock;

use regex::bytes::{Captures, Regex, RegexBuilder};
use serde::Deserialize;

use crate::kind::Kind;
use crate::service::Service;
use crate::template::{fill, fill_cpe, groups};

/// Octets that a compiled pattern may take: one that wants more could be slow too.
const PATTERN_LEN_MAX: usize = 1 << 20;
/// The shortest literal.
const HAS_LEN_MIN: usize = 2;
/// The score of a signature that names a product, and of one that does not, unless it says.
const SCORE_PRODUCT: u8 = 80;
const SCORE_SERVICE: u8 = 40;

/// A signature can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The file is no TOML, or has other fields.
    #[error("{file}")]
    Syntax {
        /// Which.
        file: String,
        /// What is wrong, and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A field says what it can't.
    #[error("{file}: signature {number} ({name}): {problem}")]
    Field {
        /// Which file.
        file: String,
        /// Which of its signatures, from 1.
        number: usize,
        /// Its product or service.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

/// A file of signatures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    signature: Vec<Raw>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    service: String,
    kind: String,
    has: Option<String>,
    pattern: String,
    product: Option<String>,
    vendor: Option<String>,
    version: Option<String>,
    extra: Option<String>,
    os: Option<String>,
    device: Option<String>,
    cpe: Option<String>,
    score: Option<u8>,
    examples: Vec<Example>,
}

/// What a real server says, and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Example {
    /// What it says; each character is one octet.
    pub data: String,
    /// The product, where a group is in it.
    pub product: Option<String>,
    /// The version.
    pub version: Option<String>,
    /// What else is told.
    pub extra: Option<String>,
    /// The operating system.
    pub os: Option<String>,
    /// The kind of device, or its model.
    pub device: Option<String>,
}

impl Example {
    /// What it says, as octets.
    pub fn octets(&self) -> Vec<u8> {
        self.data.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
    }
}

/// How one product speaks, or one service whose product is not known.
#[derive(Debug)]
pub struct Signature {
    service: String,
    kind: Kind,
    has: Option<String>,
    pattern: String,
    regex: OnceLock<Option<Regex>>,
    product: Option<String>,
    vendor: Option<String>,
    version: Option<String>,
    extra: Option<String>,
    os: Option<String>,
    device: Option<String>,
    cpe: Option<String>,
    score: u8,
    examples: Vec<Example>,
}

impl Signature {
    /// Reads the signatures of `file`, whose content is `text`.
    ///
    /// Patterns are compiled when they are first needed; [`Signature::check`] does so at once.
    ///
    /// # Errors
    /// [`SignatureError`], for the first that is wrong.
    pub fn read(file: &str, text: &str) -> Result<Vec<Self>, SignatureError> {
        let syntax = |e| SignatureError::Syntax { file: file.to_owned(), source: Box::new(e) };
        let read: File = toml::from_str(text).map_err(syntax)?;
        let one = |(at, raw): (usize, Raw)| {
            let name = raw.product.clone().unwrap_or_else(|| raw.service.clone());
            Self::of(raw).map_err(|problem| SignatureError::Field {
                file: file.to_owned(),
                number: at + 1,
                name,
                problem,
            })
        };
        read.signature.into_iter().enumerate().map(one).collect()
    }

    fn of(raw: Raw) -> Result<Self, String> {
        let kind =
            Kind::of_name(&raw.kind).ok_or_else(|| format!("kind {:?} is none", raw.kind))?;
        if raw.has.as_ref().is_some_and(|has| has.len() < HAS_LEN_MIN || !has.is_ascii()) {
            return Err(format!("has: expected {HAS_LEN_MIN} or more octets of ASCII"));
        }
        let score = raw.score.unwrap_or(match raw.product {
            Some(_) => SCORE_PRODUCT,
            None => SCORE_SERVICE,
        });
        if !(1..=100).contains(&score) {
            return Err(format!("score {score}; expected 1 to 100"));
        }
        if raw.examples.is_empty() {
            return Err("no example".to_owned());
        }
        let named = |group: &str| raw.pattern.contains(&format!("(?P<{group}>"));
        let usual = |given: Option<String>, group: &str| {
            given.or_else(|| named(group).then(|| format!("{{{group}}}")))
        };
        let version = usual(raw.version, "version");
        let extra = usual(raw.extra, "extra");
        // In a CPE name, what is not known is `*`.
        let templates = [&raw.product, &version, &extra, &raw.os, &raw.device];
        for template in templates.into_iter().flatten() {
            if let Some(odd) = groups(template).find(|group| !named(group)) {
                return Err(format!("{template:?} wants a group {odd:?} that the pattern lacks"));
            }
        }
        Ok(Self {
            service: raw.service,
            kind,
            has: raw.has,
            pattern: raw.pattern,
            regex: OnceLock::new(),
            product: raw.product,
            vendor: raw.vendor,
            version,
            extra,
            os: raw.os,
            device: raw.device,
            cpe: raw.cpe,
            score,
            examples: raw.examples,
        })
    }

    /// Compiles the pattern.
    ///
    /// # Errors
    /// What is wrong with it: no look-around, no back-references, no large repetitions.
    pub fn check(&self) -> Result<(), String> {
        compile(&self.pattern).map(drop)
    }

    /// What `octets` say, if this is who says so.
    pub(crate) fn matches(&self, octets: &[u8]) -> Option<Service> {
        let regex = self.regex.get_or_init(|| compile(&self.pattern).ok()).as_ref()?;
        regex.captures(octets).map(|captures| self.service(&captures))
    }

    fn service(&self, captures: &Captures<'_>) -> Service {
        let of = |template: &Option<String>| fill(template.as_deref()?, captures);
        Service {
            name: self.service.clone(),
            product: of(&self.product),
            vendor: self.vendor.clone(),
            version: of(&self.version),
            extra: of(&self.extra),
            os: of(&self.os),
            device: of(&self.device),
            cpe: self.cpe.iter().filter_map(|cpe| fill_cpe(cpe, captures)).collect(),
            score: self.score,
        }
    }

    /// Which octets it reads.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The service that it names.
    pub fn name(&self) -> &str {
        &self.service
    }

    /// The product that it names, with places for groups.
    pub fn product(&self) -> Option<&str> {
        self.product.as_deref()
    }

    /// A literal without which nothing matches; case does not matter.
    pub fn has(&self) -> Option<&str> {
        self.has.as_deref()
    }

    /// How sure it is, 1 to 100.
    pub const fn score(&self) -> u8 {
        self.score
    }

    /// What real servers say.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.unicode(false).size_limit(PATTERN_LEN_MAX).dfa_size_limit(PATTERN_LEN_MAX);
    builder.build().map_err(|error| format!("pattern: {error}"))
}
