//! libFuzzer calls the target `http_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cedargate_fuzz::http_body(bytes));
