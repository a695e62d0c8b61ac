//! The flags of `scan` that tell of its packets.

use std::fs::File;
use std::io::{self, BufWriter, LineWriter, Write};
use std::path::PathBuf;

use clap::Args;
use portolan_net::Trace;

use crate::console;
use crate::exit::{Exit, Failure, OrFail as _};

/// Where packets are told of.
#[derive(Debug, Args)]
#[command(next_help_heading = "Packets")]
pub(crate) struct TraceArgs {
    /// Write probes sent and replies accepted to this capture file (pcapng)
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Tell of every packet sent and received, one line each, on stderr
    #[arg(long)]
    pub(crate) packet_trace: bool,
}

impl TraceArgs {
    /// Opens what the flags name; `None` where they name nothing.
    ///
    /// # Errors
    /// A file that can't be created.
    pub(crate) fn start(&self) -> Result<Option<Trace>, Failure> {
        let file = self.pcap.as_ref().map(|path| {
            let file = File::create(path).or_fail(Exit::Io, path.display())?;
            Ok::<Box<dyn Write + Send>, Failure>(Box::new(BufWriter::new(file)))
        });
        let file = file.transpose()?;
        let lines = self
            .packet_trace
            .then(|| -> Box<dyn Write + Send> { Box::new(LineWriter::new(io::stderr())) });
        if file.is_none() && lines.is_none() {
            return Ok(None);
        }
        let trace = Trace::start(file, lines).or_fail(Exit::Io, self.name())?;
        Ok(Some(trace))
    }

    /// Writes what still waits, and says what is missing.
    ///
    /// # Errors
    /// What could not be written.
    pub(crate) fn finish(&self, trace: &Trace) -> Result<(), Failure> {
        let counts = trace.finish().or_fail(Exit::Io, self.name())?;
        if counts.missed > 0 {
            let all = counts.missed.saturating_add(counts.written);
            console::warn(&format!(
                "{}: {} of {all} packets are missing, the scan was faster; a lower --rate keeps all",
                self.name(),
                counts.missed
            ));
        }
        Ok(())
    }

    fn name(&self) -> String {
        let path = self.pcap.as_ref().map(|path| path.display().to_string());
        path.unwrap_or_else(|| "--packet-trace".to_owned())
    }
}
