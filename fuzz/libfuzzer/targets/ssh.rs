//! See `portolan_fuzz::ssh::octets`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::ssh::octets(data));
