//! What a signature's pattern matches must have the literal that makes it tried: one that only some
//! alternatives have leaves the others without effect.

use std::cell::Cell;
use std::collections::BTreeSet;

use portolan_fingerprints::Database;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Texts that are told apart, at most.
const TEXTS_MAX: usize = 4_096;

/// What is known of what an expression matches, in lower case.
#[derive(Clone)]
enum Known {
    /// One of these texts, and nothing else.
    Texts(BTreeSet<Vec<u8>>),
    /// Something that has one of the literals.
    Has,
    /// Nothing.
    Unknown,
}

fn texts<const N: usize>(texts: [&[u8]; N]) -> Known {
    Known::Texts(texts.into_iter().map(<[u8]>::to_ascii_lowercase).collect())
}

/// What is looked for.
struct Reader {
    literals: Vec<Vec<u8>>,
    /// Whether something that may match has one of them.
    mentioned: Cell<bool>,
}

fn has(reader: &Reader, texts: &BTreeSet<Vec<u8>>) -> bool {
    let is_in = |text: &[u8], literal: &Vec<u8>| {
        text.windows(literal.len()).any(|window| window == literal.as_slice())
    };
    let has_one = |text: &Vec<u8>| reader.literals.iter().any(|literal| is_in(text, literal));
    if texts.iter().any(has_one) {
        reader.mentioned.set(true);
    }
    !texts.is_empty() && texts.iter().all(has_one)
}

fn class(class: &Class) -> Known {
    // An alternation of single letters becomes a class of characters.
    let class = match class {
        Class::Bytes(class) => Some(class.clone()),
        Class::Unicode(class) => class.to_byte_class(),
    };
    let Some(class) = class else { return Known::Unknown };
    let octets: BTreeSet<Vec<u8>> = class
        .iter()
        .flat_map(|range| range.start()..=range.end())
        .map(|octet| vec![octet.to_ascii_lowercase()])
        .collect();
    if octets.len() > 8 { Known::Unknown } else { Known::Texts(octets) }
}

fn joined(first: &BTreeSet<Vec<u8>>, second: &BTreeSet<Vec<u8>>) -> Option<BTreeSet<Vec<u8>>> {
    (first.len() * second.len() <= TEXTS_MAX).then(|| {
        let pairs = first.iter().flat_map(|a| second.iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| [a.as_slice(), b].concat()).collect()
    })
}

fn concat(parts: &[Hir], reader: &Reader) -> Known {
    let mut run = BTreeSet::from([Vec::new()]);
    let mut whole = true;
    for part in parts {
        match known(part, reader) {
            Known::Has => return Known::Has,
            Known::Texts(texts) => {
                if has(reader, &texts) {
                    return Known::Has;
                }
                run = joined(&run, &texts).unwrap_or_else(|| {
                    whole = false;
                    texts
                });
            }
            Known::Unknown => {
                whole = false;
                run = BTreeSet::from([Vec::new()]);
            }
        }
        if has(reader, &run) {
            return Known::Has;
        }
    }
    if whole { Known::Texts(run) } else { Known::Unknown }
}

fn alternatives(parts: &[Hir], reader: &Reader) -> Known {
    let all: Vec<Known> = parts.iter().map(|part| known(part, reader)).collect();
    let one_has = |known: &Known| match known {
        Known::Has => true,
        Known::Texts(texts) => has(reader, texts),
        Known::Unknown => false,
    };
    if all.iter().all(one_has) {
        return Known::Has;
    }
    let mut union = BTreeSet::new();
    for known in all {
        let Known::Texts(texts) = known else { return Known::Unknown };
        union.extend(texts);
    }
    if union.len() > TEXTS_MAX { Known::Unknown } else { Known::Texts(union) }
}

fn known(hir: &Hir, reader: &Reader) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => texts([b""]),
        HirKind::Literal(found) => texts([&found.0]),
        HirKind::Class(found) => class(found),
        HirKind::Capture(group) => known(&group.sub, reader),
        HirKind::Concat(parts) => concat(parts, reader),
        HirKind::Alternation(parts) => alternatives(parts, reader),
        HirKind::Repetition(repeated) => {
            let sub = known(&repeated.sub, reader);
            match (repeated.min, repeated.max, sub) {
                (0, Some(1), Known::Texts(mut texts)) => {
                    texts.insert(Vec::new());
                    Known::Texts(texts)
                }
                (0, ..) => Known::Unknown,
                (_, _, Known::Has) => Known::Has,
                (_, _, Known::Texts(texts)) if has(reader, &texts) => Known::Has,
                (min, max, Known::Texts(texts)) if min <= 16 => {
                    let start = BTreeSet::from([Vec::new()]);
                    let all = (0..min).try_fold(start, |run, _| joined(&run, &texts));
                    match all {
                        Some(all) if has(reader, &all) => Known::Has,
                        Some(all) if max == Some(min) => Known::Texts(all),
                        _ => Known::Unknown,
                    }
                }
                _ => Known::Unknown,
            }
        }
    }
}

/// How the literals of a signature are to its pattern.
#[derive(Debug, PartialEq, Eq)]
enum Relation {
    /// Everything that matches has one of them.
    Follow,
    /// Some of what matches has one of them, and some has not.
    Exclude,
    /// Nothing in the pattern has one of them: they are a further condition.
    Further,
}

fn relation<S: AsRef<str>>(pattern: &str, literals: &[S]) -> Relation {
    let lower = |has: &S| has.as_ref().to_ascii_lowercase().into_bytes();
    let literals = literals.iter().map(lower).collect();
    let reader = Reader { literals, mentioned: Cell::new(false) };
    // Another test says which patterns can't be read.
    let read = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
    let Ok(hir) = read else { return Relation::Further };
    let follow = match known(&hir, &reader) {
        Known::Has => true,
        Known::Texts(texts) => has(&reader, &texts),
        Known::Unknown => false,
    };
    match (follow, reader.mentioned.get()) {
        (true, _) => Relation::Follow,
        (false, true) => Relation::Exclude,
        (false, false) => Relation::Further,
    }
}

#[test]
fn it_is_known_what_follows() {
    let follows = |pattern: &str, literal: &str| relation(pattern, &[literal]);
    assert_eq!(follows("^(?i)Post(?:fix|FIX)", "fix"), Relation::Follow);
    assert_eq!(follows("a(?:b|c)?d", "ad"), Relation::Exclude);
    assert_eq!(follows("(?:ab|xab).*", "ab"), Relation::Follow);
    assert_eq!(follows("(?:ab|xa).*", "ab"), Relation::Exclude);
    assert_eq!(follows("(?:ab|xa).*", "abc"), Relation::Further);
    assert_eq!(follows("[Hh]ello", "hello"), Relation::Follow);
    assert_eq!(follows("a{3}b", "aab"), Relation::Follow);
    assert_ne!(follows("(?:ab)*", "ab"), Relation::Follow);
    assert_eq!(follows("(?:ab)+", "ab"), Relation::Follow);
    assert_eq!(follows("^x(?P<n>yz) [a-z]+", "xyz "), Relation::Follow);
    assert_eq!(relation("(?:ab|xa).*", &["ab", "xa"]), Relation::Follow);
    assert_eq!(relation("(?:ab|xa|xx).*", &["ab", "xa"]), Relation::Exclude);
}

#[test]
fn no_literal_excludes_an_alternative_of_its_pattern() {
    let mut problems = Vec::new();
    for signature in Database::embedded().signatures() {
        if relation(signature.pattern_text(), signature.has()) != Relation::Exclude {
            continue;
        }
        let product = signature.product().unwrap_or("no product");
        let (kind, pattern) = (signature.kind().name(), signature.pattern_text());
        problems.push(format!("{kind} {product}: {:?}: {pattern}", signature.has()));
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}
