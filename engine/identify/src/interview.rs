//! All questions to one endpoint, until it is known who answers there.

use std::future::{Future, pending};
use std::pin::Pin;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep_until};

use crate::caller::{Caller, Door, Line};
use crate::course::Course;
use crate::endpoint::Shared;
use crate::evidence::Evidence;
use crate::question::{Answer, Question, ask};

/// Questions to one endpoint that are open at once.
pub(crate) const OPEN_MAX: usize = 6;

/// Questions under way.
type Asking<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Answer> + Send + 'a>>>;

/// An endpoint that is being asked.
struct Interview<'a> {
    caller: &'a Caller,
    door: Door,
    course: Course,
    evidence: Evidence,
    asking: Asking<'a>,
    /// Suggested by what was heard, and under way.
    suggested: Vec<Question>,
    following: usize,
    /// Whether an answer to TLS is still to come.
    tls_asked: bool,
    /// Not before then.
    next_at: Instant,
}

/// Asks what answers behind `door`, over `line` first where there is one already.
///
/// Gives what is known, and a session inside TLS if that is what is spoken.
pub(crate) async fn interview(
    caller: &Caller,
    door: Door,
    line: Option<Line>,
    shared: &Shared,
) -> (Evidence, Option<Line>) {
    let mut course = Course::new(caller.addr.port(), door);
    if shared.is_silent() {
        course.shorten();
    }
    let mut this = Interview {
        caller,
        door,
        course,
        evidence: Evidence::new(caller.addr, door, shared.database),
        asking: FuturesUnordered::new(),
        suggested: Vec::new(),
        following: 0,
        tls_asked: false,
        next_at: Instant::now(),
    };
    let session = this.run(line).await;
    (this.evidence, session)
}

impl Interview<'_> {
    async fn run(&mut self, mut line: Option<Line>) -> Option<Line> {
        loop {
            self.launch(&mut line);
            if self.asking.is_empty() {
                return None;
            }
            let next_at = self.next_at;
            let more = self.asking.len() < OPEN_MAX && self.course.is_left();
            let due =
                async move { if more { sleep_until(next_at).await } else { pending().await } };
            tokio::select! {
                answer = self.asking.next() => {
                    let mut answer = answer?;
                    self.take(&mut answer);
                    if matches!(answer.question, Question::Tls) && answer.session.is_some() {
                        return answer.session;
                    }
                    if self.evidence.is_wrapped() || self.is_settled() {
                        return None;
                    }
                }
                () = due => {}
                () = sleep_until(self.caller.budget.until()) => return None,
            }
        }
    }

    /// Asks what is due.
    fn launch(&mut self, line: &mut Option<Line>) {
        while self.asking.len() < OPEN_MAX {
            let (question, suggested) = if let Some(question) = self.suggested.pop() {
                self.following += 1;
                (question, true)
            } else if self.following > 0 && self.evidence.is_known() {
                return;
            } else if self.asking.is_empty() || Instant::now() >= self.next_at {
                let Some((question, wait)) = self.course.next(&self.caller.pace) else { return };
                self.next_at = Instant::now() + wait;
                (question, false)
            } else {
                return;
            };
            self.tls_asked |= question.begins_tls();
            let (caller, door, line) = (self.caller, self.door, line.take());
            self.asking.push(Box::pin(async move {
                let mut answer = ask(caller, door, line, question).await;
                answer.suggested = suggested;
                answer
            }));
        }
    }

    fn take(&mut self, answer: &mut Answer) {
        if answer.suggested {
            self.following -= 1;
        }
        if answer.question.begins_tls() {
            self.tls_asked = false;
        }
        let known = self.evidence.is_known();
        let mut next = self.evidence.take(answer);
        // Taken from the end.
        next.reverse();
        self.suggested.extend(next);
        if !known && self.evidence.is_known() {
            // Nobody is asked for other protocols than the one that it speaks.
            self.course.end();
        }
        // A silent or closed connection is no reason to wait for the next question.
        if answer.replies.is_empty() && !self.asking.is_empty() {
            self.next_at = self.next_at.min(Instant::now() + self.caller.pace.stagger());
        }
    }

    /// Whether nothing more is to be learnt.
    fn is_settled(&self) -> bool {
        // Many servers of HTTPS answer plain HTTP too, to say that it is not spoken there.
        let perhaps_tls = self.tls_asked && self.evidence.refuses_http;
        let done = self.following == 0 && self.suggested.is_empty();
        self.evidence.is_known() && done && !perhaps_tls
    }
}
