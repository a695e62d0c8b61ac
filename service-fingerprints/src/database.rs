//! All signatures, and who said that.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use regex_automata::util::captures::Captures;

use crate::index::Index;
use crate::kind::Kind;
use crate::raw::Packed;
use crate::service::Service;
use crate::signature::{Signature, SignatureError};
use crate::{decode, greeting, http};

/// Octets that are looked at, at most: who has not said who it is by then will not.
pub const DATA_LEN_MAX: usize = 16 << 10;

/// How sure it must be who says the rest of a greeting whose protocol is not known.
const GREETING_SCORE_MIN: u8 = 60;

/// Signatures that are tried, at most. What a service says has the literals of a few dozen; only
/// what was made for it has those of hundreds, and each may cost its compilation.
pub const TRIES_MAX: usize = 48;

/// The signatures of `data/signatures/`, as `build.rs` packs them.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/signatures.bin"));

static EMBEDDED: LazyLock<Database> = LazyLock::new(|| Database::new(built_in()));

/// The signatures that are built in.
fn built_in() -> Vec<Signature> {
    let packed: Vec<Packed<'static>> = postcard::from_bytes(PACKED).unwrap_or_default();
    // A test checks every file; what is wrong would leave its product unknown.
    packed.iter().filter_map(|packed| Signature::unpacked(packed).ok()).collect()
}

/// Signatures by what they read, ready to be searched.
#[derive(Debug)]
pub struct Database {
    signatures: Vec<Signature>,
    by_kind: BTreeMap<Kind, OfKind>,
}

/// The signatures of one kind.
#[derive(Debug, Default)]
struct OfKind {
    /// Where they are.
    places: Vec<u32>,
    /// Made when the first octets of that kind come.
    index: OnceLock<Index>,
}

impl Database {
    fn index(&self, kind: Kind) -> Option<&Index> {
        let OfKind { places, index } = self.by_kind.get(&kind)?;
        Some(index.get_or_init(|| Index::new(&self.signatures, places)))
    }

    fn at(&self, place: u32) -> Option<&Signature> {
        self.signatures.get(usize::try_from(place).ok()?)
    }

    /// The signatures that are built in.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// A database of the built-in signatures and of those in further files, given by name and
    /// content.
    ///
    /// # Errors
    /// [`SignatureError`] for the first signature that is wrong or could be slow.
    pub fn with(files: &[(String, String)]) -> Result<Self, SignatureError> {
        let mut signatures = built_in();
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

    fn new(mut signatures: Vec<Signature>) -> Self {
        // The surest first, and of equals the first: the first that matches is the answer.
        signatures.sort_by_key(|signature| Reverse(signature.score()));
        let mut by_kind: BTreeMap<Kind, OfKind> = BTreeMap::new();
        for (place, signature) in (0..).zip(&signatures) {
            by_kind.entry(signature.kind()).or_default().places.push(place);
        }
        Self { signatures, by_kind }
    }

    /// Its signatures, the surest first.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Who says `octets`, which are of `kind`; the surest match. Where `protocol` is known, others
    /// count only if nothing of it matches. Of a banner that is a reply with fields of its own
    /// (SNMP, DNS, SIP, …) these are read too.
    ///
    /// A banner without what its protocol's greeting begins with is read as if it had that too.
    /// Looks at the first [`DATA_LEN_MAX`] octets, and at no more than [`TRIES_MAX`] signatures
    /// whose literal occurs, in time linear in the number of octets.
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
        let mut search = Search::new(self, protocol.map(greeting::service_of));
        if kind == Kind::Banner {
            search.look(kind, octets);
            if octets.starts_with(b"HTTP/") {
                search.look_into(octets);
            }
        } else if kind == Kind::HttpHead {
            search.look(kind, octets);
            search.look_into(octets);
        } else {
            search.look(kind, octets.trim_ascii());
        }
        let found = search.service();
        let own = |service: &Service| search.protocol.is_none_or(|name| name == service.name);
        let sure = found.as_ref().is_some_and(|found| own(found) && found.product.is_some());
        if sure || kind != Kind::Banner {
            return found;
        }
        self.completed(&search, octets).or(found)
    }

    /// Who says `banner` if it is the rest of a greeting; only one whose product is known.
    fn completed(&self, search: &Search<'_>, banner: &[u8]) -> Option<Service> {
        let known = search.protocol.is_some();
        let mut best: Option<Service> = None;
        for (name, whole) in greeting::completed(search.protocol, banner) {
            let mut search = Search::new(self, Some(name));
            search.look(Kind::Banner, &whole);
            let found = search.service();
            let sure = |found: &Service| known || found.score >= GREETING_SCORE_MIN;
            let found = found.filter(|f| f.name == name && f.product.is_some() && sure(f));
            if found.as_ref().map(|f| f.score) > best.as_ref().map(|b| b.score) {
                best = found;
            }
        }
        best
    }
}

/// Looking for the surest signature.
struct Search<'a> {
    database: &'a Database,
    /// The service that is preferred.
    protocol: Option<&'a str>,
    /// What matched, which octets, and what its groups matched.
    found: Option<(&'a Signature, &'a [u8], Captures)>,
    /// How many signatures may still be tried.
    tries: usize,
}

impl<'a> Search<'a> {
    const fn new(database: &'a Database, protocol: Option<&'a str>) -> Self {
        Self { database, protocol, found: None, tries: TRIES_MAX }
    }

    /// What was found, as a service.
    fn service(&self) -> Option<Service> {
        self.found.as_ref().map(|(signature, octets, captures)| signature.service(octets, captures))
    }

    /// Looks at each part of a response head of HTTP.
    fn look_into(&mut self, head: &'a [u8]) {
        for (part, value) in http::parts(head) {
            self.look(part, value);
        }
    }

    /// Looks for who says `octets`; what is surer than what was found takes its place.
    fn look(&mut self, kind: Kind, octets: &'a [u8]) {
        let Some(index) = self.database.index(kind) else { return };
        let mut candidates = index.candidates(&self.database.signatures, octets);
        if let Some(protocol) = self.protocol {
            let signature = |place: &u32| self.database.at(*place);
            candidates.sort_by_key(|place| signature(place).is_none_or(|s| s.name() != protocol));
        }
        for place in candidates {
            let Some(signature) = self.database.at(place) else { continue };
            let found = self.found.as_ref();
            if found.is_some_and(|(found, ..)| self.rank(signature) <= self.rank(found)) {
                return;
            }
            let Some(left) = self.tries.checked_sub(1) else { return };
            self.tries = left;
            if let Some(captures) = signature.pattern().captures(octets) {
                self.found = Some((signature, octets, captures));
                return;
            }
        }
    }

    /// How much a match counts.
    fn rank(&self, signature: &Signature) -> (bool, u8) {
        (self.protocol.is_some_and(|name| name == signature.name()), signature.score())
    }
}
