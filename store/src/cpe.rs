//! Names of products (CPE): as formatted string of version 2.3, in which they are kept, and as URI
//! of version 2.2, which nmap's reports have.
//!
//! NIST IR 7695, §6.1 (URI) and §6.2 (formatted string).

use std::fmt::Write as _;

const FORMATTED: &str = "cpe:2.3:";
const URI: &str = "cpe:/";
/// part, vendor, product, version, update, edition, language, and what only 2.3 has: software
/// edition, target software, target hardware, other.
const COMPONENTS: usize = 11;
const EDITION: usize = 5;
const LANGUAGE: usize = 6;

/// A formatted string as a URI: `cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*` as
/// `cpe:/a:openbsd:openssh:9.2:p1`. Text of another form stays as it is.
pub fn to_uri(name: &str) -> String {
    let Some(rest) = name.strip_prefix(FORMATTED) else { return name.to_owned() };
    let components = split_formatted(rest);
    let Ok(components) = <[String; COMPONENTS]>::try_from(components) else {
        return name.to_owned();
    };
    let [part, vendor, product, version, update, edition, language, more @ ..] =
        components.map(|component| uri_component(&component));
    let edition = if more.iter().all(String::is_empty) {
        edition
    } else {
        format!("~{edition}~{}", more.join("~"))
    };
    let mut parts = vec![part, vendor, product, version, update, edition, language];
    while parts.last().is_some_and(String::is_empty) {
        parts.pop();
    }
    format!("{URI}{}", parts.join(":"))
}

/// A URI as a formatted string; text of another form stays as it is.
pub fn from_uri(uri: &str) -> String {
    let Some(rest) = uri.strip_prefix(URI) else { return uri.to_owned() };
    let mut components: Vec<String> = rest.split(':').map(ToOwned::to_owned).collect();
    if components.len() > LANGUAGE + 1 {
        return uri.to_owned();
    }
    components.resize(COMPONENTS, String::new());
    let packed = components.get(EDITION).and_then(|edition| edition.strip_prefix('~'));
    let unpacked: Option<Vec<String>> =
        packed.map(|packed| packed.split('~').map(ToOwned::to_owned).collect());
    if let Some(unpacked) = unpacked {
        let places = [EDITION].into_iter().chain(LANGUAGE + 1..COMPONENTS);
        if unpacked.len() != COMPONENTS - LANGUAGE {
            return uri.to_owned();
        }
        for (place, text) in places.zip(unpacked) {
            if let Some(component) = components.get_mut(place) {
                *component = text;
            }
        }
    }
    let components: Option<Vec<String>> =
        components.iter().map(|component| formatted_component(component)).collect();
    components.map_or_else(|| uri.to_owned(), |all| format!("{FORMATTED}{}", all.join(":")))
}

/// The components of a formatted string, escapes left in.
fn split_formatted(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == ':' && !escaped {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    all
}

fn uri_component(component: &str) -> String {
    if component == "*" {
        return String::new();
    }
    let mut out = String::with_capacity(component.len());
    let mut escaped = false;
    for c in component.chars() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '?' if !escaped => out.push_str("%01"),
            '*' if !escaped => out.push_str("%02"),
            c if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') => out.push(c),
            c => {
                for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "%{octet:02x}");
                }
            }
        }
        escaped = false;
    }
    out
}

/// `None` where what stands behind a `%` is no octet, or the octets are no text.
fn formatted_component(component: &str) -> Option<String> {
    if component.is_empty() {
        return Some("*".to_owned());
    }
    if component == "-" {
        return Some("-".to_owned());
    }
    let mut octets = Vec::new();
    let mut wild = Vec::new();
    let mut bytes = component.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            octets.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let octet = u8::try_from(digit()? * 16 + digit()?).ok()?;
        if matches!(octet, 1 | 2) {
            wild.push(octets.len());
        }
        octets.push(octet);
    }
    let text = String::from_utf8(octets).ok()?;
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '\u{1}' if wild.contains(&at) => out.push('?'),
            '\u{2}' if wild.contains(&at) => out.push('*'),
            c if c.is_control() => return None,
            c if c.is_ascii_punctuation() && !matches!(c, '_' | '.' | '-') => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_have_two_forms() {
        for (formatted, uri) in [
            ("cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*", "cpe:/a:openbsd:openssh:9.2:p1"),
            ("cpe:2.3:a:igor_sysoev:nginx:*:*:*:*:*:*:*:*", "cpe:/a:igor_sysoev:nginx"),
            ("cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*", "cpe:/o:linux:linux_kernel:-"),
            // The examples of NIST IR 7695, §6.1.3.2.
            (
                r"cpe:2.3:a:hp:insight_diagnostics:7.4.0.1570:-:*:*:online:win2003:x64:*",
                "cpe:/a:hp:insight_diagnostics:7.4.0.1570:-:~~online~win2003~x64~",
            ),
            (
                r"cpe:2.3:a:foo\\bar:big\$money:2010:*:*:*:special:ipod_touch:80gb:*",
                "cpe:/a:foo%5cbar:big%24money:2010::~~special~ipod_touch~80gb~",
            ),
            (
                "cpe:2.3:a:microsoft:internet_explorer:8.*:sp?:*:*:*:*:*:*",
                "cpe:/a:microsoft:internet_explorer:8.%02:sp%01",
            ),
            (r"cpe:2.3:a:x:a\:b\~c:1\/2:*:*:*:*:*:*:*", "cpe:/a:x:a%3ab%7ec:1%2f2"),
        ] {
            assert_eq!(to_uri(formatted), uri);
            assert_eq!(from_uri(uri), formatted);
        }
        for other in ["", "openssh", "cpe:2.3:a:b", "cpe:2.2:a", "cpe:/a:%zz", "cpe:/a:b:c:d:e:~x"]
        {
            assert_eq!((to_uri(other), from_uri(other)), (other.to_owned(), other.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn every_name_survives_both_ways(text in "[ -~äö]{1,12}") {
            let escaped: String = text
                .chars()
                .flat_map(|c| {
                    let plain = !c.is_ascii_punctuation() || "_.-".contains(c);
                    (!plain).then_some('\\').into_iter().chain([c])
                })
                .collect();
            prop_assume!(escaped != "-");
            let name = format!("cpe:2.3:a:v:{escaped}:*:*:*:*:*:*:*:*");
            prop_assert_eq!(from_uri(&to_uri(&name)), name);
        }

        #[test]
        fn nothing_makes_them_panic(text in "cpe:(/|2\\.3:)[a~%0-9:\\\\é-]{0,40}") {
            let _ = (to_uri(&text), from_uri(&text));
        }
    }
}
