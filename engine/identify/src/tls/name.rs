//! Distinguished names and the texts within, RFC 5280 §4.1.2.4.

use std::borrow::Cow;
use std::net::IpAddr;

use x509_parser::asn1_rs::{Any, Oid, Tag};
use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Name;

/// Octets of one text.
pub(super) const TEXT_LEN_MAX: usize = 256;
/// Octets of a whole name.
const NAME_LEN_MAX: usize = 1_024;
/// Octets of an object identifier that is written: to write a long number costs its square.
const IDENTIFIER_LEN_MAX: usize = 32;
/// Attributes of a name that are written.
const ATTRIBUTES_MAX: usize = 32;

/// `CN=x, O=y`: the attributes in the order in which they are in the certificate.
///
/// It is for reading and matching: what separates is not escaped within values.
pub(super) fn distinguished(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for attribute in name.iter_attributes().take(ATTRIBUTES_MAX) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&label(&identifier(attribute.attr_type())));
        text.push('=');
        text.push_str(&text_of(attribute.attr_value()));
    }
    cut(&mut text, NAME_LEN_MAX);
    text
}

/// The last of its common names, which is the most specific.
pub(super) fn common(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().last().map(|attribute| text_of(attribute.attr_value()))
}

/// A name as in `subjectAltName`, RFC 5280 §4.2.1.6; `None` if it is of a kind that isn't written.
pub(super) fn general(name: &GeneralName<'_>) -> Option<String> {
    match *name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some(lossy(text.as_bytes()))
        }
        GeneralName::Invalid(Tag(1 | 2 | 6), octets) => Some(lossy(octets)),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
                .ok()
                .map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// `1.2.840.113549`; `?` if it is longer than any that is used.
pub(super) fn identifier(oid: &Oid<'_>) -> String {
    if oid.as_bytes().len() > IDENTIFIER_LEN_MAX {
        return "?".to_owned();
    }
    oid.to_id_string()
}

/// At most [`TEXT_LEN_MAX`] octets; what is not UTF-8 becomes U+FFFD.
pub(super) fn lossy(octets: &[u8]) -> String {
    let octets = octets.get(..TEXT_LEN_MAX).unwrap_or(octets);
    let mut text = String::from_utf8_lossy(octets).into_owned();
    cut(&mut text, TEXT_LEN_MAX);
    text
}

/// The text of a string of any of ASN.1's kinds.
fn text_of(value: &Any<'_>) -> String {
    let octets = value.data.get(..TEXT_LEN_MAX).unwrap_or(value.data);
    let mut text = match value.tag() {
        Tag::BmpString => {
            let (units, _) = octets.as_chunks::<2>();
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)))
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        Tag::UniversalString => {
            let (units, _) = octets.as_chunks::<4>();
            units
                .iter()
                .map(|unit| char::from_u32(u32::from_be_bytes(*unit)))
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        // In practice T.61 is Latin-1.
        Tag::T61String if str::from_utf8(octets).is_err() => {
            octets.iter().copied().map(char::from).collect()
        }
        _ => lossy(octets),
    };
    cut(&mut text, TEXT_LEN_MAX);
    text
}

/// Cuts `text` to at most `most` octets, between characters.
fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

/// The short name of a kind of attribute, RFC 4514 §3 and what OpenSSL calls others.
fn label(oid: &str) -> Cow<'static, str> {
    Cow::Borrowed(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.15" => "businessCategory",
        "2.5.4.17" => "postalCode",
        "2.5.4.41" => "name",
        "2.5.4.42" => "GN",
        "2.5.4.43" => "initials",
        "2.5.4.46" => "dnQualifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        _ => return Cow::Owned(lossy(oid.as_bytes())),
    })
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer;

    use super::*;

    /// A name of one attribute, `1.2.3.4`'s or another's, with a value of that tag.
    fn name_of(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            [&[tag, 0x82], &u16::try_from(content.len()).unwrap().to_be_bytes()[..], content]
                .concat()
        };
        let attribute = [wrap(6, oid), wrap(tag, value)].concat();
        wrap(0x30, &wrap(0x31, &wrap(0x30, &attribute)))
    }

    fn written(oid: &[u8], tag: u8, value: &[u8]) -> String {
        let der = name_of(oid, tag, value);
        distinguished(&X509Name::from_der(&der).unwrap().1)
    }

    #[test]
    fn strings_of_all_kinds_are_read() {
        let common_name = [0x55, 4, 3];
        assert_eq!(written(&common_name, 0x0c, b"a\xc3\xa9"), "CN=a\u{e9}");
        assert_eq!(written(&common_name, 0x0c, b"a\xff"), "CN=a\u{fffd}");
        assert_eq!(written(&common_name, 0x1e, b"\0a\0b"), "CN=ab");
        assert_eq!(written(&common_name, 0x1c, b"\0\0\0a\0\x11\0\0"), "CN=a\u{fffd}");
        assert_eq!(written(&common_name, 0x14, b"a\xe9"), "CN=a\u{e9}");
        assert_eq!(written(&[42, 3, 4], 0x13, b"x"), "1.2.3.4=x");
        assert_eq!(written(&vec![0xff; 60_000], 0x13, b"x"), "?=x");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "\u{e9}".repeat(10_000);
        let text = written(&[0x55, 4, 3], 0x0c, long.as_bytes());
        assert!(text.len() <= TEXT_LEN_MAX + 3 && text.ends_with('\u{e9}'));
        assert_eq!(lossy(&[0xff; 10_000]).len(), TEXT_LEN_MAX / 3 * 3);
    }

    #[test]
    fn addresses_are_written() {
        assert_eq!(general(&GeneralName::IPAddress(&[192, 0, 2, 7])).unwrap(), "192.0.2.7");
        let mut octets = [0; 16];
        octets[15] = 1;
        assert_eq!(general(&GeneralName::IPAddress(&octets)).unwrap(), "::1");
        assert_eq!(general(&GeneralName::IPAddress(&[1, 2])), None);
    }
}
