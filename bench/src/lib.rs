//! Benchmarks, and the harness that compares with peers.
