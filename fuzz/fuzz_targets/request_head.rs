#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::server::fuzzing::request_head(data));
