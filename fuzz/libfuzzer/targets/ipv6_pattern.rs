//! See `portolan_fuzz::specs::ipv6_patterns`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::specs::ipv6_patterns(data));
