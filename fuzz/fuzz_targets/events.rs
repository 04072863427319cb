//! See `kv_fuzzing::events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kv_fuzzing::events::run(data));
