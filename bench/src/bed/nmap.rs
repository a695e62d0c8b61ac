//! What nmap's XML says of services.

use anyhow::Context as _;
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::scan::{Answer, Answers, Port};

/// Reads `xml` of a scan of one host, of IPv6 or not.
pub(crate) fn read(xml: &str, ipv6: bool) -> anyhow::Result<Answers> {
    let mut reader = Reader::from_str(xml);
    let mut answers = Answers::new();
    let mut port = None;
    loop {
        match reader.read_event().context("nmap's XML")? {
            Event::Eof => return Ok(answers),
            Event::Start(tag) | Event::Empty(tag) => match tag.name().0 {
                "port" => {
                    let number = attribute(&tag, "portid").and_then(|text| text.parse().ok());
                    let udp = attribute(&tag, "protocol").is_some_and(|text| text == "udp");
                    port = number.map(|number| Port { udp, ipv6, number });
                }
                "service" => {
                    if let Some(port) = port {
                        answers.insert(port, answer(&tag));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}

fn answer(tag: &BytesStart<'_>) -> Answer {
    // What it names by the port's number alone, it has not found out.
    let probed = attribute(tag, "method").is_some_and(|method| method == "probed");
    Answer {
        service: attribute(tag, "name").filter(|_| probed),
        product: attribute(tag, "product"),
        version: attribute(tag, "version"),
        extra: attribute(tag, "extrainfo"),
        tls: attribute(tag, "tunnel").is_some_and(|tunnel| tunnel == "ssl"),
        banner: None,
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.attributes().flatten().find(|attribute| attribute.key.0 == name)?;
    attribute.normalized_value(XmlVersion::Explicit1_0).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read() {
        let xml = r#"<nmaprun><host><ports>
            <port protocol="tcp" portid="22"><state state="open"/><service name="ssh"
            product="OpenSSH" version="9.2p1 Debian" extrainfo="a &amp; b" method="probed"/></port>
            <port protocol="udp" portid="53"><state state="open|filtered"/><service name="domain"
            method="table"/></port>
            <port protocol="tcp" portid="443"><service name="http" tunnel="ssl" method="probed"/>
            </port></ports></host></nmaprun>"#;
        let answers = read(xml, false).unwrap();
        let of = |udp, number| &answers[&Port { udp, ipv6: false, number }];
        let ssh = of(false, 22);
        assert_eq!(ssh.service.as_deref(), Some("ssh"));
        assert_eq!(ssh.version.as_deref(), Some("9.2p1 Debian"));
        assert_eq!(ssh.extra.as_deref(), Some("a & b"));
        assert_eq!(of(true, 53).service, None);
        assert!(of(false, 443).tls);
    }
}
