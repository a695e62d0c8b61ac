//! A regular expression over octets, compiled when it is first needed.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use regex_automata::meta::{Config, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;

use crate::head::Head;

/// Octets that a compiled pattern may take: one that wants more could be slow too.
const PATTERN_LEN_MAX: usize = 1 << 20;
/// Octets of the tables that make some patterns faster, for those that fit.
const TABLE_LEN_MAX: usize = 16 << 10;
/// Octets that are searched without automata that are built while searching: these take their
/// memory and their time for each pattern, which only long texts and patterns that are tried often
/// are worth.
const SHORT_LEN_MAX: usize = 1 << 10;
/// How often a pattern is tried before it is worth them.
const RARE_TRIES_MAX: u32 = 4_096;

/// A pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: Cow<'static, str>,
    head: Head,
    /// How often it was tried with short texts.
    tries: AtomicU32,
    /// Small.
    short: OnceLock<Option<Regex>>,
    /// Fast.
    long: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// The pattern of that text.
    pub(crate) fn new(text: Cow<'static, str>) -> Self {
        Self {
            head: Head::of(&text),
            text,
            tries: AtomicU32::new(0),
            short: OnceLock::new(),
            long: OnceLock::new(),
        }
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What must come first.
    pub(crate) const fn head(&self) -> &Head {
        &self.head
    }

    /// Compiles it.
    ///
    /// # Errors
    /// What is wrong with it: no look-around, no back-references, no large repetitions.
    pub(crate) fn check(&self) -> Result<(), String> {
        compile(&self.text, false)?;
        compile(&self.text, true).map(drop)
    }

    /// What its groups matched, if it does.
    pub(crate) fn captures(&self, octets: &[u8]) -> Option<Captures> {
        let regex = self.regex(octets)?;
        let mut captures = regex.create_captures();
        regex.captures(octets, &mut captures);
        captures.is_match().then_some(captures)
    }

    fn regex(&self, octets: &[u8]) -> Option<&Regex> {
        let long = octets.len() > SHORT_LEN_MAX || self.is_tried_often();
        let regex = if long { &self.long } else { &self.short };
        regex.get_or_init(|| compile(&self.text, long).ok()).as_ref()
    }

    /// Counts this time; that some are lost where several threads count does no harm.
    fn is_tried_often(&self) -> bool {
        let tries = self.tries.load(Ordering::Relaxed);
        if tries < RARE_TRIES_MAX {
            self.tries.store(tries + 1, Ordering::Relaxed);
        }
        tries >= RARE_TRIES_MAX
    }
}

fn compile(pattern: &str, long: bool) -> Result<Regex, String> {
    let config = Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(PATTERN_LEN_MAX))
        .onepass_size_limit(Some(TABLE_LEN_MAX))
        .hybrid(long)
        .dfa(false)
        .auto_prefilter(false);
    let built = Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .configure(config)
        .build(pattern);
    built.map_err(|error| match error.syntax_error() {
        Some(syntax) => format!("pattern: {syntax}"),
        None => format!("pattern: {error}"),
    })
}
