//! The SQL Server Browser.

use super::field::{check_nothing, patch_nothing};
use super::{ReplyPort, UdpProbe};

/// Which instances this host has.
pub(super) static MSSQL: UdpProbe = UdpProbe {
    name: "mssql-browser",
    source: "Microsoft MC-SQLR §2.2.2 (CLNT_UCAST_EX)",
    reply_port: ReplyPort::Same,
    template: b"\x03",
    patch: patch_nothing,
    check: check_nothing,
};
