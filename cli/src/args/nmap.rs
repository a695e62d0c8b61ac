//! nmap's way of writing flags: one dash, several letters. They are rewritten into long options
//! before clap sees them, and what has no counterpart is refused in words of its own.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::Command;

/// Rewrites the arguments of `scan`; every other command's pass through untouched.
///
/// # Errors
/// What is missing, for a flag of nmap's that has no counterpart.
pub(super) fn rewrite(
    cli: &Command,
    argv: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, String> {
    let mut argv = argv.into_iter();
    let mut out: Vec<OsString> = argv.next().into_iter().collect();
    let global = takes_value(cli);
    let mut is_scan = false;
    while let Some(word) = argv.next() {
        let text = word.to_str().map(ToOwned::to_owned);
        out.push(word);
        match text.as_deref() {
            Some(flag) if global.contains(flag) => out.extend(argv.next()),
            Some(flag) if flag.starts_with('-') => {}
            other => {
                is_scan = other == Some("scan");
                break;
            }
        }
    }
    let Some(scan) = cli.find_subcommand("scan").filter(|_| is_scan) else {
        out.extend(argv);
        return Ok(out);
    };
    let mut with_value = takes_value(scan);
    with_value.extend(global);
    while let Some(word) = argv.next() {
        let Some(text) = word.to_str() else {
            out.push(word);
            continue;
        };
        if text == "--" {
            out.push(word);
            out.extend(argv);
            break;
        }
        if with_value.contains(text) {
            out.push(word);
            out.extend(argv.next());
            continue;
        }
        match one(text, &mut argv)? {
            Some(words) => out.extend(words),
            None => out.push(word),
        }
    }
    Ok(out)
}

/// Every spelling of the options that take a value in the next word.
fn takes_value(command: &Command) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for arg in command.get_arguments().filter(|a| !a.is_positional()) {
        if arg.get_action().takes_values() {
            flags.extend(
                arg.get_short_and_visible_aliases()
                    .unwrap_or_default()
                    .iter()
                    .map(|short| format!("-{short}")),
            );
            flags.extend(arg.get_long().map(|long| format!("--{long}")));
            flags
                .extend(arg.get_all_aliases().unwrap_or_default().iter().map(|a| format!("--{a}")));
        }
    }
    flags
}

/// What one word becomes; `None` leaves it to clap.
fn one(
    word: &str,
    rest: &mut impl Iterator<Item = OsString>,
) -> Result<Option<Vec<OsString>>, String> {
    if let Some(missing) = missing(word) {
        return Err(format!("{word}: {missing}"));
    }
    let words = |list: &[&str]| Ok(Some(list.iter().map(OsString::from).collect()));
    let mut valued = |long: &str| {
        let value = rest.next().ok_or_else(|| format!("{word} needs a value"))?;
        let mut flag = OsString::from(format!("--{long}="));
        flag.push(value);
        Ok(Some(vec![flag]))
    };
    match word {
        "-iL" => valued("targets-file"),
        "-oX" => valued("xml-file"),
        "-oG" => valued("grepable-file"),
        "-oN" => valued("table-file"),
        "-oJ" => valued("masscan-json-file"),
        "-oL" => valued("list-file"),
        "-e" => valued("interface"),
        "-S" => valued("source-ip"),
        "-g" => valued("source-port"),
        "-Pn" | "-P0" | "-PN" => words(&["--no-ping"]),
        "-PE" => words(&["--ping-echo"]),
        "-PP" => words(&["--ping-timestamp"]),
        "-PM" => words(&["--ping-mask"]),
        "-PS" => words(&["--ping-syn=80"]),
        "-n" => words(&["--no-dns"]),
        "-F" => words(&["--top-ports=100"]),
        "-oA" => {
            let base = rest.next().ok_or_else(|| format!("{word} needs a value"))?;
            let file = |flag: &str, suffix: &str| {
                let mut whole = OsString::from(flag);
                whole.push(&base);
                whole.push(suffix);
                whole
            };
            Ok(Some(vec![
                file("--table-file=", ".nmap"),
                file("--grepable-file=", ".gnmap"),
                file("--xml-file=", ".xml"),
            ]))
        }
        _ if word.starts_with("-PS") => {
            let ports = word.trim_start_matches("-PS");
            words(&[&format!("--ping-syn={ports}")])
        }
        _ => match (word.strip_prefix("-p"), word.strip_prefix("-s")) {
            (Some(ports), _) if !ports.is_empty() => words(&[&format!("--ports={ports}")]),
            (_, Some(letters)) if !letters.is_empty() => scan_kinds(word, letters).map(Some),
            _ => Ok(None),
        },
    }
}

/// `-sSU`: one kind of scan a letter.
fn scan_kinds(word: &str, letters: &str) -> Result<Vec<OsString>, String> {
    letters
        .chars()
        .map(|letter| match letter {
            'S' => Ok("--syn".into()),
            'U' => Ok("--udp".into()),
            'T' => Ok("--connect".into()),
            'A' => Ok("--ack".into()),
            'F' => Ok("--fin".into()),
            'N' => Ok("--null".into()),
            'X' => Ok("--xmas".into()),
            'Y' => Ok("--sctp-init".into()),
            'n' | 'P' => Ok("--discover".into()),
            'V' => Ok("--identify".into()),
            'C' => Err(format!("{word}: there are no scripts")),
            'W' | 'M' | 'I' | 'Z' | 'O' => Err(format!(
                "{word}: that kind of scan is not there; there are -sS, -sT, -sA, -sF, -sN, -sX, \
                 -sU, -sY and -sn"
            )),
            other => Err(format!(
                "{word}: {other:?} is no kind of scan; there are S, T, A, F, N, X, U, Y, n and V"
            )),
        })
        .collect()
}

/// What is not there, for nmap's flags without a counterpart.
fn missing(word: &str) -> Option<&'static str> {
    let long = word.split_once('=').map_or(word, |(flag, _)| flag);
    match long {
        "-A" => Some("there is no such bundle; say what you want, such as -sS -sU"),
        "-O" | "--osscan-guess" | "--osscan-limit" => {
            Some("operating systems are not told from their packets")
        }
        "-D" | "--spoof-mac" | "--data-length" | "--badsum" | "--mtu" | "-b" | "--proxies" => {
            Some("decoys, spoofing and evasion are not there, on purpose")
        }
        "-sC" | "--script" | "--script-args" | "--script-help" => Some("there are no scripts"),
        "-iR" => Some("random targets are not chosen for you; name what you may scan"),
        "-oS" | "-oB" | "-oD" => Some("that output is not there; see --format"),
        "--min-rate" | "--min-parallelism" | "--max-parallelism" | "--min-hostgroup"
        | "--max-hostgroup" | "--scan-delay" | "--max-scan-delay" | "--host-timeout" => {
            Some("the speed is set by --rate alone")
        }
        "--traceroute" => Some("routes are not traced"),
        "-R" | "--system-dns" | "--dns-servers" => Some("addresses are not looked up in the DNS"),
        "-PA" | "-PU" | "-PR" | "-PO" | "-PY" => {
            Some("hosts are not looked for in that way; there are -PE, -PP, -PM and -PS, with -sn")
        }
        _ => {
            let speed = word.strip_prefix("-T")?;
            let template = matches!(speed, "" | "0" | "1" | "2" | "3" | "4" | "5")
                || ["paranoid", "sneaky", "polite", "normal", "aggressive", "insane"]
                    .contains(&speed);
            template.then_some("there are no timing templates; --rate PPS sets the speed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn rewritten(line: &str) -> Result<String, String> {
        let argv = line.split(' ').map(OsString::from);
        let words = rewrite(&crate::args::Cli::command(), argv)?;
        Ok(words.iter().map(|w| w.to_str().unwrap()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn nmaps_flags_become_long_options() {
        for (from, to) in [
            ("scan -sS -sU h", "scan --syn --udp h"),
            ("scan -sSUV h", "scan --syn --udp --identify h"),
            ("scan -sn 10.0.0.0/24", "scan --discover 10.0.0.0/24"),
            ("scan -sA -sY h", "scan --ack --sctp-init h"),
            ("scan -sFU h", "scan --fin --udp h"),
            ("scan -sN h", "scan --null h"),
            ("scan -sX h", "scan --xmas h"),
            (
                "scan -PE -PP -PM -PS22,80 h",
                "scan --ping-echo --ping-timestamp --ping-mask --ping-syn=22,80 h",
            ),
            ("scan -PS h", "scan --ping-syn=80 h"),
            ("scan -p- h", "scan --ports=- h"),
            ("scan -p22,80 h", "scan --ports=22,80 h"),
            ("scan -p -100 h", "scan -p -100 h"),
            ("scan -iL - -oX out.xml", "scan --targets-file=- --xml-file=out.xml"),
            ("scan -oA b h", "scan --table-file=b.nmap --grepable-file=b.gnmap --xml-file=b.xml h"),
            (
                "scan -oJ j -oL l -oG g -oN n",
                "scan --masscan-json-file=j --list-file=l --grepable-file=g --table-file=n",
            ),
            ("scan -Pn -n -v -F h", "scan --no-ping --no-dns -v --top-ports=100 h"),
            (
                "scan -e lo -S 10.0.0.1 -g 4000 h",
                "scan --interface=lo --source-ip=10.0.0.1 --source-port=4000 h",
            ),
            ("scan -o -sS h", "scan -o -sS h"),
            ("scan h -- -sS", "scan h -- -sS"),
            ("--log-level scan scan -sT h", "--log-level scan scan --connect h"),
            ("diff -sS", "diff -sS"),
        ] {
            let (from, to) = (format!("portolan {from}"), format!("portolan {to}"));
            assert_eq!(rewritten(&from), Ok(to), "{from}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        for (line, says) in [
            ("scan -A h", "bundle"),
            ("scan -O h", "operating systems"),
            ("scan -T4 h", "--rate"),
            ("scan -sW h", "-sS"),
            ("scan -PU h", "-PE"),
            ("scan -sC h", "scripts"),
            ("scan --script=x h", "scripts"),
            ("scan -iR 10", "random"),
            ("scan -D RND:5 h", "on purpose"),
            ("scan -oX", "needs a value"),
        ] {
            let error = rewritten(&format!("portolan {line}")).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
