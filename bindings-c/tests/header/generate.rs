//! The header out of the sources.
#![expect(
    clippy::panic,
    reason = "a header that cannot be made must fail its test"
)]

use std::path::{Path, PathBuf};

/// Where it is checked in.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include/k8senc.h")
}

/// What it has to be.
pub fn header() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = match cbindgen::Config::from_file(root.join("cbindgen.toml")) {
        Ok(config) => config,
        Err(why) => panic!("cbindgen.toml: {why}"),
    };
    let mut text = Vec::new();
    match cbindgen::generate_with_config(root, config) {
        Ok(bindings) => bindings.write(&mut text),
        Err(why) => panic!("cbindgen: {why}"),
    };
    text
}
