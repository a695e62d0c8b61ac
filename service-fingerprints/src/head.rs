//! What octets must begin with to match a pattern: a test that costs next to nothing.

/// Octets that are looked at, at most.
const OCTETS_MAX: usize = 8;

/// One octet at the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Any octet.
    Any,
    /// This one, in whatever case.
    One(u8),
    /// One of these.
    Set(Box<[u64; 4]>),
}

/// What must stand at the beginning, octet by octet; nothing is said of what does not begin with
/// `^`, has alternatives, or begins with a group.
///
/// It is read from the text of the pattern, without compiling it, and says no only where the
/// pattern can't match.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Head(Box<[Place]>);

impl Head {
    /// Reads it from `pattern`.
    pub(crate) fn of(pattern: &str) -> Self {
        let Some(mut rest) = without_flags(pattern).strip_prefix('^') else {
            return Self::default();
        };
        if has_alternatives(rest) {
            return Self::default();
        }
        let mut places = Vec::new();
        while places.len() < OCTETS_MAX {
            let Some((place, behind)) = atom(rest) else { break };
            let (times, more) = quantifier(behind);
            for _ in 0..times.min(OCTETS_MAX - places.len()) {
                places.extend(place.clone());
            }
            let Some(behind) = more else { break };
            rest = behind;
        }
        while places.last() == Some(&Place::Any) {
            places.pop();
        }
        Self(places.into_boxed_slice())
    }

    /// Whether `octets` begin as they must.
    pub(crate) fn admits(&self, octets: &[u8]) -> bool {
        self.0.len() <= octets.len()
            && self.0.iter().zip(octets).all(|(place, octet)| place.admits(*octet))
    }

    /// Whether something may match that begins with `octet`; `None` is nothing at all.
    pub(crate) fn admits_first(&self, octet: Option<u8>) -> bool {
        match (self.0.first(), octet) {
            (Some(place), Some(octet)) => place.admits(octet),
            (first, _) => first.is_none(),
        }
    }
}

impl Place {
    fn admits(&self, octet: u8) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => one.eq_ignore_ascii_case(&octet),
            Self::Set(set) => {
                let word = set.get(usize::from(octet >> 6)).copied().unwrap_or(0);
                word >> (octet & 63) & 1 == 1
            }
        }
    }
}

/// Behind `(?i)` and the like; all are read as if case did not matter.
fn without_flags(pattern: &str) -> &str {
    let mut rest = pattern;
    while let Some((flags, behind)) = rest.strip_prefix("(?").and_then(|r| r.split_once(')')) {
        if flags.is_empty() || !flags.bytes().all(|flag| b"isu-".contains(&flag)) {
            break;
        }
        rest = behind;
    }
    rest
}

/// Whether there is a `|` outside of groups and classes, or what is not understood.
fn has_alternatives(pattern: &str) -> bool {
    let mut depth = 0_usize;
    let mut octets = pattern.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => drop(octets.next()),
            b'[' => {
                let mut first = true;
                loop {
                    match octets.next() {
                        Some(b'\\') => drop(octets.next()),
                        Some(b'^') if first => continue,
                        Some(b']') if !first => break,
                        Some(b'[') | None => return true,
                        Some(_) => {}
                    }
                    first = false;
                }
            }
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// The atom at the beginning of `rest`, `None` of it for what takes no octet, and what is behind.
fn atom(rest: &str) -> Option<(Option<Place>, &str)> {
    let mut chars = rest.chars();
    let place = match chars.next()? {
        '.' => Some(Place::Any),
        '\\' => match chars.next()? {
            'b' | 'B' => None,
            'x' => {
                let digits = chars.as_str().get(..2)?;
                let octet = u8::from_str_radix(digits, 16).ok()?;
                return Some((Some(Place::One(octet)), chars.as_str().get(2..)?));
            }
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => Some(Place::Any),
            escaped => Some(Place::One(control(escaped)?)),
        },
        '[' => {
            let (set, behind) = class(chars.as_str())?;
            return Some((Some(Place::Set(set)), behind));
        }
        '(' | ')' | '|' | '*' | '+' | '?' | '{' | '}' | '^' | '$' => return None,
        plain => Some(Place::One(u8::try_from(plain).ok().filter(u8::is_ascii)?)),
    };
    Some((place, chars.as_str()))
}

/// What `\` and `escaped` mean, of what is one octet.
fn control(escaped: char) -> Option<u8> {
    match escaped {
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        plain => u8::try_from(plain).ok().filter(u8::is_ascii_punctuation),
    }
}

/// The class whose inside `rest` begins with, and what is behind it.
fn class(rest: &str) -> Option<(Box<[u64; 4]>, &str)> {
    let (negated, mut rest) = rest.strip_prefix('^').map_or((false, rest), |rest| (true, rest));
    let mut set = Box::new([0_u64; 4]);
    let mut add = |octet: u8| {
        for octet in [octet.to_ascii_lowercase(), octet.to_ascii_uppercase()] {
            if let Some(word) = set.get_mut(usize::from(octet >> 6)) {
                *word |= 1 << (octet & 63);
            }
        }
    };
    loop {
        if let Some(behind) = rest.strip_prefix(']') {
            if negated {
                // In whatever case: what is not in the class may be as the other case.
                return None;
            }
            return Some((set, behind));
        }
        // `\d`, `\w`, a class in a class: not understood.
        let (Some(Place::One(low)), mut behind) = class_atom(rest)? else { return None };
        let mut high = low;
        if let Some(range) = behind.strip_prefix('-').filter(|range| !range.starts_with(']')) {
            let (Some(Place::One(end)), after) = class_atom(range)? else { return None };
            (high, behind) = (end, after);
        }
        (low..=high).for_each(&mut add);
        rest = behind;
    }
}

fn class_atom(rest: &str) -> Option<(Option<Place>, &str)> {
    let first = rest.chars().next()?;
    match first {
        '[' | '&' | '~' => None,
        '\\' => atom(rest),
        plain => {
            let octet = u8::try_from(plain).ok().filter(u8::is_ascii)?;
            Some((Some(Place::One(octet)), rest.get(1..)?))
        }
    }
}

/// How often what is before it must come, and what is behind; nothing of that is known where it
/// may come more often.
fn quantifier(rest: &str) -> (usize, Option<&str>) {
    match rest.chars().next() {
        Some('*' | '?') => (0, None),
        Some('+') => (1, None),
        Some('{') => {
            let inside = rest.get(1..).and_then(|r| r.split_once('}'));
            match inside.map(|(times, behind)| (times.parse(), behind)) {
                Some((Ok(times), behind)) => (times, Some(behind)),
                _ => (0, None),
            }
        }
        _ => (1, Some(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_come_first_is_known() {
        let admits = |pattern: &str, octets: &[u8]| Head::of(pattern).admits(octets);
        assert!(admits("(?i)^Abc", b"aBCd"));
        assert!(!admits("(?i)^Abc", b"aB"));
        assert!(!admits("^Abc", b"xbc"));
        assert!(admits("^Abc|x", b"x"));
        assert!(admits("^(?:Abc|x)", b"x"));
        assert!(admits("^ab?c", b"ac"));
        assert!(!admits("^ab?c", b"b"));
        assert!(admits("^a{2}b", b"aab"));
        assert!(!admits("^a{2}b", b"ab"));
        assert!(admits("^a{2,3}b", b"aab"));
        assert!(admits("^a+b", b"aab"));
        assert!(!admits(r"(?s)^..\x00\x0a", b"ab\x00\x0b"));
        assert!(admits(r"(?s)^..\x00\x0a", b"ab\x00\x0a"));
        assert!(admits(r"^\xff[\xfb-\xfe]", b"\xff\xfd"));
        assert!(!admits(r"^\xff[\xfb-\xfe]", b"\xff\xf0"));
        assert!(admits(r"^\* \[a", b"* [a"));
        assert!(admits(r"^\bx", b"x"));
        assert!(!admits(r"^\bx", b"y"));
        assert!(admits("abc", b"x"));
        assert!(admits("^[a|b]c", b"|c"));
        assert!(!admits("^[a|b]c", b"xc"));
        assert!(admits("^[^a]c", b"xc"));
        assert!(Head::of("^a").admits_first(Some(b'A')));
        assert!(!Head::of("^a").admits_first(Some(b'b')));
        assert!(!Head::of("^a").admits_first(None));
        assert!(Head::of("a").admits_first(None));
    }
}
