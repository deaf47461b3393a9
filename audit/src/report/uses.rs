//! What keys and configurations are used for.

use serde::Serialize;

use super::{Dated, Example};

/// One of several configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConfigUse {
    /// As the caller named it.
    pub name: String,
    /// `sha256:` of the file, as in kube-apiserver's `apiserver_encryption_config_controller_last_config_info`.
    pub hash: String,
    /// Live values of Kubernetes objects that it opens.
    pub opens: u64,
    /// Those that wait for a KMS.
    pub waits: u64,
    /// Those that it does not open.
    pub refuses: u64,
}

/// Values that the same configurations open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OpenedBy {
    /// `secrets`, `deployments.apps`.
    pub resource: String,
    /// By the stored prefix.
    pub provider: &'static str,
    /// The key, as the first configuration or the value names it.
    pub key: Option<String>,
    /// The KMS v2 key_id.
    pub key_id: Option<String>,
    /// Names of the configurations that open them.
    pub opens: Vec<String>,
    /// Of those that wait for a KMS.
    pub waits: Vec<String>,
    /// Live values.
    pub live: u64,
    /// Superseded ones.
    pub history: u64,
    /// The newest of them.
    pub examples: Vec<Example>,
}

/// Whether a key may be taken out of the configuration, as far as this file tells. Other backups and other members may
/// hold values of it all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removable {
    /// No row holds a value of it.
    Yes,
    /// Only superseded values do: after the next compaction.
    AfterCompaction,
    /// Live values do.
    No,
    /// New values are written with it.
    Writes,
    /// Nobody could tell.
    #[default]
    Unknown,
}

impl Removable {
    /// The answer in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Yes => "yes, but keep it for older backups",
            Self::AfterCompaction => "after the next compaction",
            Self::No => "no, live values need it",
            Self::Writes => "no, it writes",
            Self::Unknown => "unknown",
        }
    }
}

/// One key of the configuration, and who holds values of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyUse {
    /// `aescbc`, `aesgcm`, `secretbox`, `kms-v1` or `kms-v2`.
    pub provider: &'static str,
    /// Its name, or the KMS provider's.
    pub key: String,
    /// The rules that have it.
    pub rules: Vec<String>,
    /// Whether it is the first key of the first provider of one of them.
    pub writes: bool,
    /// Live values, those included that carry its name and do not open.
    pub live: u64,
    /// Superseded ones.
    pub history: u64,
    /// Rows in free pages; `None` when nobody looked.
    pub residue: Option<u64>,
    /// Values that only the write-ahead log holds; `None` when none was given.
    pub log: Option<u64>,
    /// The oldest revision of a value of it; 0 without any.
    pub first_revision: i64,
    /// The newest one.
    pub last_revision: i64,
    /// When the first revision was written: inferred from objects created before and after.
    pub first_use: Option<Dated>,
    /// When the last revision was.
    pub last_use: Option<Dated>,
    /// Writes of the names of its live values since they were created: under this key at most so many.
    pub versions: u64,
    /// The answer.
    pub removable: Removable,
}
