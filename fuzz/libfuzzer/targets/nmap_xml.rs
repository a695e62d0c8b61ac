//! See `portolan_fuzz::reports::nmap_xml`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| portolan_fuzz::reports::nmap_xml(data));
