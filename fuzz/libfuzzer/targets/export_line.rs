//! See `portolan_fuzz::reports::export_line`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::reports::export_line(data));
