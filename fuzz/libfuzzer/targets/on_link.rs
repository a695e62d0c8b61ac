//! See `portolan_fuzz::frames::on_link`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::frames::on_link(data));
