//! What stored values start with.
//!
//! ```text
//! outer prefix | name | ':' | payload        identity: the plaintext itself
//! ```
//!
//! ASCII, case-sensitive, compared byte by byte. Key names may hold colons; KMS v2 provider names may not.

use crate::secret::Filling;

/// Every encrypted value starts with it; identity refuses to read what does.
pub const RESERVED: &[u8] = b"k8s:enc:";
/// aescbc values; a key name and a colon follow.
pub const AESCBC: &[u8] = b"k8s:enc:aescbc:v1:";
/// aesgcm values; a key name and a colon follow.
pub const AESGCM: &[u8] = b"k8s:enc:aesgcm:v1:";
/// secretbox values; a key name and a colon follow.
pub const SECRETBOX: &[u8] = b"k8s:enc:secretbox:v1:";
/// KMS v1 values; a provider name and a colon follow.
pub const KMSV1: &[u8] = b"k8s:enc:kms:v1:";
/// KMS v2 values; a provider name and a colon follow.
pub const KMSV2: &[u8] = b"k8s:enc:kms:v2:";

/// What follows `name:` in `bytes`, if that is how they start.
pub fn strip_name<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    bytes.strip_prefix(name.as_bytes())?.strip_prefix(b":")
}

/// A value's prefix, key or provider name and colon.
pub(crate) fn start(prefix: &[u8], name: &str, out: &mut Filling<'_>) {
    out.put(prefix);
    out.put(name.as_bytes());
    out.put(b":");
}
