#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::access_token::fuzzing::api_key(data));
