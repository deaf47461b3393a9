//! SHA-256 of files and keys.

use sha2::{Digest as _, Sha256};

/// SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// `sha256:` and lower-case hex, as the API server names the file it loaded.
pub(crate) fn content_hash(file: &[u8]) -> String {
    let hex: String = sha256(file).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}
