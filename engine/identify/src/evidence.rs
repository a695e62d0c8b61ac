//! What an endpoint's answers say together.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use portolan_fingerprints::{Database, Kind, Service};
use portolan_probes::tcp::{self, HttpSeen};

use crate::caller::Door;
use crate::hearing::End;
use crate::http;
use crate::question::{Answer, Question, Reply};
use crate::tls::TlsFacts;

/// Octets of a banner that are kept.
pub(crate) const BANNER_LEN_MAX: usize = 2 << 10;
/// A greeting is the banner, whatever is said later.
const GREETING_WORTH: u8 = u8::MAX;
/// How often a page leads on to another.
const HOPS_MAX: u8 = 3;
/// Connections that are closed unheard before that is what is told.
const CLOSED_ENOUGH: u32 = 2;
/// Octets by which what was said is known again in what is heard.
const ECHO_LEN_MIN: usize = 8;

/// What is known so far.
#[derive(Debug)]
pub(crate) struct Evidence {
    addr: SocketAddr,
    door: Door,
    database: &'static Database,
    /// Who it may be, each with what said so.
    services: Vec<Service>,
    /// What it said unasked, or else the reply that told most.
    pub(crate) banner: Option<Vec<u8>>,
    /// How much the banner is worth: the score of what it told.
    banner_worth: u8,
    pub(crate) tls: Option<TlsFacts>,
    /// Whether that is what it speaks from the first octet.
    pub(crate) speaks_tls: bool,
    /// Whether a request for a page was called a bad one.
    pub(crate) refuses_http: bool,
    /// Services of which more has been asked.
    followed: BTreeSet<String>,
    /// Pages that have been asked for.
    paths: BTreeSet<Cow<'static, str>>,
    /// Connections that were closed unheard, before anything was said.
    closed: u32,
    heard: bool,
}

impl Evidence {
    /// Nothing yet.
    pub(crate) fn new(addr: SocketAddr, door: Door, database: &'static Database) -> Self {
        Self {
            addr,
            door,
            database,
            services: Vec::new(),
            banner: None,
            banner_worth: 0,
            tls: None,
            speaks_tls: false,
            refuses_http: false,
            followed: BTreeSet::new(),
            paths: BTreeSet::new(),
            closed: 0,
            heard: false,
        }
    }

    /// Whether it is known who answers, or that only TLS does.
    pub(crate) fn is_known(&self) -> bool {
        !self.services.is_empty() || self.tls.is_some()
    }

    /// Whether it closes every connection before anything is said.
    pub(crate) const fn is_wrapped(&self) -> bool {
        !self.heard && self.closed >= CLOSED_ENOUGH
    }

    /// Takes `answer`; gives what it suggests to ask.
    pub(crate) fn take(&mut self, answer: &mut Answer) -> Vec<Question> {
        let mut next = Vec::new();
        if answer.tls.is_some() {
            self.heard = true;
            self.tls = answer.tls.take();
            self.speaks_tls |= matches!(answer.question, Question::Tls);
        }
        for reply in &answer.replies {
            self.heard = true;
            self.reply(reply, &answer.question, &mut next);
        }
        let unheard = answer.replies.is_empty() && matches!(answer.end, End::Closed | End::Reset);
        if unheard && matches!(answer.question, Question::Listen { .. }) {
            self.closed += 1;
            if self.closed < CLOSED_ENOUGH {
                next.push(answer.question.clone());
            }
        }
        next
    }

    /// The service that all of it speaks for most.
    pub(crate) fn service(&self) -> Option<Service> {
        let worth = |s: &&Service| (s.score, s.product.is_some(), s.version.is_some());
        // The first of equals.
        let best = self.services.iter().rev().max_by_key(worth)?;
        let mut best = best.clone();
        for other in self.services.iter().filter(|o| o.product == best.product) {
            best.version = best.version.or_else(|| other.version.clone());
            best.extra = best.extra.or_else(|| other.extra.clone());
            best.os = best.os.or_else(|| other.os.clone());
            best.device = best.device.or_else(|| other.device.clone());
        }
        Some(best)
    }

    fn reply(&mut self, reply: &Reply, question: &Question, next: &mut Vec<Question>) {
        let Reply { said, heard } = reply;
        if is_echo(said, heard) {
            self.keep_banner(0, heard);
            self.services.push(Service::named("echo"));
            return;
        }
        let heard = after_repetition(said, heard);
        if http::is_reply(heard) {
            self.page(heard, question, next);
        }
        let protocol = match question {
            Question::FollowUp(follow_up) => Some(follow_up.service),
            Question::Say(probe) => Some(probe.name),
            _ => None,
        };
        let kinds: &[Kind] =
            if http::is_reply(heard) { &[Kind::HttpHead, Kind::Banner] } else { &[Kind::Banner] };
        let mut worth = 0;
        for kind in kinds {
            if let Some(service) = self.database.identify(protocol, *kind, heard) {
                worth = worth.max(service.score);
                self.follow(&service, next);
                self.services.push(service);
            }
        }
        if worth == 0 && http::is_reply(heard) {
            // Of the protocol there is no doubt.
            self.services.push(Service::named("http"));
        }
        if matches!(question, Question::Http { .. }) {
            worth = worth.saturating_add(1);
        }
        self.keep_banner(if said.is_empty() { GREETING_WORTH } else { worth }, heard);
    }

    fn keep_banner(&mut self, worth: u8, heard: &[u8]) {
        if self.banner.is_none() || worth > self.banner_worth {
            self.banner_worth = worth;
            self.banner = Some(heard.get(..BANNER_LEN_MAX).unwrap_or(heard).to_vec());
        }
    }

    /// What a page leads to.
    fn page(&mut self, heard: &[u8], question: &Question, next: &mut Vec<Question>) {
        let mut go = |path: Cow<'static, str>, hops: u8, paths: &mut BTreeSet<_>| {
            if paths.insert(path.clone()) {
                next.push(Question::Http { path, hops });
            }
        };
        let Question::Http { path, hops } = question else {
            go(Cow::Borrowed("/"), 0, &mut self.paths);
            return;
        };
        self.refuses_http |= http::status(heard) == Some(400);
        self.paths.insert(path.clone());
        let tls = self.door == Door::Tls;
        if *hops < HOPS_MAX
            && let Some(path) = http::redirect(heard, self.addr, tls)
        {
            go(Cow::Owned(path), hops + 1, &mut self.paths);
        }
        if *hops == 0 {
            let (head, body) = http::parts(heard).unwrap_or((heard, &[]));
            let (port, status) = (self.addr.port(), http::status(heard).unwrap_or_default());
            let seen = HttpSeen { port, status, head, body };
            for further in tcp::http_paths(&seen) {
                // No page behind those is of interest.
                go(Cow::Borrowed(further.path), HOPS_MAX, &mut self.paths);
            }
        }
    }

    /// What to ask a service that is known by name.
    fn follow(&mut self, service: &Service, next: &mut Vec<Question>) {
        if !self.followed.insert(service.name.clone()) {
            return;
        }
        if service.product.is_none() || service.version.is_none() {
            next.extend(tcp::follow_ups(&service.name).iter().map(Question::FollowUp));
        }
        if self.door == Door::Plain {
            next.extend(tcp::start_tls(&service.name).map(Question::StartTls));
        }
    }
}

/// What of `heard` follows what was said, where a console repeats that first.
fn after_repetition<'heard>(said: &[u8], heard: &'heard [u8]) -> &'heard [u8] {
    let rest = heard.strip_prefix(said).filter(|_| said.len() >= ECHO_LEN_MIN / 2);
    rest.unwrap_or(heard)
}

/// Whether `heard` is what was said and nothing else: a console repeats it too, and then answers.
fn is_echo(said: &[u8], heard: &[u8]) -> bool {
    let long = heard.len() >= ECHO_LEN_MIN || heard.len() == said.len();
    long && said.starts_with(heard) && !said.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::page;

    fn evidence() -> Evidence {
        let addr = SocketAddr::from(([127, 0, 0, 1], 8080));
        Evidence::new(addr, Door::Plain, Database::embedded())
    }

    fn listened(heard: Option<&[u8]>, end: End) -> Answer {
        let mut answer = Answer::new(Question::Listen { usual: false, then: None });
        answer.end = end;
        let reply = |heard: &[u8]| Reply { said: Cow::Borrowed(b""), heard: heard.to_vec() };
        answer.replies.extend(heard.map(reply));
        answer
    }

    fn paged(path: &'static str, hops: u8, heard: &[u8]) -> Answer {
        let mut answer = Answer::new(Question::Http { path: Cow::Borrowed(path), hops });
        answer.replies.push(Reply { said: Cow::Borrowed(b"GET"), heard: heard.to_vec() });
        answer
    }

    #[test]
    fn the_best_of_several_answers_counts_and_others_complete_it() {
        let mut evidence = evidence();
        evidence.take(&mut listened(Some(b"SSH-2.0-1.0\r\n"), End::Paused));
        let banner = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
        evidence.take(&mut listened(Some(banner), End::Paused));
        let service = evidence.service().unwrap();
        assert_eq!(service.product.as_deref(), Some("OpenSSH"));
        assert_eq!(service.version.as_deref(), Some("9.2p1"));
    }

    #[test]
    fn what_sends_back_what_was_said_is_no_http() {
        let mut evidence = evidence();
        let mut answer = Answer::new(page());
        let said = b"GET / HTTP/1.1\r\n\r\n";
        answer.replies.push(Reply { said: Cow::Borrowed(said), heard: said.to_vec() });
        assert!(evidence.take(&mut answer).is_empty());
        assert_eq!(evidence.service().unwrap().name, "echo");
    }

    #[test]
    fn a_console_that_repeats_what_is_typed_is_no_echo() {
        assert!(is_echo(b"help\r\n", b"help\r\n"));
        assert!(is_echo(b"GET / HTTP/1.1\r\n", b"GET / HTTP"));
        assert!(!is_echo(b"help\r\n", b"help\r\nUnknown command\r\n> "));
        assert!(!is_echo(b"\r\n\r\n", b"\r\n\r\n"));
        assert!(!is_echo(b"help\r\n", b"he"));
        assert!(!is_echo(b"", b""));
    }

    #[test]
    fn closing_twice_unheard_is_wrapped_and_a_word_is_not() {
        let mut closing = evidence();
        assert_eq!(closing.take(&mut listened(None, End::Closed)).len(), 1, "once more");
        assert!(!closing.is_wrapped());
        assert!(closing.take(&mut listened(None, End::Reset)).is_empty());
        assert!(closing.is_wrapped());
        let mut silent = evidence();
        silent.take(&mut listened(None, End::Silent));
        silent.take(&mut listened(None, End::Silent));
        assert!(!silent.is_wrapped());
    }

    #[test]
    fn a_loop_of_redirects_ends() {
        let mut evidence = evidence();
        let to =
            |path: &str| format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\n\r\n").into_bytes();
        let next = evidence.take(&mut paged("/", 0, &to("/a")));
        let led = |next: &[Question], path: &str| {
            next.iter().any(|q| matches!(q, Question::Http { path: p, .. } if p == path))
        };
        assert!(led(&next, "/a"));
        assert!(!led(&evidence.take(&mut paged("/a", 1, &to("/"))), "/"), "it was there");
        assert!(!led(&evidence.take(&mut paged("/b", HOPS_MAX, &to("/c"))), "/c"), "too far");
    }

    #[test]
    fn http_in_answer_to_another_question_suggests_a_page() {
        let mut evidence = evidence();
        let heard = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        let next = evidence.take(&mut listened(Some(heard), End::Closed));
        assert!(matches!(&next[..], [Question::Http { hops: 0, .. }]));
        assert_eq!(evidence.service().unwrap().name, "http");
    }

    #[test]
    fn a_banner_is_bounded() {
        let mut evidence = evidence();
        evidence.take(&mut listened(Some(&[0x1b; 9_000]), End::Full));
        assert_eq!(evidence.banner.unwrap().len(), BANNER_LEN_MAX);
        assert!(!evidence.services.iter().any(|s| s.product.is_some()));
    }
}
