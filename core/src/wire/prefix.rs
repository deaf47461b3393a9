//! What stored values start with.
//!
//! ```text
//! outer prefix | name | ':' | payload        identity: the plaintext itself
//! ```
//!
//! ASCII, case-sensitive, compared byte by byte. Key names may hold colons; KMS v2 provider names may not.

use alloc::vec::Vec;

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

/// A value's prefix, key or provider name and colon, with room for `body` bytes more: a value grows once, since growing would
/// leave plaintext behind in freed memory.
pub(crate) fn start(prefix: &[u8], name: &str, body: usize) -> Vec<u8> {
    let len = prefix.len().saturating_add(name.len());
    let mut out = Vec::with_capacity(len.saturating_add(1).saturating_add(body));
    out.extend_from_slice(prefix);
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    out
}
