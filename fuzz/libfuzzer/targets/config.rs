//! See `portolan_fuzz::config::toml`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::config::toml(data));
