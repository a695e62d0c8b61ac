//! One question to an endpoint, over one connection.

use std::borrow::Cow;

use portolan_probes::tcp::{FollowUp, StartTls, TcpProbe};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout_at};

use crate::caller::{Caller, Door, Line, Stream};
use crate::hearing::{End, Patience, hear};
use crate::http;
use crate::tls::{self, Shaken, TlsFacts};

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// Nothing: does it speak by itself? If it does not, the next question goes over the same
    /// connection, so that servers for one client at a time get a chance.
    Listen { usual: bool, then: Option<Box<Self>> },
    /// The first words of a protocol.
    Say(&'static TcpProbe),
    /// A page.
    Http { path: Cow<'static, str>, hops: u8 },
    /// TLS.
    Tls,
    /// More about a service that is known by name.
    FollowUp(&'static FollowUp),
    /// TLS within a protocol that begins without.
    StartTls(&'static StartTls),
}

impl Question {
    /// Whether TLS is begun, now or after silence.
    pub(crate) fn begins_tls(&self) -> bool {
        match self {
            Self::Tls => true,
            Self::Listen { then: Some(then), .. } => then.begins_tls(),
            _ => false,
        }
    }
}

/// What was said, and what came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) said: Cow<'static, [u8]>,
    pub(crate) heard: Vec<u8>,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) question: Question,
    /// Whether a connection came about.
    pub(crate) connected: bool,
    /// Every reply, in order, the greeting first.
    pub(crate) replies: Vec<Reply>,
    /// How the last of them ended.
    pub(crate) end: End,
    /// What its TLS told.
    pub(crate) tls: Option<TlsFacts>,
    /// A session inside TLS, to go on in.
    pub(crate) session: Option<Line>,
    /// Whether an earlier answer suggested the question.
    pub(crate) suggested: bool,
}

impl Answer {
    pub(crate) const fn new(question: Question) -> Self {
        Self {
            question,
            connected: false,
            replies: Vec::new(),
            end: End::Silent,
            tls: None,
            session: None,
            suggested: false,
        }
    }
}

/// Asks `question` through `door`, over `line` where there is one already.
pub(crate) async fn ask(
    caller: &Caller,
    door: Door,
    line: Option<Line>,
    question: Question,
) -> Answer {
    let mut answer = Answer::new(question);
    let line = match line {
        Some(line) => Some(line),
        None => caller.line(door).await,
    };
    let Some(line) = line else { return answer };
    answer.connected = true;
    match answer.question.clone() {
        Question::Listen { usual, then } => listen(caller, line, usual, then, &mut answer).await,
        question => converse(caller, line, &question, &mut answer).await,
    }
    answer
}

async fn listen(
    caller: &Caller,
    mut line: Line,
    usual: bool,
    then: Option<Box<Question>>,
    answer: &mut Answer,
) {
    let first = if usual { caller.pace.late_greeting() } else { caller.pace.greeting(false) };
    hear_reply(caller, &mut line, first, Cow::Borrowed(&[]), answer).await;
    if answer.end == End::Silent
        && let Some(next) = then
    {
        converse(caller, line, &next, answer).await;
        answer.question = *next;
    }
}

/// Everything but listening.
async fn converse(caller: &Caller, mut line: Line, question: &Question, answer: &mut Answer) {
    match question {
        Question::Listen { .. } => {}
        Question::Say(probe) => {
            say(caller, &mut line, Cow::Borrowed(probe.says), answer).await;
        }
        Question::Http { path, .. } => {
            let request = http::get(caller.addr, path);
            say(caller, &mut line, Cow::Owned(request), answer).await;
        }
        // Boxed: the many questions without TLS need not hold room for it.
        Question::Tls => Box::pin(shake(caller, line, answer)).await,
        Question::FollowUp(follow_up) => {
            if follow_up.after_greeting {
                greeting(caller, &mut line, answer).await;
            }
            for octets in follow_up.says {
                if !say(caller, &mut line, Cow::Borrowed(octets), answer).await {
                    break;
                }
            }
        }
        Question::StartTls(start) => Box::pin(start_tls(caller, line, start, answer)).await,
    }
}

async fn greeting(caller: &Caller, line: &mut Line, answer: &mut Answer) {
    let first = caller.pace.late_greeting();
    hear_reply(caller, line, first, Cow::Borrowed(&[]), answer).await;
}

/// Says `octets` and hears the reply; whether there is one and more can be said.
async fn say(
    caller: &Caller,
    line: &mut Line,
    octets: Cow<'static, [u8]>,
    answer: &mut Answer,
) -> bool {
    let until = caller.until(caller.pace.reply());
    let written = timeout_at(until, async {
        line.stream.write_all(&octets).await?;
        line.stream.flush().await
    });
    // What it said before it closed may still be there to be read.
    let written = matches!(written.await, Ok(Ok(())));
    let replied = hear_reply(caller, line, caller.pace.reply(), octets, answer).await;
    written && replied && matches!(answer.end, End::Paused | End::Whole)
}

/// Hears one reply; whether there is one.
async fn hear_reply(
    caller: &Caller,
    line: &mut Line,
    first: std::time::Duration,
    said: Cow<'static, [u8]>,
    answer: &mut Answer,
) -> bool {
    let patience = Patience { first, idle: caller.pace.idle() };
    let whole = |heard: &[u8]| http::is_reply(heard) && http::is_whole(heard);
    let started = Instant::now();
    let (heard, first, end) = hear(&mut line.stream, patience, &caller.budget, whole).await;
    answer.end = end;
    if let Some(first) = first.filter(|at| !said.is_empty() && *at - started > caller.pace.late()) {
        caller.window.narrow(first);
    }
    if end == End::Silent {
        line.give_up();
    }
    let any = !heard.is_empty();
    if any {
        answer.replies.push(Reply { said, heard });
    }
    any
}

/// Begins TLS at once.
async fn shake(caller: &Caller, line: Line, answer: &mut Answer) {
    let Line { stream: Stream::Plain(stream) } = line else { return };
    let until = caller.until(caller.pace.reply());
    match tls::shake(stream, None, &[], until).await {
        Shaken::Session(session, facts) => {
            answer.tls = Some(facts);
            answer.session = Some(Line { stream: Stream::Tls(session) });
        }
        // Records alone are no server's answer: who echoes sends ours back.
        Shaken::Facts(facts) if facts.version.is_some() || facts.alert.is_some() => {
            answer.tls = Some(facts);
        }
        Shaken::Other(heard) => {
            caller.budget.spend(heard.len());
            answer.end = End::Closed;
            answer.replies.push(Reply { said: Cow::Borrowed(b"\x16\x03"), heard });
        }
        Shaken::Silent => answer.end = End::Silent,
        Shaken::Facts(_) | Shaken::Closed => answer.end = End::Closed,
    }
}

/// Begins TLS when the protocol is ready for it.
async fn start_tls(caller: &Caller, mut line: Line, start: &'static StartTls, answer: &mut Answer) {
    if start.after_greeting {
        greeting(caller, &mut line, answer).await;
    }
    for octets in start.says {
        if !say(caller, &mut line, Cow::Borrowed(octets), answer).await {
            return;
        }
    }
    let ready = answer.replies.last().is_some_and(|reply| start.ready(&reply.heard));
    if ready {
        shake(caller, line, answer).await;
    }
}
