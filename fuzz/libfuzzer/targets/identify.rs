//! See `portolan_fuzz::identify::octets`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::identify::octets(data));
