//! What has been reported already.

use std::sync::Arc;

use crate::answered::Answered;

/// Slots of the table that finds repetitions where a bit per endpoint does not fit.
const WINDOW_LEN: usize = 1 << 20;

/// What has been reported already.
pub(super) enum Seen {
    Exact(Arc<Answered>),
    /// A direct-mapped table of the last endpoints; a repetition that was displaced is reported
    /// again.
    Window(Box<[u64]>),
}

impl Seen {
    /// What `answered` has bits for; without them, what a window holds.
    pub(super) fn new(answered: Option<Arc<Answered>>) -> Self {
        answered.map_or_else(|| Self::Window(vec![0; WINDOW_LEN].into_boxed_slice()), Self::Exact)
    }

    /// Enters the endpoint of that index; whether it was not in yet.
    pub(super) fn insert(&mut self, index: u64) -> bool {
        match self {
            Self::Exact(answered) => answered.insert(index),
            Self::Window(slots) => {
                let mixed = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
                let slot = usize::try_from(mixed).ok().and_then(|i| slots.get_mut(i));
                // Zero marks an empty slot, so indices are kept one higher.
                slot.is_none_or(|s| std::mem::replace(s, index + 1) != index + 1)
            }
        }
    }
}
