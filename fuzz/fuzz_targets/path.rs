//! See `kv_fuzzing::path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kv_fuzzing::path::run(data));
