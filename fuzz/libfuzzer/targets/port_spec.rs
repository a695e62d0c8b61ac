//! See `portolan_fuzz::specs::ports`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::specs::ports(data));
