//! What lies in no row of the tree: free pages and the write-ahead log.

use serde::Serialize;

use super::Example;

/// What free pages still hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Residue {
    /// Free pages of the file.
    pub pages: u64,
    /// Old rows of Kubernetes objects in them that no row of the tree repeats.
    pub rows: u64,
    /// Those in plaintext, of a resource that a rule encrypts, and Secrets.
    pub exposed: u64,
    /// Rows in free pages that are copies of rows still in the tree, or of each other.
    pub duplicates: u64,
    /// Free pages without a header in which a plaintext object begins: tails of long values.
    pub fragments: u64,
    /// Rows met after as many as are kept.
    pub beyond: u64,
    /// By resource, provider and key.
    pub groups: Vec<ResidueGroup>,
}

/// Old rows of one resource under one provider and key, in free pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResidueGroup {
    /// `secrets`, `deployments.apps`.
    pub resource: String,
    /// By the stored prefix.
    pub provider: &'static str,
    /// The key or KMS provider, as the value names it.
    pub key: Option<String>,
    /// Plaintext of a resource that a rule encrypts, or of Secrets.
    pub exposed: bool,
    /// How many.
    pub rows: u64,
    /// The newest of the exposed ones.
    pub examples: Vec<Example>,
}

/// What a member's write-ahead log holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogReport {
    /// Files read.
    pub files: u64,
    /// Raft entries.
    pub entries: u64,
    /// Values in requests, those compared with included.
    pub values: u64,
    /// Times a value lies there in plaintext, of a resource that a rule encrypts, and Secrets.
    pub exposed: u64,
    /// Distinct values of Kubernetes objects that no row holds.
    pub only: u64,
    /// Values that were put and are not in the rows yet: the member was not stopped cleanly.
    pub pending: u64,
    /// Records whose checksum does not hold.
    pub unsound: u64,
    /// Whether a file ends inside a record, as the newest one of a killed member may.
    pub torn: bool,
    /// Values met after as many as are kept.
    pub beyond: u64,
    /// By resource, provider and key.
    pub groups: Vec<LogGroup>,
}

/// Values of one resource under one provider and key, in the write-ahead log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogGroup {
    /// `secrets`, `deployments.apps`.
    pub resource: String,
    /// By the stored prefix.
    pub provider: &'static str,
    /// The key or KMS provider, as the value names it.
    pub key: Option<String>,
    /// Plaintext of a resource that a rule encrypts, or of Secrets.
    pub exposed: bool,
    /// How many times such a value was written.
    pub values: u64,
    /// Distinct ones that no row holds.
    pub only: u64,
    /// The newest exposed ones that no row holds, by raft index.
    pub examples: Vec<Example>,
}
