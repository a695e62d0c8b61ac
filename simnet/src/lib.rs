//! Test support: a seeded network in virtual time, and a lab of real namespaces.

#![expect(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the workspace is released as one: a new variant should break the matches it must reach"
)]

/// Real packets between network namespaces that a test makes for itself.
pub mod lab;
/// A network in virtual time.
pub mod network;
/// A child process that is bounded in time, and what it used.
pub mod process;
#[expect(unsafe_code, reason = "system calls; each block says why it is sound")]
mod sys;
