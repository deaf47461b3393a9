//! Files of this folder that a test makes and compares.

use std::path::Path;

/// Compares what is recorded under this name, or records it when `K8SENC_RECORD` is set.
pub fn compare(name: &str, found: &[serde_json::Value]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recorded")
        .join(name);
    if std::env::var_os("K8SENC_RECORD").is_some() {
        let text = format!("{:#}\n", serde_json::Value::from(found.to_vec()));
        assert!(std::fs::write(&file, text).is_ok(), "{}", file.display());
    }
    let recorded = std::fs::read(&file).unwrap_or_default();
    let recorded: Vec<serde_json::Value> = serde_json::from_slice(&recorded).unwrap_or_default();
    assert!(
        recorded == found,
        "{} is not what the test makes: run it with K8SENC_RECORD=1",
        file.display()
    );
}
