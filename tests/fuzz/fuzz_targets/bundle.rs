//! libFuzzer calls the target `bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cedargate_fuzz::bundle(bytes));
