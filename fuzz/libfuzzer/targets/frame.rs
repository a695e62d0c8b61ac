//! See `portolan_fuzz::frames::parse_any`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::frames::parse_any(data));
