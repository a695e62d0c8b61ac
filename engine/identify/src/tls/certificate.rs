//! X.509 certificates as servers show them, RFC 5280.

use portolan_core::UnixTime;
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::{Any, Class, Header, Tag};
use x509_parser::extensions::{
    AuthorityKeyIdentifier, BasicConstraints, GeneralName, KeyIdentifier, X509Extension,
    X509ExtensionParser,
};
use x509_parser::nom::Parser;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name};
use x509_parser::{certificate::Validity, oid_registry as oid};

use super::{key, name};

/// Names that are kept of a certificate.
const NAMES_MAX: usize = 64;
/// Extensions that are looked at.
const EXTENSIONS_MAX: usize = 64;
/// Octets of a serial number that are written; RFC 5280 §4.1.2.2 allows 20.
const SERIAL_LEN_MAX: usize = 32;

/// What a certificate says.
///
/// Texts are of at most 256 octets each, whole names of at most 1,024; what is not UTF-8 in them
/// is U+FFFD, and control characters are as they came.
/// Nothing in it is proved: no signature is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// Whom it is for: `CN=x, O=y`, in the order of the certificate.
    pub subject: String,
    /// The last common name of the subject.
    pub common_name: Option<String>,
    /// The subject's other names: DNS names, addresses, mail addresses and URIs, the first 64.
    pub names: Vec<String>,
    /// How many other names there are, of all kinds.
    pub names_total: usize,
    /// Who says so, like `subject`.
    pub issuer: String,
    /// The last common name of the issuer.
    pub issuer_common_name: Option<String>,
    /// The serial number, hexadecimal, the first 32 octets.
    pub serial: String,
    /// When it begins to be valid.
    pub not_before: UnixTime,
    /// When it was last valid.
    pub not_after: UnixTime,
    /// The public key: `rsa 2048`, `ec p-256`, `ed25519`, or its algorithm's object identifier.
    pub public_key: String,
    /// What it is signed with: `rsa-sha256`, or its object identifier.
    pub signature_algorithm: String,
    /// SHA-256 of its octets; `None` if it was cut short.
    pub sha256: Option<[u8; 32]>,
    /// Whether it names itself as its issuer.
    pub self_signed: bool,
    /// Whether it may sign other certificates.
    pub authority: bool,
}

impl Certificate {
    /// Reads a certificate in DER; `None` if it is none.
    ///
    /// Of one that is cut short it tells everything if all but the extensions is there.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (outer, is_whole) = enter(der)?;
        let (inner, _) = enter(outer)?;
        let rest = skip_version(inner)?;
        let (rest, serial) = Any::from_der(rest).ok()?;
        let (rest, algorithm) = AlgorithmIdentifier::from_der(rest).ok()?;
        let (rest, issuer) = X509Name::from_der(rest).ok()?;
        let (rest, validity) = Validity::from_der(rest).ok()?;
        let (rest, subject) = X509Name::from_der(rest).ok()?;
        let (rest, key) = SubjectPublicKeyInfo::from_der(rest).ok()?;
        let extensions = Extensions::read(rest);
        Some(Self {
            subject: name::distinguished(&subject),
            common_name: name::common(&subject),
            names: extensions.names,
            names_total: extensions.names_total,
            issuer: name::distinguished(&issuer),
            issuer_common_name: name::common(&issuer),
            serial: hexadecimal(serial.data.iter().copied().take(SERIAL_LEN_MAX)),
            not_before: UnixTime::from_seconds(validity.not_before.timestamp()),
            not_after: UnixTime::from_seconds(validity.not_after.timestamp()),
            public_key: key::public_key(&key),
            signature_algorithm: key::signature_algorithm(&name::identifier(&algorithm.algorithm)),
            sha256: is_whole.then(|| Sha256::digest(der).into()),
            self_signed: subject.as_raw() == issuer.as_raw() && extensions.key_is_own,
            authority: extensions.authority,
        })
    }

    /// Whether it is no longer valid.
    pub fn expired(&self, now: UnixTime) -> bool {
        now > self.not_after
    }

    /// Whether it is not valid yet.
    pub fn early(&self, now: UnixTime) -> bool {
        now < self.not_before
    }

    /// The fingerprint in lower-case hexadecimal.
    pub fn sha256_text(&self) -> Option<String> {
        self.sha256.map(|hash| hexadecimal(hash.into_iter()))
    }
}

/// What the extensions say.
struct Extensions {
    names: Vec<String>,
    names_total: usize,
    authority: bool,
    /// Whether nothing says that it is signed with another key than its own.
    key_is_own: bool,
}

impl Extensions {
    /// Reads what is behind the public key; what is broken or cut is as if it were not there.
    fn read(mut rest: &[u8]) -> Self {
        let none = Self { names: Vec::new(), names_total: 0, authority: false, key_is_own: true };
        // Two identifiers that nobody uses may be before it, RFC 5280 §4.1.2.8.
        let list = loop {
            let Ok((_, header)) = Header::from_der(rest) else { return none };
            if header.class() == Class::ContextSpecific && header.tag() == Tag(3) {
                break enter(rest).and_then(|(content, _)| enter(content));
            }
            let Ok((behind, _)) = Any::from_der(rest) else { return none };
            rest = behind;
        };
        let mut list = list.map_or(&[][..], |(list, _)| list);
        let mut told = none;
        let (mut own, mut signer) = (None, None);
        for _ in 0..EXTENSIONS_MAX {
            let mut parser = X509ExtensionParser::new().with_deep_parse_extensions(false);
            let Ok((behind, extension)) = parser.parse(list) else { break };
            list = behind;
            told.look_at(&extension);
            if extension.oid == oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER {
                own = KeyIdentifier::from_der(extension.value).ok().map(|(_, id)| id.0);
            } else if extension.oid == oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER {
                let id = AuthorityKeyIdentifier::from_der(extension.value).ok();
                signer = id.and_then(|(_, id)| id.key_identifier).map(|id| id.0);
            }
        }
        told.key_is_own = own.zip(signer).is_none_or(|(own, signer)| own == signer);
        told
    }

    fn look_at(&mut self, extension: &X509Extension<'_>) {
        if extension.oid == oid::OID_X509_EXT_BASIC_CONSTRAINTS {
            let told = BasicConstraints::from_der(extension.value);
            self.authority = told.is_ok_and(|(_, constraints)| constraints.ca);
        } else if extension.oid == oid::OID_X509_EXT_SUBJECT_ALT_NAME {
            let mut rest = enter(extension.value).map_or(&[][..], |(content, _)| content);
            while let Ok((behind, one)) = GeneralName::from_der(rest) {
                rest = behind;
                self.names_total += 1;
                if self.names.len() < NAMES_MAX {
                    self.names.extend(name::general(&one));
                }
            }
        }
    }
}

/// The content of what `der` begins with, or as much of it as there is, and whether that is all
/// of it and nothing is behind.
fn enter(der: &[u8]) -> Option<(&[u8], bool)> {
    let (rest, header) = Header::from_der(der).ok()?;
    let len = header.length().definite().ok()?;
    let is_constructed = header.is_constructed();
    is_constructed.then_some((rest.get(..len).unwrap_or(rest), rest.len() == len))
}

/// What is behind the version, which is not there in certificates of version 1.
fn skip_version(der: &[u8]) -> Option<&[u8]> {
    let (rest, first) = Any::from_der(der).ok()?;
    let is_version = first.class() == Class::ContextSpecific && first.tag() == Tag(0);
    Some(if is_version { rest } else { der })
}

fn hexadecimal(octets: impl Iterator<Item = u8>) -> String {
    use std::fmt::Write as _;
    octets.fold(String::new(), |mut text, octet| {
        // Writing to a text never fails.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SanType};

    use super::*;

    fn params() -> CertificateParams {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, "a.example");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2060, 1, 1);
        params.serial_number = Some(0x1234_u64.into());
        params
    }

    fn self_signed(params: &CertificateParams) -> Vec<u8> {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_is_read() {
        let mut params = params();
        params.subject_alt_names.push(SanType::IpAddress([192, 0, 2, 7].into()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = self_signed(&params);
        let told = Certificate::parse(&der).unwrap();
        let hash: [u8; 32] = Sha256::digest(&der).into();
        assert!(told.subject.contains("O=Example, Inc."), "{}", told.subject);
        assert_eq!(told.common_name.as_deref(), Some("a.example"));
        assert_eq!(told.issuer, told.subject);
        assert_eq!(told.names, ["a.example", "192.0.2.7"]);
        assert_eq!((told.names_total, told.serial.as_str()), (2, "1234"));
        assert_eq!(told.not_before, UnixTime::from_seconds(1_577_836_800));
        assert_eq!(told.not_after, UnixTime::from_seconds(2_840_140_800));
        assert_eq!(told.public_key, "ec p-256");
        assert_eq!(told.signature_algorithm, "ecdsa-sha256");
        assert_eq!(told.sha256, Some(hash));
        assert!(told.self_signed && told.authority);
        assert!(told.sha256_text().is_some_and(|text| text.len() == 64));
    }

    #[test]
    fn both_ends_of_validity_are_valid() {
        let told = Certificate::parse(&self_signed(&params())).unwrap();
        let second = |time: UnixTime, by: i64| UnixTime::from_seconds(time.as_seconds() + by);
        assert!(!told.early(told.not_before) && told.early(second(told.not_before, -1)));
        assert!(!told.expired(told.not_after) && told.expired(second(told.not_after, 1)));
    }

    #[test]
    fn who_was_signed_by_another_is_not_self_signed() {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = params();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "the authority");
        let issuer = rcgen::Issuer::from_params(&authority, &authority_key);
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let der = params().signed_by(&key, &issuer).unwrap().der().to_vec();
        let told = Certificate::parse(&der).unwrap();
        assert!(!told.self_signed && !told.authority);
        assert_eq!(told.issuer_common_name.as_deref(), Some("the authority"));
        assert_eq!(told.public_key, "ed25519");

        // The same name is not the same key.
        let mut twin = params();
        twin.use_authority_key_identifier_extension = true;
        twin.is_ca = IsCa::ExplicitNoCa;
        let mut authority = params();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = rcgen::Issuer::from_params(&authority, &authority_key);
        let der = twin.signed_by(&key, &issuer).unwrap().der().to_vec();
        let told = Certificate::parse(&der).unwrap();
        assert_eq!(told.subject, told.issuer);
        assert!(!told.self_signed);
    }

    #[test]
    fn ten_thousand_names_are_counted_and_not_kept() {
        let names: Vec<String> = (0..10_000).map(|n| format!("n{n}.example")).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "many");
        let der = self_signed(&params);
        let told = Certificate::parse(&der).unwrap();
        assert_eq!((told.names.len(), told.names_total), (NAMES_MAX, 10_000));
        assert_eq!(told.names[63], "n63.example");

        let cut = Certificate::parse(&der[..5_000]).unwrap();
        assert_eq!((cut.common_name.as_deref(), cut.sha256), (Some("many"), None));
        assert_eq!(cut.names_total, 0);
    }

    #[test]
    fn what_is_behind_a_certificate_is_not_part_of_it() {
        let mut der = self_signed(&params());
        der.push(0);
        assert_eq!(Certificate::parse(&der).unwrap().sha256, None);
        assert_eq!(Certificate::parse(b"\x30\x03abc"), None);
        assert_eq!(Certificate::parse(&[]), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_survived(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Certificate::parse(&octets);
        }

        #[test]
        fn damaged_certificates_are_survived(
            at in any::<prop::sample::Index>(),
            octet in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            static DER: std::sync::LazyLock<Vec<u8>> =
                std::sync::LazyLock::new(|| self_signed(&params()));
            let told = Certificate::parse(&DER[..cut.index(DER.len())]);
            prop_assert!(told.is_none_or(|told| told.sha256.is_none()));
            let mut der = DER.clone();
            *at.get_mut(&mut der) ^= octet;
            let _ = Certificate::parse(&der);
        }
    }
}
