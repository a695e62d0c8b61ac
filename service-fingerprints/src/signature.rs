//! One signature: how one product speaks.

use std::borrow::Cow;

use regex_automata::util::captures::Captures;
use serde::Deserialize;

use crate::kind::Kind;
use crate::pattern::Pattern;
use crate::raw::{File, Packed};
use crate::service::Service;
use crate::template::{fill, fill_cpe, groups};

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

/// A text that lies in the program, or that was read.
type Text = Cow<'static, str>;

/// How one product speaks, or one service whose product is not known.
#[derive(Debug)]
pub struct Signature {
    service: Text,
    kind: Kind,
    has: Vec<Text>,
    pattern: Pattern,
    product: Option<Text>,
    vendor: Option<Text>,
    version: Option<Text>,
    extra: Option<Text>,
    os: Option<Text>,
    device: Option<Text>,
    cpe: Option<Text>,
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
        let read: File<Example> = toml::from_str(text).map_err(syntax)?;
        let mut signatures = Vec::with_capacity(read.signature.len());
        for (at, raw) in read.signature.into_iter().enumerate() {
            let field = |problem| SignatureError::Field {
                file: file.to_owned(),
                number: at + 1,
                name: raw.product.clone().unwrap_or_else(|| raw.service.clone()),
                problem,
            };
            if raw.examples.is_empty() {
                return Err(field("no example".to_owned()));
            }
            let mut signature =
                Self::of(&raw.packed(), |text| Cow::Owned(text.to_owned())).map_err(field)?;
            signature.examples = raw.examples;
            signatures.push(signature);
        }
        Ok(signatures)
    }

    /// The signature that the build packed; it has no examples.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn unpacked(packed: &Packed<'static>) -> Result<Self, String> {
        Self::of(packed, Cow::Borrowed)
    }

    fn of<'a>(packed: &Packed<'a>, text: impl Fn(&'a str) -> Text) -> Result<Self, String> {
        let kind =
            Kind::of_name(packed.kind).ok_or_else(|| format!("kind {:?} is none", packed.kind))?;
        if packed.has.iter().any(|has| has.len() < HAS_LEN_MIN || !has.is_ascii()) {
            return Err(format!("has: expected {HAS_LEN_MIN} or more octets of ASCII"));
        }
        let score = packed.score.unwrap_or(match packed.product {
            Some(_) => SCORE_PRODUCT,
            None => SCORE_SERVICE,
        });
        if !(1..=100).contains(&score) {
            return Err(format!("score {score}; expected 1 to 100"));
        }
        let named = |group: &str| has_group(packed.pattern, group);
        let of = |given: Option<&'a str>| given.map(&text);
        let usual = |given: Option<&'a str>, group: &str, usual: &'static str| {
            of(given).or_else(|| named(group).then_some(Cow::Borrowed(usual)))
        };
        let signature = Self {
            service: text(packed.service),
            kind,
            has: packed.has.iter().map(|has| text(has)).collect(),
            product: of(packed.product),
            vendor: of(packed.vendor),
            version: usual(packed.version, "version", "{version}"),
            extra: usual(packed.extra, "extra", "{extra}"),
            os: of(packed.os),
            device: of(packed.device),
            cpe: of(packed.cpe),
            score,
            examples: Vec::new(),
            pattern: Pattern::new(text(packed.pattern)),
        };
        // In a CPE name, what is not known is `*`.
        let templates = [packed.product, packed.version, packed.extra, packed.os, packed.device];
        for template in templates.into_iter().flatten() {
            if let Some(odd) = groups(template).find(|group| !named(group)) {
                return Err(format!("{template:?} wants a group {odd:?} that the pattern lacks"));
            }
        }
        Ok(signature)
    }

    /// Compiles the pattern.
    ///
    /// # Errors
    /// What is wrong with it: no look-around, no back-references, no large repetitions.
    pub fn check(&self) -> Result<(), String> {
        self.pattern.check()
    }

    /// What `octets` say, of which the groups of the pattern matched `captures`.
    pub(crate) fn service(&self, octets: &[u8], captures: &Captures) -> Service {
        let group = |name: &str| octets.get(captures.get_group_by_name(name)?.range());
        let of = |template: &Option<Text>| fill(template.as_deref()?, &group);
        Service {
            name: self.service.clone().into_owned(),
            product: of(&self.product),
            vendor: self.vendor.clone().map(Cow::into_owned),
            version: of(&self.version),
            extra: of(&self.extra),
            os: of(&self.os),
            device: of(&self.device),
            cpe: self.cpe.iter().filter_map(|cpe| fill_cpe(cpe, &group)).collect(),
            score: self.score,
        }
    }

    /// Its pattern.
    pub(crate) const fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// The text of its pattern.
    pub fn pattern_text(&self) -> &str {
        self.pattern.text()
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

    /// Literals without any of which nothing matches, none where that is not known; case does not
    /// matter.
    pub fn has(&self) -> &[Cow<'static, str>] {
        &self.has
    }

    /// How sure it is, 1 to 100.
    pub const fn score(&self) -> u8 {
        self.score
    }

    /// What real servers say; those that are built in go without.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }
}

/// Whether `pattern` has a group of that name.
fn has_group(pattern: &str, name: &str) -> bool {
    let mut rest = pattern;
    while let Some((_, behind)) = rest.split_once("(?P<") {
        if behind.strip_prefix(name).is_some_and(|behind| behind.starts_with('>')) {
            return true;
        }
        rest = behind;
    }
    false
}
