//! libFuzzer calls the target `manifests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cedargate_fuzz::manifests(bytes));
