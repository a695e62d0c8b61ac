//! Just enough of HTTP/1.1 (RFC 9112) to ask for a page and to know when it is whole.

use std::net::SocketAddr;

/// Headers that are looked at, octets.
const HEAD_LEN_MAX: usize = 8 << 10;
/// A path that is followed, octets.
const PATH_LEN_MAX: usize = 512;

/// A request for `path` of the server at `addr`.
pub(crate) fn get(addr: SocketAddr, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nUser-Agent: Mozilla/5.0 (compatible; portolan)\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// Whether `reply` is one of HTTP.
pub(crate) fn is_reply(reply: &[u8]) -> bool {
    reply.starts_with(b"HTTP/")
}

/// The status code.
pub(crate) fn status(reply: &[u8]) -> Option<u16> {
    let line = reply.split(|octet| *octet == b'\n').next()?;
    let code = line.split(|octet| *octet == b' ').nth(1)?.trim_ascii();
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// Whether nothing of `reply` is missing, as far as its head tells.
pub(crate) fn is_whole(reply: &[u8]) -> bool {
    let Some((head, body)) = parts(reply) else { return false };
    if let Some(len) = header(head, "content-length") {
        let len = std::str::from_utf8(len).ok().and_then(|len| len.parse::<usize>().ok());
        return len.is_some_and(|len| body.len() >= len);
    }
    if header(head, "transfer-encoding").is_some() {
        return body.ends_with(b"0\r\n\r\n");
    }
    matches!(status(reply), Some(204 | 304))
}

/// Where `reply` of the server at `addr` leads, if that is this very server: a path.
///
/// Another name for it is as good, since the request goes to the same place.
pub(crate) fn redirect(reply: &[u8], addr: SocketAddr, tls: bool) -> Option<String> {
    if !matches!(status(reply)?, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let (head, _) = parts(reply).unwrap_or((reply, &[]));
    let target = std::str::from_utf8(header(head, "location")?).ok()?;
    let (own, usual) = if tls { ("https://", 443) } else { ("http://", 80) };
    let path = match target.strip_prefix(own) {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let port = match host.rsplit_once(':') {
                Some((_, port)) if !port.ends_with(']') => port.parse().ok()?,
                _ => usual,
            };
            if port != addr.port() {
                return None;
            }
            if path.is_empty() { "/" } else { path }
        }
        None if target.contains("://") || target.starts_with("//") => return None,
        None => target,
    };
    let fine = path.len() <= PATH_LEN_MAX && path.bytes().all(|b| b.is_ascii_graphic());
    let path = path.split('#').next().unwrap_or(path);
    fine.then(|| if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
}

/// Head and body.
pub(crate) fn parts(reply: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = reply.get(..HEAD_LEN_MAX.min(reply.len()))?;
    let crlf = head.windows(4).position(|w| w == b"\r\n\r\n").map(|at| (at, 4));
    let (at, gap) =
        crlf.or_else(|| head.windows(2).position(|w| w == b"\n\n").map(|at| (at, 2)))?;
    Some((reply.get(..at)?, reply.get(at + gap..)?))
}

/// The value of the first header of that name, in lower case.
fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|octet| *octet == b'\n').skip(1).find_map(|line| {
        let colon = line.iter().position(|octet| *octet == b':')?;
        let (own, value) = line.split_at_checked(colon)?;
        own.eq_ignore_ascii_case(name.as_bytes()).then(|| value.get(1..))?.map(<[u8]>::trim_ascii)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 8080))
    }

    #[test]
    fn a_reply_is_whole_when_its_body_is() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec();
        assert!(!is_whole(&head));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"));
        assert!(is_whole(&[&head[..], b"hello"].concat()));
        assert!(is_whole(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        ));
        assert!(is_whole(b"HTTP/1.1 204 No Content\r\n\r\n"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n\r\nx"));
    }

    #[test]
    fn redirects_lead_to_this_server_or_nowhere() {
        let to = |location: &str| {
            let reply = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
            redirect(reply.as_bytes(), here(), false)
        };
        assert_eq!(to("/login").as_deref(), Some("/login"));
        assert_eq!(to("login?x=1#y").as_deref(), Some("/login?x=1"));
        assert_eq!(to("http://localhost:8080/a").as_deref(), Some("/a"));
        assert_eq!(to("http://[::1]:8080").as_deref(), Some("/"));
        for elsewhere in
            ["http://localhost/a", "https://localhost:8080/a", "//other/a", "ftp://x/", "/a\u{1}b"]
        {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
        let fine = b"HTTP/1.1 200 OK\r\nLocation: /x\r\n\r\n";
        assert_eq!(redirect(fine, here(), false), None);
    }
}
