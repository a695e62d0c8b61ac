//! The flags of the commands around the store.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use portolan_core::{PortState, Transport};

use super::scan::PortRange;

/// Where the store is.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// The store's directory
    #[arg(short, long, value_name = "DIR", env = "PORTOLAN_DATA", default_value = "portolan-data")]
    pub(crate) data: PathBuf,
}

/// Which rows.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// Only these addresses: single, CIDR, range
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) addr: Vec<String>,
    /// Only these ports
    #[arg(short, long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(crate) ports: Option<String>,
    /// Only this protocol: tcp or udp
    #[arg(long, value_name = "PROTO")]
    pub(crate) proto: Option<Transport>,
    /// Only these states
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<PortState>,
    /// Only this site
    #[arg(long, value_name = "NAME")]
    pub(crate) site: Option<String>,
}

/// The form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// Rows for people
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
}

/// The flags of `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// One side: expected, current or a scan's id
    #[arg(default_value = "expected")]
    pub(crate) from: String,
    /// The other side
    #[arg(default_value = "current")]
    pub(crate) to: String,
    /// How to print [default: table on a terminal, ndjson elsewhere]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) format: Option<RowFormat>,
    /// End with exit code 1 where anything differs
    #[arg(long)]
    pub(crate) fail_on_change: bool,
    /// Any difference in state counts, not only between open and not open
    #[arg(long)]
    pub(crate) strict: bool,
    /// Only states count, not what services, versions, certificates and host keys became
    #[arg(long)]
    pub(crate) states_only: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) store: DataArgs,
}

/// The flags of `expected`.
#[derive(Debug, Args)]
pub(crate) struct ExpectedArgs {
    #[command(subcommand)]
    pub(crate) verb: ExpectedVerb,
    /// The store's directory
    #[arg(short, long, value_name = "DIR", env = "PORTOLAN_DATA", default_value = "portolan-data")]
    #[arg(global = true)]
    pub(crate) data: PathBuf,
}

/// What to do with the expected state.
#[derive(Debug, Subcommand)]
pub(crate) enum ExpectedVerb {
    /// Show what is expected
    Get {
        #[command(flatten)]
        filter: FilterArgs,
        /// How to print [default: table on a terminal, ndjson elsewhere]
        #[arg(short, long, value_name = "FORMAT")]
        format: Option<RowFormat>,
    },
    /// Expect a state of a port, or of a range of addresses or ports
    Set {
        #[command(flatten)]
        which: SelectorArgs,
        /// The state: open, closed, filtered, …
        #[arg(default_value = "open")]
        state: PortState,
        /// Why
        #[arg(short, long, default_value = "")]
        comment: String,
    },
    /// Expect nothing of it any more
    Delete {
        #[command(flatten)]
        which: SelectorArgs,
    },
    /// Expect what is the case now, where it differs
    Accept {
        #[command(flatten)]
        filter: FilterArgs,
        /// Why
        #[arg(short, long)]
        comment: Option<String>,
    },
    /// Write what is expected as TOML that can live in git
    Export {
        /// The file [default: stdout]
        file: Option<PathBuf>,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Make what is expected equal to a TOML file
    Import {
        /// The file, - for stdin
        file: PathBuf,
        /// Only add and change, delete nothing
        #[arg(long)]
        keep: bool,
    },
}

/// One expectation's place.
#[derive(Debug, Args)]
pub(crate) struct SelectorArgs {
    /// Address, CIDR block or range
    pub(crate) addr: String,
    /// Protocol: tcp or udp
    pub(crate) proto: Transport,
    /// Port, or range A-B
    pub(crate) ports: PortRange,
    /// The site that the addresses belong to
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) site: String,
}

/// The flags of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files, - for stdin
    #[arg(value_name = "FILE", required_unless_present = "watch")]
    pub(crate) files: Vec<PathBuf>,
    /// What they are
    #[arg(short, long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) format: ImportFormat,
    /// The site that the addresses belong to
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) site: String,
    /// Import what appears in this directory, and move it to its archive/ once imported
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    pub(crate) watch: Option<PathBuf>,
    /// With --watch: import what is there, then end
    #[arg(long, requires = "watch")]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) store: DataArgs,
}

/// What can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// Found out from the first octets
    Auto,
    /// A whole store, as export writes it; into an empty store
    Ndjson,
    /// nmap's XML, as a scan
    NmapXml,
    /// masscan's JSON, as a scan
    MasscanJson,
    /// masscan's list, as a scan
    MasscanList,
}

/// The flags of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file [default: stdout]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: DataArgs,
}
