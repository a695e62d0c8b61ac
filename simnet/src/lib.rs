//! Test support: a seeded network in virtual time, and a lab of real namespaces.

/// Real packets between network namespaces that a test makes for itself.
pub mod lab;
#[expect(unsafe_code, reason = "system calls; each block says why it is sound")]
mod sys;
