//! See `kv_fuzzing::log`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kv_fuzzing::log::run(data));
