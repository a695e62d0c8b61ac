//! The whole store as NDJSON, and back: the way out, and the way to another version.
//!
//! The first line names format and version, the last counts the lines before it and holds the
//! CRC-32 of their bytes.

use std::io::{BufRead, Read as _, Write};

use crate::error::{ExportError, ImportError};
use crate::inner::{Inner, SCHEMA_VERSION, Writer, intent_key, schema_key};
use crate::line::{self, FORMAT, Line};
use crate::record::IntentRec;
use crate::recover::wipe;
use crate::store::ImportOutcome;
use crate::verify::verify;

/// The longest line that is read, bytes.
const MAX_LINE_LEN: u64 = 4 << 20;
/// Sites come before what speaks of them.
const ORDER: &[(u8, u8)] = &[(b'n', b'o'), (0, b'n'), (b'o', 0xff)];

/// Writes every record as a line. The caller may read.
pub(crate) fn export(inner: &Inner, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut sum = crc32fast::Hasher::new();
    let mut lines = 0_u64;
    let mut put = |line: &Line, sum: &mut crc32fast::Hasher| {
        let mut text = serde_json::to_vec(line).map_err(|e| ExportError::Write(e.into()))?;
        text.push(b'\n');
        sum.update(&text);
        lines += 1;
        out.write_all(&text).map_err(ExportError::Write)
    };
    put(&Line::Header { format: FORMAT.to_owned(), version: SCHEMA_VERSION }, &mut sum)?;
    for (from, to) in ORDER {
        for pair in inner.kv.range(&[*from], &[*to]) {
            let pair = pair.map_err(|e| ExportError::Store(e.into()))?;
            if let Some(line) = line::of_pair(&pair)? {
                put(&line, &mut sum)?;
            }
        }
    }
    let crc32 = format!("{:08x}", sum.clone().finalize());
    let count = lines;
    let mut text = serde_json::to_vec(&Line::End { lines: count, crc32 })
        .map_err(|e| ExportError::Write(e.into()))?;
    text.push(b'\n');
    out.write_all(&text).map_err(ExportError::Write)?;
    out.flush().map_err(ExportError::Write)
}

/// Reads an export into the empty store. The caller is the writer.
pub(crate) fn import(inner: &Inner, input: &mut dyn BufRead) -> Result<ImportOutcome, ImportError> {
    let own = |key: &[u8]| key == schema_key();
    for bytes in inner.keys(&[0], &[0xff]) {
        if !own(&bytes?) {
            return Err(ImportError::NotEmpty);
        }
    }
    let mut verdict = Ok(ImportOutcome::default());
    inner.publish(|| {
        let mut writer = Writer::new(inner);
        writer.put(intent_key(), &IntentRec::Import)?;
        writer.flush()?;
        verdict = fill(inner, input);
        if verdict.is_err() {
            wipe(inner)?;
        } else {
            writer.delete(intent_key());
            writer.flush()?;
        }
        inner.load_sites()
    })?;
    verdict
}

fn fill(inner: &Inner, input: &mut dyn BufRead) -> Result<ImportOutcome, ImportError> {
    let mut lines = Lines { input, number: 0, sum: crc32fast::Hasher::new() };
    match lines.next()? {
        Line::Header { format, version } if format == FORMAT => {
            if version != SCHEMA_VERSION {
                let problem =
                    format!("an export of version {version}; version {SCHEMA_VERSION} is known");
                return Err(lines.problem(problem));
            }
        }
        _ => return Err(lines.problem("not the header of an export")),
    }
    let mut outcome = ImportOutcome::default();
    let mut writer = Writer::new(inner);
    loop {
        let sum = lines.sum.clone().finalize();
        let line = lines.next()?;
        if let Line::End { lines: count, crc32 } = &line {
            if *count != lines.number - 1 || *crc32 != format!("{sum:08x}") {
                return Err(lines.problem("the lines before are not those that were written"));
            }
            break;
        }
        outcome.records += 1;
        outcome.scans += u64::from(matches!(line, Line::Scan { .. }));
        let (key, value) = line.to_pair().map_err(|problem| lines.problem(problem))?;
        writer.put_value(key, Some(value));
        writer.part()?;
    }
    writer.flush()?;
    lines.at_end()?;
    inner.load_sites()?;
    match verify(inner)?.problems.into_iter().next() {
        Some(problem) => Err(lines.problem(problem)),
        None => Ok(outcome),
    }
}

struct Lines<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
    sum: crc32fast::Hasher,
}

impl Lines<'_> {
    fn problem(&self, problem: impl Into<String>) -> ImportError {
        ImportError::Line { line: self.number, problem: problem.into() }
    }

    fn next(&mut self) -> Result<Line, ImportError> {
        let mut text = Vec::new();
        self.number += 1;
        let mut bounded = self.input.take(MAX_LINE_LEN);
        bounded.read_until(b'\n', &mut text).map_err(ImportError::Read)?;
        if text.pop() != Some(b'\n') {
            let long = text.len() > 4 << 19;
            let why = if long { "the line is too long" } else { "the export ends too early" };
            return Err(self.problem(why));
        }
        self.sum.update(&text);
        self.sum.update(b"\n");
        serde_json::from_slice(&text).map_err(|e| self.problem(format!("not a record: {e}")))
    }

    fn at_end(&mut self) -> Result<(), ImportError> {
        self.number += 1;
        let rest = self.input.fill_buf().map_err(ImportError::Read)?;
        if rest.is_empty() { Ok(()) } else { Err(self.problem("something follows the last line")) }
    }
}
