//! See `portolan_fuzz::specs::targets`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::specs::targets(data));
