//! See `portolan_fuzz::frames::receive`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::frames::receive(data));
