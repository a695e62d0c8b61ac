//! Test support: a seeded network in virtual time, and a lab of real namespaces.
