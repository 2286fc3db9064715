#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gaebar_tests::fuzz::key(data));
