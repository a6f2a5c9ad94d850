#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| indelible_fuzz::manifest_trusted::run(data));
