//! See `portolan_fuzz::reports::expected_toml`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::reports::expected_toml(data));
