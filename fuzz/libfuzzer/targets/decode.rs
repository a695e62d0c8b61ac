//! See `portolan_fuzz::identify::decode`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::identify::decode(data));
