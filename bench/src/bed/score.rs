//! What a scanner had right, endpoint by endpoint.

use serde::Serialize;

use super::catalogue::{Daemon, Endpoint};
use super::scan::{Answer, Port};
use super::start::{Up, key};
use super::version::is_told;

/// An endpoint that was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) daemon: &'a Daemon,
    pub(crate) endpoint: &'a Endpoint,
}

impl Asked<'_> {
    pub(crate) const fn port(&self) -> Port {
        let Endpoint { udp, ipv6, port, .. } = *self.endpoint;
        Port { udp, ipv6, number: port }
    }
}

/// The endpoints of `daemons` that are up.
pub(crate) fn endpoints<'a>(daemons: &'a [Daemon], up: &Up) -> Vec<Asked<'a>> {
    let all = daemons
        .iter()
        .flat_map(|daemon| daemon.endpoints.iter().map(move |endpoint| Asked { daemon, endpoint }));
    all.filter(|asked| up.contains(&key(asked.endpoint))).collect()
}

/// Whether something that was told is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Right,
    Wrong,
    /// Nothing was told.
    Silent,
}

/// What became of one answer.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Score {
    pub(crate) service: Verdict,
    pub(crate) product: Verdict,
    pub(crate) version: Verdict,
}

/// Compares `answer` with what is true: `version` is that of what is installed.
pub(crate) fn score(endpoint: &Endpoint, version: Option<&str>, answer: &Answer) -> Score {
    let service = verdict(answer.service.as_deref(), |told| {
        let told = told.strip_prefix("ssl/").unwrap_or(told);
        endpoint.service.iter().any(|name| name.eq_ignore_ascii_case(told))
    });
    let product = verdict(answer.product.as_deref(), |told| {
        endpoint.product.iter().any(|name| has_words(told, name))
    });
    let true_version = endpoint.version.as_deref().or(version);
    let told = answer.version.as_deref().filter(|_| product == Verdict::Right);
    let version = verdict(told, |told| true_version.is_some_and(|truth| is_told(truth, told)));
    Score { service, product, version }
}

fn verdict(told: Option<&str>, right: impl FnOnce(&str) -> bool) -> Verdict {
    match told {
        None => Verdict::Silent,
        Some(told) if right(told) => Verdict::Right,
        Some(_) => Verdict::Wrong,
    }
}

/// Whether the words of `name` occur in `told` in their order, in whatever case.
fn has_words(told: &str, name: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (told, name) = (words(told), words(name));
    !name.is_empty() && told.windows(name.len()).any(|window| window == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_words() {
        assert!(has_words("Apache httpd", "Apache"));
        assert!(has_words("Microsoft-IIS httpd", "microsoft iis"));
        assert!(!has_words("nginx", "ngin"));
        assert!(!has_words("Dovecot", "Dovecot Pigeonhole"));
        assert!(!has_words("", ""));
    }

    #[test]
    fn each_part_is_judged() {
        use Verdict::{Right, Silent, Wrong};
        let endpoint: Endpoint =
            toml::from_str("port = 22\nservice = [\"ssh\"]\nproduct = [\"OpenSSH\"]").unwrap();
        let told = |service: &str, product: Option<&str>, version: Option<&str>| Answer {
            service: Some(service.into()),
            product: product.map(Into::into),
            version: version.map(Into::into),
            ..Answer::default()
        };
        for (answer, expected) in [
            (told("ssh", Some("OpenSSH"), Some("9.2p1")), (Right, Right, Right)),
            (told("ssl/ssh", Some("OpenSSH"), Some("9.1")), (Right, Right, Wrong)),
            (told("ftp", Some("Dropbear"), Some("9.2p1")), (Wrong, Wrong, Silent)),
            (Answer::default(), (Silent, Silent, Silent)),
        ] {
            let Score { service, product, version } = score(&endpoint, Some("9.2p1"), &answer);
            assert_eq!((service, product, version), expected, "{answer:?}");
        }
    }
}
