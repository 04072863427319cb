//! See `kv_fuzzing::canonical`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kv_fuzzing::canonical::run(data));
