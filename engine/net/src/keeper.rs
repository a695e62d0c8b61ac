//! The checkpoint of a running scan: when it is due, and what it may take for known.
//!
//! A scan that is killed leaves the last checkpoint that was written, and whatever of its results
//! had reached their file. So a checkpoint may claim only what is certain then:
//!
//! - an endpoint has answered, if whoever takes the events has been told, and has put it where a
//!   kill can't reach it ([`ScanEvent::Settle`](portolan_core::ScanEvent::Settle));
//! - a position is done with, if its answer has had its time since: answers that were on their way
//!   when the kill came are lost, and must be asked for again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::checkpoint::Checkpoint;

/// How often a checkpoint is written.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// Writes the checkpoints of one run.
pub(crate) struct Keeper {
    path: PathBuf,
    positions: VecDeque<Position>,
    pending: Option<Pending>,
    begun: Instant,
    complained: bool,
}

/// Where the senders stood.
struct Position {
    at: Instant,
    pass: u8,
    taken: Vec<u64>,
}

/// A checkpoint that waits until all that it takes for known has been told.
struct Pending {
    checkpoint: Checkpoint,
    listeners: usize,
}

impl Keeper {
    /// Keeps checkpoints at `path`, beginning with `first`, so that a scan that is killed at once
    /// can be resumed too.
    pub(crate) fn start(path: PathBuf, first: &Checkpoint) -> Self {
        let mut keeper = Self {
            path,
            positions: VecDeque::new(),
            pending: None,
            begun: Instant::now(),
            complained: false,
        };
        keeper.write(first);
        keeper
    }

    /// Notes that the senders stand at `taken` of `pass` now.
    pub(crate) fn note(&mut self, pass: u8, taken: Vec<u64>) {
        self.positions.push_back(Position { at: Instant::now(), pass, taken });
    }

    /// The latest noted position that is at least `lag` old, if a checkpoint is due.
    pub(crate) fn due(&mut self, lag: Duration) -> Option<(u8, Vec<u64>)> {
        while self.positions.get(1).is_some_and(|next| next.at.elapsed() >= lag) {
            self.positions.pop_front();
        }
        let waited = self.pending.is_none() && self.wants_one();
        let position = self.positions.front().filter(|p| waited && p.at.elapsed() >= lag)?;
        Some((position.pass, position.taken.clone()))
    }

    /// Whether the last checkpoint is old.
    pub(crate) fn wants_one(&self) -> bool {
        self.begun.elapsed() >= WRITE_EVERY
    }

    /// `checkpoint` is to be written once each of `listeners` has marked its place.
    pub(crate) fn prepare(&mut self, checkpoint: Checkpoint, listeners: usize) {
        self.begun = Instant::now();
        self.pending = Some(Pending { checkpoint, listeners });
    }

    /// A listener has marked its place; gives the checkpoint when it was the last.
    pub(crate) fn marked(&mut self) -> Option<Checkpoint> {
        let pending = self.pending.as_mut()?;
        pending.listeners = pending.listeners.saturating_sub(1);
        let ready = pending.listeners == 0;
        self.pending.take_if(|_| ready).map(|pending| pending.checkpoint)
    }

    /// Writes beside the file and renames it there, so that one is always whole.
    pub(crate) fn write(&mut self, checkpoint: &Checkpoint) {
        self.begun = Instant::now();
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let write = || {
            let mut file = BufWriter::new(File::create(&beside)?);
            checkpoint.write(&mut file)?;
            file.into_inner()?;
            std::fs::rename(&beside, &self.path)
        };
        let written: io::Result<()> = write();
        if let Err(error) = written
            && !std::mem::replace(&mut self.complained, true)
        {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the checkpoint can't be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portolan_core::permutation::Shard;
    use portolan_core::target::TargetSet;

    fn checkpoint(pass: u8) -> Checkpoint {
        Checkpoint {
            targets: TargetSet::default(),
            kinds: crate::options::ScanKinds::default(),
            seed: 1,
            begun: portolan_core::UnixTime::from_seconds(1),
            shard: Shard::default(),
            retries: 0,
            rate_pps: 1,
            auto_rate: false,
            max_host_pps: None,
            max_subnet_pps: None,
            pass,
            threads: 1,
            taken: vec![0],
            answered: Vec::new(),
        }
    }

    #[test]
    fn a_checkpoint_waits_for_every_listener_and_for_answers_on_their_way() {
        let path = std::env::temp_dir().join(format!("portolan-keeper-{}", std::process::id()));
        let mut keeper = Keeper::start(path.clone(), &checkpoint(0));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), checkpoint(0).to_string());
        keeper.note(0, vec![7]);
        keeper.note(0, vec![9]);
        assert_eq!(keeper.due(Duration::ZERO), None, "one has just been written");
        keeper.begun -= WRITE_EVERY;
        keeper.note(1, vec![1]);
        assert_eq!(keeper.due(Duration::from_hours(1)), None, "no answer has had an hour");
        assert_eq!(keeper.due(Duration::ZERO), Some((1, vec![1])), "the latest");
        keeper.prepare(checkpoint(1), 2);
        assert_eq!(keeper.due(Duration::ZERO), None, "one is under way");
        assert_eq!(keeper.marked(), None);
        assert_eq!(keeper.marked(), Some(checkpoint(1)));
        assert_eq!(keeper.marked(), None);
        std::fs::remove_file(path).unwrap();
    }
}
