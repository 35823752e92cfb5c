//! libFuzzer calls the target `claims`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cedargate_fuzz::claims(bytes));
