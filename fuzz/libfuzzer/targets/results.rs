//! See `portolan_fuzz::reports::results`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::reports::results(data));
