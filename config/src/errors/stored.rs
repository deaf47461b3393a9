//! Texts about stored values.

use super::{ErrorAdvice, advice};

pub(super) const TEXTS: &[ErrorAdvice] = &[
    advice(
        "invalid padding on input",
        "An aescbc value was decrypted with another key than it was written with (same key name, other bytes), or it was damaged.",
        "Compare the key's bytes on all API servers and with the file that was in force when the object was written.",
        "Put the old bytes back under the old name and give the new bytes a new name. Without the old key the object is lost and has to be deleted from etcd.",
    ),
    advice(
        "invalid PKCS7 data (empty or not padded)",
        "An aescbc value whose last byte cannot be padding: another key than it was written with, or a damaged value.",
        "Compare the key's bytes on all API servers and with the file that was in force when the object was written.",
        "Put the old bytes back under the old name and give the new bytes a new name.",
    ),
    advice(
        "the stored data was shorter than the required size",
        "A value with an encryption prefix has less behind it than an IV or a nonce: it was cut off or written by something else than an API server.",
        "Read the raw value with etcdctl get and look at its length.",
        "Restore the key from a snapshot, or delete it.",
    ),
    advice(
        "the stored data is not a multiple of the block size",
        "An aescbc value of a length that no encryption gives: it was cut off or changed.",
        "Read the raw value with etcdctl get and look at its length.",
        "Restore the key from a snapshot, or delete it.",
    ),
    advice(
        "cipher: message authentication failed",
        "An AES-GCM value that does not belong to this key, to this etcd key or to this DEK: other key bytes under the same name, a value copied to another name, or damage.",
        "Compare key bytes on all API servers. Check whether the etcd key was renamed or copied: the name is authenticated.",
        "Put the old bytes back under the old name. A copied value can only be read under its old name.",
    ),
    advice(
        "output array was not large enough for encryption",
        "A secretbox value that does not belong to this key, or is damaged. The text is misleading: authentication failed.",
        "Compare key bytes on all API servers.",
        "Put the old bytes back under the old name and give the new bytes a new name.",
    ),
    advice(
        "identity transformer tried to read encrypted data",
        "An encrypted value of a resource for which only identity is left: its rule was removed, or no provider of the rule matches.",
        "Look at the value's prefix (k8s:enc:...) and which rule the resource has now.",
        "Put the provider and key of that prefix back as a later reader, rewrite the objects, then remove it.",
    ),
    advice(
        "no matching prefix found",
        "No provider of the rule matches the stored prefix: a provider or KMS name was removed or renamed, or the value is plain text and identity is missing.",
        "Look at the value's prefix: k8s:enc:<provider>:v1:<name>:, or none for plain text.",
        "Put the provider with that name back as a later reader, or identity at the end for plain text; then rewrite the objects.",
    ),
    advice(
        "no matching key was found for the provided AES transformer",
        "The provider is there but no key has the name in the stored prefix: a key was removed or renamed too early.",
        "Read the key name from the prefix: k8s:enc:aescbc:v1:<name>:.",
        "Put the key with that name and its old bytes back behind the first one, rewrite the objects, then remove it.",
    ),
    advice(
        "no matching key was found for the provided Secretbox transformer",
        "The provider is there but no key has the name in the stored prefix: a key was removed or renamed too early.",
        "Read the key name from the prefix: k8s:enc:secretbox:v1:<name>:.",
        "Put the key with that name and its old bytes back behind the first one, rewrite the objects, then remove it.",
    ),
    advice(
        "invalid data encountered by envelope transformer",
        "A KMS v1 value without its wrapped DEK: it was cut off or written by something else.",
        "Read the raw value with etcdctl get.",
        "Restore the key from a snapshot, or delete it.",
    ),
    advice(
        "crypto/aes: invalid key size …",
        "The plugin returned a DEK that is not 16, 24 or 32 bytes.",
        "Look at the plugin's log for this request.",
        "Repair the plugin: Decrypt must return exactly what was given to Encrypt.",
    ),
    advice(
        "invalid seed length … used for key generation",
        "The plugin returned something else than the 32-byte seed that was wrapped.",
        "Look at the plugin's log for this request.",
        "Repair the plugin: Decrypt must return exactly what was given to Encrypt.",
    ),
    advice(
        "unknown encryptedDEKSourceType: …",
        "A KMS v2 value of a form this release does not know, or a damaged one.",
        "Compare the releases of all API servers that write to this etcd.",
        "Read it with a release that knows the form.",
    ),
    advice(
        "failed to validate encrypted DEK source: …",
        "A KMS v2 value, or a plugin's answer, with a wrapped seed that is empty or over 1024 bytes.",
        "Look at the size of the plugin's ciphertexts.",
        "Repair the plugin: ciphertexts have 1 to 1024 bytes.",
    ),
    advice(
        "failed to validate key id: …",
        "A KMS v2 value, or a plugin's answer, with an empty key_id or one over 1024 bytes.",
        "Look at what Status and Encrypt return.",
        "Repair the plugin: key_id has 1 to 1024 bytes.",
    ),
    advice(
        "failed to validate annotations: …",
        "A KMS v2 value, or a plugin's answer, with annotations whose keys are not lower-case domain names of two labels or more, or with more than 32 KiB.",
        "Look at what Encrypt returns.",
        "Repair the plugin.",
    ),
    advice(
        "encrypted data is empty",
        "A KMS v2 value without its ciphertext: damaged or written by something else.",
        "Read the raw value with etcdctl get.",
        "Restore the key from a snapshot, or delete it.",
    ),
    advice(
        "string field contains invalid UTF-8",
        "A KMS v2 value whose key_id or annotation is no text: damaged or written by something else.",
        "Read the raw value with etcdctl get.",
        "Restore the key from a snapshot, or delete it.",
    ),
    advice(
        "cannot parse invalid wire-format data",
        "A KMS v2 value that is no protobuf: cut off, damaged or written by something else.",
        "Read the raw value with etcdctl get.",
        "Restore the key from a snapshot, or delete it.",
    ),
    advice(
        "index out of range [-1]",
        "An aescbc value that holds an IV and nothing else. kube-apiserver crashes on it.",
        "Read the raw value with etcdctl get.",
        "Restore the key from a snapshot, or delete it.",
    ),
];
