#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| k8senc_fuzz_bodies::run("pasted_value", data));
