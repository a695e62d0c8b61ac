//! Asks open ports what answers there: bounded conversations over kernel sockets, and what the
//! answers tell.
//!
//! To read: [`target`], what is asked; [`identified`], what came of it.

#![forbid(unsafe_code)]

/// What came of it.
pub mod identified;
/// What is asked.
pub mod target;

pub use identified::Identified;
pub use target::Target;
