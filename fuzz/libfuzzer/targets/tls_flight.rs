//! See `portolan_fuzz::tls::flight`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::tls::flight(data));
