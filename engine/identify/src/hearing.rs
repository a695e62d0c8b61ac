//! Listening to one connection, within bounds.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, timeout_at};

use crate::budget::Budget;

/// Octets of one reply, at most: who has not said who it is by then will not.
pub(crate) const REPLY_LEN_MAX: usize = 16 << 10;
/// How much a reply grows before it is looked at again, unless a line ends.
const LOOK_EVERY: usize = 256;
/// Room that is made for a reply once it has begun.
const ROOM: usize = 2 << 10;

/// How long to listen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Until the first octet.
    pub(crate) first: Duration,
    /// Of silence after an octet.
    pub(crate) idle: Duration,
}

/// Why listening ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It said nothing, and the connection still stands.
    Silent,
    /// It has paused after what it said.
    Paused,
    /// The reply is whole.
    Whole,
    /// It closed its side.
    Closed,
    /// It reset the connection.
    Reset,
    /// It said more than is wanted.
    Full,
}

/// Hears what comes next from `stream`; gives that, when its first octet came, and why it ended.
///
/// Holds no buffer before the first octet. Ends when `whole` says so, at a pause, after
/// [`REPLY_LEN_MAX`] octets, at the end of the stream, and when the budget is used up.
pub(crate) async fn hear(
    stream: &mut (impl AsyncRead + Unpin),
    patience: Patience,
    budget: &Budget,
    whole: impl Fn(&[u8]) -> bool,
) -> (Vec<u8>, Option<Instant>, End) {
    let started = Instant::now();
    let mut heard = Vec::new();
    let mut looked = 0;
    let mut first = None;
    // A server that dribbles is not waited for longer than one that is slow to begin.
    let last = started + 2 * patience.first.max(patience.idle);
    let mut next = started + patience.first;
    loop {
        let room = REPLY_LEN_MAX.min(budget.octets());
        if heard.len() >= room {
            return (heard, first, End::Full);
        }
        let until = next.min(last).min(budget.until());
        match timeout_at(until, stream.read_buf(&mut heard)).await {
            Err(_elapsed) => {
                let end = if heard.is_empty() { End::Silent } else { End::Paused };
                return (heard, first, end);
            }
            Ok(Err(_)) => return (heard, first, End::Reset),
            Ok(Ok(0)) => return (heard, first, End::Closed),
            Ok(Ok(count)) => {
                budget.spend(count);
                first.get_or_insert_with(Instant::now);
                if heard.len() >= looked + LOOK_EVERY || heard.ends_with(b"\n") {
                    looked = heard.len();
                    if whole(&heard) {
                        return (heard, first, End::Whole);
                    }
                }
                next = Instant::now() + patience.idle;
                heard.reserve(ROOM.min(REPLY_LEN_MAX.saturating_sub(heard.len())));
            }
        }
    }
}
