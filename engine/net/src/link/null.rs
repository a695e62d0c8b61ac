//! The link that leads nowhere.

use std::time::Duration;

use super::{Encapsulation, FrameBatch, LinkError, TxLink};

/// Takes every frame and sends none: what is left is what making probes costs.
#[derive(Debug)]
pub struct NullTx {
    encapsulation: Encapsulation,
}

impl NullTx {
    /// For frames that begin so.
    pub const fn new(encapsulation: Encapsulation) -> Self {
        Self { encapsulation }
    }
}

impl TxLink for NullTx {
    fn encapsulation(&self) -> Encapsulation {
        self.encapsulation
    }

    fn send(&mut self, batch: &FrameBatch, from: usize) -> Result<usize, LinkError> {
        Ok(batch.len().saturating_sub(from))
    }

    fn wait_writable(&mut self, _timeout: Duration) -> Result<(), LinkError> {
        Ok(())
    }
}
