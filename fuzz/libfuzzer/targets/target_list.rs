//! See `portolan_fuzz::specs::target_list`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::specs::target_list(data));
