//! Text from outside, made safe for where it is written.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Most characters of foreign text that one cell of a table shows.
pub(crate) const CELL_LEN_MAX: usize = 80;

/// For a terminal: control characters, and those that turn the direction of writing or can't be
/// seen, are shown as escapes.
pub(crate) fn terminal(text: &str) -> Cow<'_, str> {
    replace(text, |c| c != '\t' && is_unsafe(c))
}

/// For a line-based format: as [`terminal`], tabs and line ends included.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    replace(text, is_unsafe)
}

/// For XML 1.0 text and attribute values: what XML can't hold becomes an escape in words, the five
/// special characters become entities.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => push_escape(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

/// For a field of nmap's grepable lines, whose separators are `/`, `,` and tab.
pub(crate) fn grepable(text: &str) -> String {
    line(text).replace('/', "|").replace(',', ";")
}

/// For a CSV cell that a spreadsheet may open: what would start a formula is quoted.
/// Quoting for CSV itself is the CSV writer's.
pub(crate) fn csv(text: &str) -> String {
    let safe = line(text);
    if safe.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{safe}")
    } else {
        safe.into_owned()
    }
}

/// Octets from the wire as text; what is no UTF-8 becomes U+FFFD.
pub(crate) fn lossy(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets)
}

/// The text cut to `max` characters, with an ellipsis where it was longer.
pub(crate) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn replace(text: &str, bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if bad(c) { push_escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// `\n`, `\x1b`, `\u{202e}`.
fn push_escape(out: &mut String, c: char) {
    // Writing to a String can't fail.
    let _ = match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        c if u32::from(c) < 0x100 => write!(out, "\\x{:02x}", u32::from(c)),
        c => write!(out, "\\u{{{:x}}}", u32::from(c)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_reaches_its_reader_as_is() {
        assert_eq!(terminal("a\x1b[31m\u{202e}b\tc"), "a\\x1b[31m\\u{202e}b\tc");
        assert_eq!(line("a\r\n\tb"), "a\\r\\n\\tb");
        assert_eq!(xml("<a b='c'>\x00&\n"), "&lt;a b=&apos;c&apos;&gt;\\x00&amp;&#10;");
        assert_eq!(grepable("a/b,c\td"), "a|b;c\\td");
        for formula in ["=1+1", "+1", "-1", "@x"] {
            assert!(csv(formula).starts_with('\''), "{formula}");
        }
        assert_eq!(csv("plain"), "plain");
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äö", 2), "äö");
    }
}
