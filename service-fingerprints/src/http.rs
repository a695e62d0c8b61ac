//! The parts of a response head of HTTP that tell who answers.

use crate::kind::Kind;

/// Header lines that are looked at, at most.
const LINES_MAX: usize = 128;

/// The parts of `head` by kind, in the order in which they come, the title of a page behind it
/// last. Bounded by the length of `head`; anything is taken that is like a header.
pub(crate) fn parts(head: &[u8]) -> Vec<(Kind, &[u8])> {
    let mut parts = Vec::new();
    for line in head.split(|octet| *octet == b'\n').skip(1).take(LINES_MAX) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let kind = match name.to_ascii_lowercase().as_slice() {
            b"server" => Kind::HttpServer,
            b"set-cookie" => Kind::HttpCookie,
            b"www-authenticate" | b"proxy-authenticate" => Kind::HttpWwwAuthenticate,
            _ => continue,
        };
        parts.push((kind, value));
    }
    parts.extend(title(head).map(|title| (Kind::HttpTitle, title)));
    parts
}

/// The text between the first `<title…>` and what ends it.
fn title(page: &[u8]) -> Option<&[u8]> {
    let at = page.windows(6).position(|window| window.eq_ignore_ascii_case(b"<title"))?;
    let rest = page.get(at..)?;
    let rest = rest.get(rest.iter().position(|octet| *octet == b'>')? + 1..)?;
    let end = rest.windows(2).position(|window| window == b"</").unwrap_or(rest.len());
    rest.get(..end).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_title_are_found() {
        let head = b"HTTP/1.1 401 Unauthorized\r\nServer: nginx/1.22.1 \r\nset-cookie: a=b\r\n\
            WWW-Authenticate:Basic realm=\"x\"\r\nno colon\r\n\r\nServer: no\r\n\
            <html><TITLE lang=en> Hello\n</title>";
        let found = parts(head);
        let wanted: [(Kind, &[u8]); 4] = [
            (Kind::HttpServer, b"nginx/1.22.1"),
            (Kind::HttpCookie, b"a=b"),
            (Kind::HttpWwwAuthenticate, b"Basic realm=\"x\""),
            (Kind::HttpTitle, b"Hello"),
        ];
        assert_eq!(found, wanted);
        for cut in 0..head.len() {
            let _no_panic = parts(&head[..cut]);
        }
        assert_eq!(title(b"<title"), None);
        assert_eq!(title(b"<title>x").unwrap(), b"x");
    }
}
