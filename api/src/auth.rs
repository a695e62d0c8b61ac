//! Who may write: a bearer token, and no browser that was sent here by another site.

use std::fmt;
use std::net::IpAddr;

use subtle::ConstantTimeEq;
use warp::http::HeaderMap;
use warp::http::header::{AUTHORIZATION, HOST, ORIGIN};

/// Fewest characters of a token: 128 bits in hexadecimal are 32, in base64 22.
pub const TOKEN_LEN_MIN: usize = 16;

/// The secret that writers present. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token `text`, less white space around it.
    ///
    /// # Errors
    /// A sentence that says what is wrong: too short, or a character that no header can carry.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < TOKEN_LEN_MIN {
            return Err(format!("a token needs at least {TOKEN_LEN_MIN} characters"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a token is printable ASCII without spaces".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether `presented` is this token; takes as long whether it is or not.
    pub fn matches(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Why a request may not do what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A write without the token.
    #[error("this needs the header 'Authorization: Bearer' with the daemon's token")]
    NoToken,
    /// A write with another token.
    #[error("the bearer token is not the daemon's")]
    WrongToken,
    /// A browser sends it on behalf of a page from elsewhere.
    #[error("the request comes from a page of another origin")]
    ForeignOrigin,
    /// The name in `Host` is none of this daemon's: a sign of DNS rebinding.
    #[error("the Host header names another host; add it to allowed_hosts if it is this one")]
    ForeignHost,
}

/// The rules of one listener.
#[derive(Debug, Clone)]
pub struct AccessRules {
    /// Needed for every write, where there is one.
    pub token: Option<Token>,
    /// Whether only this machine can reach the listener.
    pub loopback: bool,
    /// Names, beside addresses and `localhost`, by which a loopback listener may be called.
    pub allowed_hosts: Vec<String>,
}

impl AccessRules {
    /// Whether a request with these headers may proceed.
    ///
    /// # Errors
    /// The rule that stands against it.
    pub fn check(&self, headers: &HeaderMap, writes: bool) -> Result<(), Refusal> {
        let host = headers.get(HOST).and_then(|h| h.to_str().ok());
        if self.loopback && !host.is_none_or(|h| self.is_own_host(h)) {
            return Err(Refusal::ForeignHost);
        }
        if !writes {
            return Ok(());
        }
        if let Some(origin) = headers.get(ORIGIN) {
            let own = origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, rest)| rest);
            if own.is_none() || !own.zip(host).is_some_and(|(o, h)| o.eq_ignore_ascii_case(h)) {
                return Err(Refusal::ForeignOrigin);
            }
        }
        match (&self.token, bearer(headers)) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Refusal::NoToken),
            (Some(token), Some(presented)) if token.matches(presented) => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::WrongToken),
        }
    }

    fn is_own_host(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok()
            || self.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

/// RFC 6750 §2.1; the scheme's name is case-insensitive (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn rules(token: bool, loopback: bool) -> AccessRules {
        let token = token.then(|| Token::new(SECRET).unwrap());
        AccessRules { token, loopback, allowed_hosts: vec!["ports.example".to_owned()] }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_write_needs_the_token_where_there_is_one() {
        let rules = rules(true, false);
        assert_eq!(rules.check(&headers(&[]), false), Ok(()));
        assert_eq!(rules.check(&headers(&[]), true), Err(Refusal::NoToken));
        let with = |value: &str| rules.check(&headers(&[("authorization", value)]), true);
        assert_eq!(with("Bearer 0123456789abcdef"), Ok(()));
        assert_eq!(with("bearer  0123456789abcdef"), Ok(()));
        assert_eq!(with("Bearer 0123456789abcdeg"), Err(Refusal::WrongToken));
        assert_eq!(with("Bearer 0123456789abcde"), Err(Refusal::WrongToken));
        assert_eq!(with("Basic 0123456789abcdef"), Err(Refusal::NoToken));
        assert_eq!(with("x"), Err(Refusal::NoToken));
    }

    #[test]
    fn pages_of_other_origins_cannot_write() {
        let rules = rules(false, true);
        let with = |origin: &str, host: &str| {
            rules.check(&headers(&[("origin", origin), ("host", host)]), true)
        };
        assert_eq!(with("http://127.0.0.1:4280", "127.0.0.1:4280"), Ok(()));
        assert_eq!(with("http://evil.example", "127.0.0.1:4280"), Err(Refusal::ForeignOrigin));
        assert_eq!(with("http://127.0.0.1:80", "127.0.0.1:4280"), Err(Refusal::ForeignOrigin));
        assert_eq!(with("null", "127.0.0.1:4280"), Err(Refusal::ForeignOrigin));
    }

    #[test]
    fn a_rebound_name_reads_nothing_on_loopback() {
        let with =
            |loopback, host: &str| rules(false, loopback).check(&headers(&[("host", host)]), false);
        for own in ["127.0.0.1:4280", "localhost", "[::1]:4280", "[::1]", "PORTS.example:1"] {
            assert_eq!(with(true, own), Ok(()), "{own}");
        }
        assert_eq!(with(true, "evil.example:4280"), Err(Refusal::ForeignHost));
        assert_eq!(with(false, "evil.example:4280"), Ok(()));
    }

    #[test]
    fn tokens_do_not_print_and_are_not_short() {
        assert_eq!(format!("{:?}", Token::new(SECRET).unwrap()), "Token(***)");
        assert!(Token::new("short").is_err());
        assert!(Token::new("with a space in between").is_err());
    }
}
