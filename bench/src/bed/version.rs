//! Versions as packages and as services tell them.

use std::process::{Command, Stdio};

use super::catalogue::{Daemon, Places};

/// Marks that packagers put behind upstream's version.
const MARKS: [&str; 5] = ["+", "~", ".dfsg", ".ds", "-dfsg"];

/// The version of what is installed for `daemon`, as its maker counts.
pub(crate) fn of(daemon: &Daemon, places: &Places) -> Option<String> {
    let text = match &daemon.version_command {
        Some(command) => {
            let mut sh = Command::new("sh");
            sh.args(["-ec", &places.fill(daemon, command)]);
            output(&mut sh)?
        }
        None => match (daemon.packages.first(), daemon.unpack.first()) {
            (_, Some(package)) => {
                let file = format!("{package}.version");
                std::fs::read_to_string(places.of("unpack", &daemon.name).join(file)).ok()?
            }
            (Some(package), None) => {
                let mut query = Command::new("dpkg-query");
                output(query.args(["-W", "-f", "${Version}\n", package]))?
            }
            (None, None) => return None,
        },
    };
    text.lines().next().map(upstream).filter(|version| !version.is_empty())
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The part of a package's version that its maker gave it.
fn upstream(version: &str) -> String {
    let version = version.trim().trim_start_matches(['v', 'V']);
    let version = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    let version = version.rsplit_once('-').map_or(version, |(rest, _revision)| rest);
    let ends = MARKS.iter().filter_map(|mark| version.find(mark));
    let end = ends.min().unwrap_or(version.len());
    version.get(..end).unwrap_or(version).to_owned()
}

/// Whether what a scanner `told` is `truth`: alone, or as a word among others; a word may go on,
/// but not with a further number of the version.
pub(crate) fn is_told(truth: &str, told: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let plain = |text: &str| text.trim_start_matches(['v', 'V']).to_ascii_lowercase();
    let truth = plain(truth);
    let is = |word: &str| {
        plain(word).strip_prefix(&truth).is_some_and(|rest| {
            let next = rest.strip_prefix(['.', '_']).unwrap_or(rest);
            !next.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    !truth.is_empty() && (is(told) || told.split(|c| !part(c)).any(is))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packagers_add_is_left_out() {
        for (package, maker) in [
            ("1:9.2p1-2+deb12u10", "9.2p1"),
            ("2.4.71-1~deb12u1", "2.4.71"),
            ("1.3.8+dfsg-4+deb12u5", "1.3.8"),
            ("1.6.7~rc0-1+b13", "1.6.7"),
            ("3.0.11.33637.ds4-2", "3.0.11.33637"),
            ("20230101-1", "20230101"),
            ("v20.20.2", "20.20.2"),
            ("2:1.12.13+real-28", "1.12.13"),
        ] {
            assert_eq!(upstream(package), maker);
        }
    }

    #[test]
    fn a_version_is_told_in_whole() {
        assert!(is_told("9.2p1", "9.2p1"));
        assert!(is_told("9.2p1", "9.2p1 Debian 2+deb12u10"));
        assert!(is_told("10.11.19", "5.5.5-10.11.19-MariaDB"));
        assert!(is_told("2.90", "v2.90"));
        assert!(is_told("9.4.57", "9.4.57.v20241219"));
        assert!(!is_told("2.90", "2.9"));
        assert!(!is_told("2.9", "2.90"));
        assert!(!is_told("1.3.8", "1.3"));
        assert!(!is_told("15", "9.6.0 or later"));
    }
}
