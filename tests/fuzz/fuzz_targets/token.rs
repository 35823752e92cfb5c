//! libFuzzer calls the target `token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cedargate_fuzz::token(bytes));
