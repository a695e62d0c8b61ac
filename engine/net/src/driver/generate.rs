//! Sending by a link that makes the probes itself.

use std::sync::atomic::{AtomicU64, Ordering};

use portolan_core::transmit::Positions;

use super::{CATCH_UP_NAP, Sender, rest};
use crate::board::Board;
use crate::clock::ScanClock;
use crate::link::{Ask, LinkError, PositionLink};
use crate::options::Cancel;

/// Probes of one call: half a millisecond's worth, so that round trips are dated well.
const FRAMES_MAX: u32 = 1_024;

/// Sends one pass of one stride through `link`.
///
/// # Errors
/// As [`PositionLink::emit`]; after [`LinkError::Unusable`] the stride stands where it stood.
pub(super) fn send_pass(
    sender: &mut Sender,
    link: &mut dyn PositionLink,
    taken: &AtomicU64,
    board: &Board,
    cancel: &Cancel,
    clock: ScanClock,
) -> Result<(), LinkError> {
    let half = &mut sender.half;
    while !cancel.is_cancelled() && !board.failed.load(Ordering::Relaxed) {
        if board.is_behind() {
            std::thread::sleep(CATCH_UP_NAP);
            continue;
        }
        match half.poll_positions(clock.now(), FRAMES_MAX) {
            Positions::Due { position, frames } => {
                let emitted = link.emit(Ask {
                    pass: half.pass(),
                    looks_at_answers: half.looks_at_answers(),
                    position,
                    frames_max: frames,
                })?;
                half.took(emitted.positions, emitted.frames);
                board.sent.fetch_add(u64::from(emitted.frames), Ordering::Relaxed);
                taken.store(half.taken(), Ordering::Relaxed);
            }
            Positions::Wait(until) => rest(until.since(clock.now())),
            Positions::EndOfPass => {
                taken.store(half.taken(), Ordering::Relaxed);
                break;
            }
        }
    }
    Ok(())
}
