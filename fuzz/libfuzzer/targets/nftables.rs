//! See `portolan_fuzz::kernel::nftables`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::kernel::nftables(data));
