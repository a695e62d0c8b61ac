//! Texts with places for what a pattern's named groups matched.

/// Octets of one group that are used, at most: what a service says may be as long as it likes.
const GROUP_LEN_MAX: usize = 128;

/// Fills `{group}` in `template`; `None` when a group took no part in the match.
pub(crate) fn fill<'a>(template: &str, group: &dyn Fn(&str) -> Option<&'a [u8]>) -> Option<String> {
    fill_with(template, &|name| group(name).map(text))
}

/// Fills the CPE 2.3 name `template`: what took no part is `*`, and what has a meaning of its own
/// there is escaped (NISTIR 7695 §6.2).
pub(crate) fn fill_cpe<'a>(
    template: &str,
    group: &dyn Fn(&str) -> Option<&'a [u8]>,
) -> Option<String> {
    fill_with(template, &|name| {
        let found = group(name).map(text).filter(|text| !text.is_empty());
        Some(found.map_or_else(|| "*".to_owned(), |text| component(&text)))
    })
}

/// Names of the groups that `template` has places for.
pub(crate) fn groups(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn fill_with(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = behind;
    }
    filled.push_str(rest);
    let filled = filled.trim();
    (!filled.is_empty()).then(|| filled.to_owned())
}

/// Octets from the network as text: UTF-8 where they are, else Latin-1; controls are left out.
pub(crate) fn text(octets: &[u8]) -> String {
    let octets = octets.get(..GROUP_LEN_MAX).unwrap_or(octets);
    let latin = || octets.iter().map(|octet| char::from(*octet)).collect();
    let text: String = std::str::from_utf8(octets).map_or_else(|_| latin(), ToOwned::to_owned);
    text.chars().filter(|c| !c.is_control()).collect()
}

fn component(value: &str) -> String {
    let mut component = String::with_capacity(value.len());
    for c in value.to_lowercase().chars() {
        match c {
            ' ' => component.push('_'),
            c if c.is_ascii_alphanumeric() || "._-".contains(c) => component.push(c),
            c if c.is_ascii() => component.extend(['\\', c]),
            _ => component.push('?'),
        }
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_filled_in_and_missing_ones_told() {
        let group = |name: &str| -> Option<&'static [u8]> {
            match name {
                "version" => Some(b"1.2+b\x07"),
                "os" => Some(b"\xe9t\xe9"),
                _ => None,
            }
        };
        assert_eq!(fill("{version} on {os}", &group).unwrap(), "1.2+b on été");
        assert_eq!(fill_cpe("cpe:{version}:{os}", &group).unwrap(), "cpe:1.2\\+b:?t?");
        assert_eq!(fill_cpe("cpe:{version}:{arch}", &group).unwrap(), "cpe:1.2\\+b:*");
        assert_eq!(fill("{version} on {arch}", &group), None);
        assert_eq!(fill("{nothing}", &group), None);
        assert_eq!(fill("plain", &group).unwrap(), "plain");
        assert_eq!(groups("{a}-{b}").collect::<Vec<_>>(), ["a", "b"]);
    }
}
