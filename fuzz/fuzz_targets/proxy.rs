#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mprpc::fuzzing::proxy(data));
