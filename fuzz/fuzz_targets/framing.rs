//! See `kv_fuzzing::framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kv_fuzzing::framing::run(data));
