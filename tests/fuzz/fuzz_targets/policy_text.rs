//! libFuzzer calls the target `policy_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cedargate_fuzz::policy_text(bytes));
