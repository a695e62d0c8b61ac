//! What the octets are that something is to be known by.

/// Where the octets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// What a service says first, or its whole reply, as it came over the wire.
    Banner,
    /// A whole response head of HTTP, its body behind it or not.
    HttpHead,
    /// The value of `Server`.
    HttpServer,
    /// The text of a page's title.
    HttpTitle,
    /// The value of `Set-Cookie`.
    HttpCookie,
    /// The value of `WWW-Authenticate`.
    HttpWwwAuthenticate,
    /// sysDescr.0, RFC 3418 §2.
    SnmpSysdescr,
    /// The answer to `version.bind TXT CH`.
    DnsVersionBind,
    /// The value of `Server` or `User-Agent` of SIP.
    SipServer,
    /// A certificate's subject.
    TlsCertSubject,
}

impl Kind {
    /// Every value.
    pub const ALL: [Self; 10] = [
        Self::Banner,
        Self::HttpHead,
        Self::HttpServer,
        Self::HttpTitle,
        Self::HttpCookie,
        Self::HttpWwwAuthenticate,
        Self::SnmpSysdescr,
        Self::DnsVersionBind,
        Self::SipServer,
        Self::TlsCertSubject,
    ];

    /// As in signatures and in what `portolan identify` reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Banner => "banner",
            Self::HttpHead => "http-head",
            Self::HttpServer => "http-server",
            Self::HttpTitle => "http-title",
            Self::HttpCookie => "http-cookie",
            Self::HttpWwwAuthenticate => "http-www-authenticate",
            Self::SnmpSysdescr => "snmp-sysdescr",
            Self::DnsVersionBind => "dns-version-bind",
            Self::SipServer => "sip-server",
            Self::TlsCertSubject => "tls-cert-subject",
        }
    }

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
