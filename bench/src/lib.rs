//! Benchmarks, and the harness that compares with peers.

#![forbid(unsafe_code)]
