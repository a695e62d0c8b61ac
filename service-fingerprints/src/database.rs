//! All signatures, and who said that.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

use crate::decode;
use crate::http;
use crate::kind::Kind;
use crate::service::Service;
use crate::signature::{Signature, SignatureError};

/// Octets that are looked at, at most: who has not said who it is by then will not.
pub const DATA_LEN_MAX: usize = 16 << 10;

/// Files of `data/signatures/`, by name and content.
macro_rules! files {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../data/signatures/", $name)))),*]
    };
}

/// The files that are built in.
const FILES: &[(&str, &str)] = files![
    "broker.toml",
    "database.toml",
    "dns-version.toml",
    "ftp.toml",
    "http-cookie.toml",
    "http-path.toml",
    "http-server.toml",
    "http-title.toml",
    "http-www-authenticate.toml",
    "imap.toml",
    "industrial.toml",
    "misc-binary.toml",
    "misc-line.toml",
    "nntp.toml",
    "pop3.toml",
    "remote.toml",
    "sip.toml",
    "smtp.toml",
    "snmp-sysdescr.toml",
    "ssh.toml",
    "telnet.toml",
    "tls-cert-subject.toml",
];

static EMBEDDED: LazyLock<Database> = LazyLock::new(|| {
    let read = FILES.iter().map(|(file, text)| Signature::read(file, text));
    // A test reads every file; one that could not be read would leave its products unknown.
    Database::new(read.filter_map(Result::ok).flatten().collect())
});

/// Signatures by what they read, ready to be searched.
#[derive(Debug)]
pub struct Database {
    signatures: Vec<Signature>,
    by_kind: BTreeMap<Kind, Index>,
}

/// The signatures of one kind.
#[derive(Debug)]
struct Index {
    /// Finds every literal in one pass; `None` without literals.
    literals: Option<AhoCorasick>,
    /// Which signatures each literal belongs to.
    of_literal: Vec<Vec<usize>>,
    /// Signatures without one.
    others: Vec<usize>,
}

impl Database {
    /// The signatures that are built in.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// The files that are built in: name and content.
    pub const fn files() -> &'static [(&'static str, &'static str)] {
        FILES
    }

    /// A database of the built-in signatures and of those in further files, given by name and
    /// content.
    ///
    /// # Errors
    /// [`SignatureError`] for the first signature that is wrong or could be slow.
    pub fn with(files: &[(String, String)]) -> Result<Self, SignatureError> {
        let mut signatures = Vec::new();
        for (file, text) in FILES {
            signatures.extend(Signature::read(file, text)?);
        }
        for (file, text) in files {
            let read = Signature::read(file, text)?;
            for (at, signature) in read.iter().enumerate() {
                signature.check().map_err(|problem| SignatureError::Field {
                    file: file.clone(),
                    number: at + 1,
                    name: signature.product().unwrap_or_else(|| signature.name()).to_owned(),
                    problem,
                })?;
            }
            signatures.extend(read);
        }
        Ok(Self::new(signatures))
    }

    fn new(signatures: Vec<Signature>) -> Self {
        let mut kinds: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
        for (at, signature) in signatures.iter().enumerate() {
            kinds.entry(signature.kind()).or_default().push(at);
        }
        let index = |(kind, of_kind): (Kind, Vec<usize>)| (kind, Index::new(&signatures, &of_kind));
        let by_kind = kinds.into_iter().map(index).collect();
        Self { signatures, by_kind }
    }

    /// Its signatures.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Who says `octets`, which are of `kind`; the surest match. Where `protocol` is known, others
    /// count only if nothing of it matches. Of a banner that is a reply with fields of its own
    /// (SNMP, DNS, SIP, …) these are read too.
    ///
    /// Looks at the first [`DATA_LEN_MAX`] octets, in time linear in their number.
    pub fn identify(&self, protocol: Option<&str>, kind: Kind, octets: &[u8]) -> Option<Service> {
        let octets = octets.get(..DATA_LEN_MAX).unwrap_or(octets);
        let found = self.by_signatures(protocol, kind, octets);
        if kind != Kind::Banner {
            return found;
        }
        let said = |kind, text: &[u8]| self.by_signatures(None, kind, text);
        decode::surest(protocol, found, octets, said)
    }

    /// Who says `octets`, as far as signatures tell.
    fn by_signatures(&self, protocol: Option<&str>, kind: Kind, octets: &[u8]) -> Option<Service> {
        let mut found = self.matches(kind, octets);
        if kind == Kind::HttpHead || kind == Kind::Banner && octets.starts_with(b"HTTP/") {
            for (part, value) in http::parts(octets) {
                found.extend(self.matches(part, value));
            }
        }
        let own = |service: &Service| protocol.is_some_and(|protocol| protocol == service.name);
        // The first of equals, as in the files.
        found.into_iter().rev().max_by_key(|service| (own(service), service.score))
    }

    /// Everything in the database that `octets` match.
    pub fn matches(&self, kind: Kind, octets: &[u8]) -> Vec<Service> {
        let Some(index) = self.by_kind.get(&kind) else { return Vec::new() };
        let mut candidates = index.others.clone();
        if let Some(literals) = &index.literals {
            let mut occurs = vec![false; index.of_literal.len()];
            for hit in literals.find_overlapping_iter(octets) {
                if let Some(occurs) = occurs.get_mut(hit.pattern().as_usize()) {
                    *occurs = true;
                }
            }
            let of_occurring = index.of_literal.iter().zip(occurs).filter(|(_, occurs)| *occurs);
            candidates.extend(of_occurring.flat_map(|(of_literal, _)| of_literal));
        }
        candidates.sort_unstable();
        let signatures = candidates.into_iter().filter_map(|at| self.signatures.get(at));
        signatures.filter_map(|signature| signature.matches(octets)).collect()
    }
}

impl Index {
    fn new(signatures: &[Signature], of_kind: &[usize]) -> Self {
        let mut by_literal: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut others = Vec::new();
        for at in of_kind {
            match signatures.get(*at).and_then(Signature::has) {
                Some(has) => by_literal.entry(has.to_ascii_lowercase()).or_default().push(*at),
                None => others.push(*at),
            }
        }
        let mut builder = AhoCorasickBuilder::new();
        builder.ascii_case_insensitive(true);
        let literals = builder.build(by_literal.keys()).ok().filter(|_| !by_literal.is_empty());
        Self { literals, of_literal: by_literal.into_values().collect(), others }
    }
}
