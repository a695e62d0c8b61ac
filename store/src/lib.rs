//! Durable memory: scans, current state, expected state, differences.
