//! The header in the tree is the one of the sources.

mod generate;

#[test]
fn header_is_current() {
    let checked_in = std::fs::read_to_string(generate::path()).unwrap_or_default();
    let generated = String::from_utf8_lossy(&generate::header()).into_owned();
    assert!(
        checked_in == generated,
        "include/k8senc.h differs: run `cargo run -p k8senc-c --example header`, look at the difference, commit it"
    );
    assert!(
        !generated.contains("_for_test"),
        "a test's function is exported"
    );
}
