//! A thread that works until it is told to stop, or dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// A running thread, and what it makes in the end.
#[derive(Debug)]
pub struct Worker<T = ()> {
    stop: Stop,
    thread: Option<JoinHandle<T>>,
}

/// Says whether a worker is to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether it is; what was done before it was asked for can then be seen.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl<T: Send + 'static> Worker<T> {
    /// Starts `work`, which has to ask its [`Stop`] every few milliseconds; the thread is called
    /// `name`.
    ///
    /// # Errors
    /// When there can't be another thread.
    pub fn start(name: &str, work: impl FnOnce(&Stop) -> T + Send + 'static) -> io::Result<Self> {
        let stop = Stop::default();
        let asked = stop.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&asked))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Stops it; what it made.
    ///
    /// # Errors
    /// When it panicked.
    pub fn finish(mut self) -> io::Result<T> {
        let panicked = || io::Error::other("the worker panicked");
        self.join().ok_or_else(panicked)
    }
}

impl<T> Worker<T> {
    /// Stops it and waits for its end; nothing where it has ended before, or panicked.
    fn join(&mut self) -> Option<T> {
        self.stop.0.store(true, Ordering::Release);
        self.thread.take()?.join().ok()
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_ends_when_it_is_told_to_and_when_it_is_dropped() {
        let work = |stop: &Stop| {
            while !stop.is_asked() {
                thread::yield_now();
            }
            7
        };
        assert_eq!(Worker::start("worker", work).unwrap().finish().unwrap(), 7);
        drop(Worker::start("worker", work).unwrap());
        let broken: io::Result<Worker> = Worker::start("worker", |_| panic!("on purpose"));
        assert!(broken.unwrap().finish().is_err());
    }
}
