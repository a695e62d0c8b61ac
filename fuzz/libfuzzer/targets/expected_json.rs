//! See `portolan_fuzz::reports::expected_json`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::reports::expected_json(data));
