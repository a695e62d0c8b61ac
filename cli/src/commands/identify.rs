//! `portolan identify`: who says these octets, for those who have them already.

use std::fs;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use portolan_fingerprints::{Database, Kind, Service};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::args::IdentifyArgs;
use crate::exit::{Exit, Failure, OrFail as _};
use crate::identified;
use crate::output::service::ServiceDto;

/// Octets of a line, at most.
const LINE_LEN_MAX: u64 = 4 << 20;

/// One line that is read.
#[derive(Debug, Deserialize)]
struct Question {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    protocol: Option<String>,
    kind: String,
    data: String,
}

/// One line that is written.
#[derive(Debug, Serialize)]
struct Answer {
    id: Value,
    service: Option<ServiceDto>,
}

/// Runs it.
///
/// # Errors
/// A line that can't be read, or a signature; what came before has been answered.
pub(super) fn run(args: &IdentifyArgs) -> Result<Exit, Failure> {
    let own;
    let database = match &args.signatures {
        None => Database::embedded(),
        Some(folder) => {
            own = read_signatures(folder)?;
            &own
        }
    };
    let mut input = BufReader::new(io::stdin().lock());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let len = input.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut line);
        if len.or_fail(Exit::Io, "standard input")? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match answer(database, &line) {
            Ok(answer) => {
                serde_json::to_writer(&mut out, &answer).or_fail(Exit::Io, "standard output")?;
                out.write_all(b"\n").or_fail(Exit::Io, "standard output")?;
            }
            Err(problem) => {
                out.flush().or_fail(Exit::Io, "standard output")?;
                return Err(Failure::usage(format!("line {number}: {problem}")));
            }
        }
    }
    out.flush().or_fail(Exit::Io, "standard output")?;
    Ok(Exit::Done)
}

fn answer(database: &Database, line: &[u8]) -> Result<Answer, String> {
    let question: Question = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let octets = BASE64.decode(&question.data).map_err(|e| format!("data: {e}"))?;
    // What is not known by name is what a service said.
    let kind = Kind::of_name(&question.kind).unwrap_or(Kind::Banner);
    let service = database.identify(question.protocol.as_deref(), kind, &octets);
    Ok(Answer { id: question.id, service: service.map(written) })
}

fn written(service: Service) -> ServiceDto {
    ServiceDto::of_octets(identified::record(service))
}

/// The built-in signatures and those of every `.toml` file in `folder`.
fn read_signatures(folder: &Path) -> Result<Database, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).or_fail(Exit::Io, folder.display())? {
        let path = entry.or_fail(Exit::Io, folder.display())?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).or_fail(Exit::Io, path.display())?;
            files.push((path.display().to_string(), text));
        }
    }
    files.sort();
    // With what caused it: where a file is no TOML, that says what and where.
    Database::with(&files)
        .map_err(|error| Failure::usage(format!("{:#}", anyhow::Error::new(error))))
}
