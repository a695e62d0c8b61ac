//! In which order an endpoint is asked what.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use portolan_probes::tcp::{self, TcpProbe};

use crate::caller::Door;
use crate::pace::Pace;
use crate::question::Question;

/// The questions to a port of which nothing is known yet, the likeliest first.
#[derive(Debug)]
pub(crate) struct Course {
    /// Those that are usual at this port.
    usual: VecDeque<Question>,
    /// Those that are asked wherever the usual ones were in vain.
    general: VecDeque<Question>,
}

/// Questions of a course that has been shortened, beside those that are usual at the port.
const SHORT_LEN: usize = 5;

/// The name of the protocol whose probe is a question of its own.
const HTTP: &str = "http";

impl Course {
    /// The course for `port` behind `door`.
    ///
    /// What is usual at the port comes first; then, as measured by LZR (Izhikevich et al., USENIX
    /// Security 2021, §5) for services at unexpected ports: wait, TLS, HTTP, and the rest.
    pub(crate) fn new(port: u16, door: Door) -> Self {
        let twin = if door == Door::Tls { tcp::inside_tls(port).unwrap_or(port) } else { port };
        let mut named = BTreeSet::new();
        let mut take = |probe: &&'static TcpProbe| named.insert(probe.name);
        let own: Vec<_> = tcp::at_port(twin).filter(|p| take(p)).map(of).collect();
        let mut usual = VecDeque::new();
        let mut general = VecDeque::new();
        if tcp::only(port) {
            usual.extend(own);
            return Self { usual, general };
        }
        let tls_first = door == Door::Plain && tcp::tls_first(port);
        if tls_first {
            usual.push_back(Question::Tls);
        }
        if tcp::speaks_first(twin) {
            usual.push_back(Question::Listen { usual: true, then: None });
        }
        usual.extend(own);
        let tls = (door == Door::Plain && !tls_first).then_some(Question::Tls);
        if usual.is_empty() {
            let then = tls.unwrap_or_else(page);
            if door == Door::Tls {
                named.insert(HTTP);
            }
            general.push_back(Question::Listen { usual: false, then: Some(Box::new(then)) });
        } else {
            general.push_back(Question::Listen { usual: false, then: None });
            general.extend(tls);
        }
        if named.insert(HTTP) {
            general.push_back(page());
        }
        let mut take = |probe: &&'static TcpProbe| named.insert(probe.name);
        general.extend(tcp::anywhere().iter().copied().filter(|p| take(p)).map(of));
        Self { usual, general }
    }

    /// Whether there is another question.
    pub(crate) fn is_left(&self) -> bool {
        !self.usual.is_empty() || !self.general.is_empty()
    }

    /// The next question, and how long to wait for its answer before the one after it.
    pub(crate) fn next(&mut self, pace: &Pace) -> Option<(Question, Duration)> {
        let (question, last_usual) = match self.usual.pop_front() {
            Some(question) => (question, self.usual.is_empty()),
            None => (self.general.pop_front()?, false),
        };
        let wait = match &question {
            Question::Listen { usual, .. } => pace.greeting(*usual),
            // What is usual is likely: nothing else is said before it has had its chance.
            _ if last_usual => pace.greeting(false),
            _ => pace.stagger(),
        };
        Some((question, wait))
    }

    /// Asks only what is usual, and the likeliest of the rest.
    pub(crate) fn shorten(&mut self) {
        self.general.truncate(SHORT_LEN);
    }

    /// Asks nothing more.
    pub(crate) fn end(&mut self) {
        self.usual.clear();
        self.general.clear();
    }
}

/// The page that every server of HTTP has.
pub(crate) fn page() -> Question {
    Question::Http { path: Cow::Borrowed("/"), hops: 0 }
}

fn of(probe: &'static TcpProbe) -> Question {
    if probe.name == HTTP {
        return page();
    }
    Question::Say(probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The questions in order, as words.
    fn words(port: u16, door: Door) -> Vec<String> {
        let mut course = Course::new(port, door);
        let pace = Pace::new(None);
        std::iter::from_fn(|| course.next(&pace)).map(|(question, _)| word(&question)).collect()
    }

    fn word(question: &Question) -> String {
        match question {
            Question::Listen { usual: true, .. } => "greeting".to_owned(),
            Question::Listen { then: Some(then), .. } => format!("listen, {}", word(then)),
            Question::Listen { .. } => "listen".to_owned(),
            Question::Say(probe) => probe.name.to_owned(),
            Question::Http { .. } => "http".to_owned(),
            Question::Tls => "tls".to_owned(),
            Question::FollowUp(_) | Question::StartTls(_) => unreachable!("not in a course"),
        }
    }

    #[test]
    fn what_is_usual_comes_first() {
        let begins = |port, door, wanted: &[&str]| {
            let words = words(port, door);
            assert_eq!(&words[..wanted.len()], wanted, "{port}");
        };
        begins(22, Door::Plain, &["greeting", "listen", "tls", "http"]);
        begins(443, Door::Plain, &["tls", "listen", "http"]);
        begins(443, Door::Tls, &["http", "listen"]);
        begins(993, Door::Tls, &["greeting", "listen", "http"]);
        begins(80, Door::Plain, &["http", "listen", "tls"]);
        begins(6379, Door::Plain, &["redis", "listen", "tls", "http"]);
        begins(40_000, Door::Plain, &["listen, tls", "http"]);
        begins(40_000, Door::Tls, &["listen, http"]);
    }

    #[test]
    fn nothing_is_asked_twice_and_inside_tls_no_tls() {
        for port in (1..=u16::MAX).step_by(7) {
            for door in [Door::Plain, Door::Tls] {
                let words = words(port, door);
                let asked: Vec<_> = words.iter().flat_map(|word| word.split(", ")).collect();
                let count = |wanted: &str| asked.iter().filter(|word| **word == wanted).count();
                for word in &asked {
                    let once = count(word) == 1 || *word == "listen";
                    assert!(once, "{word} at {port}: {asked:?}");
                }
                if door == Door::Tls {
                    assert_eq!(count("tls"), 0, "{port}");
                }
            }
        }
    }

    #[test]
    fn printers_are_told_nothing_that_they_would_print() {
        assert_eq!(words(9_100, Door::Plain), ["jetdirect"]);
    }
}
