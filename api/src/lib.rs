//! The daemon: schedule, HTTP, metrics.
