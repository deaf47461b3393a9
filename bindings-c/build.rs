//! Gives the shared library its name: the ABI's number is part of it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/version.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let abi = include_str!("src/version.rs")
        .lines()
        .find_map(|line| line.strip_prefix("pub const K8SENC_ABI_VERSION: u32 = "))
        .map(|rest| rest.trim_end_matches(';'));
    if let (true, Some(abi)) = (os == "linux", abi) {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libk8senc.so.{abi}");
    }
}
