//! What stored values weigh.

use serde::Serialize;

use super::draft::Local;
use crate::config::{Config, KmsBlock, KmsVersion, Provider};
use crate::resource::GroupResource;
use crate::transition::Inventory;

/// A format with the sizes that its overhead depends on, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sealing {
    /// Plain text.
    Identity,
    /// A local key with a name of so many bytes.
    Local(Local, usize),
    /// KMS v1.
    KmsV1 {
        /// Of the block.
        name: usize,
        /// What Encrypt answers for a DEK.
        encrypted_dek: usize,
    },
    /// KMS v2 in seed form, without annotations.
    KmsV2 {
        /// Of the block.
        name: usize,
        /// Of Status.
        key_id: usize,
        /// What Encrypt answers for a seed.
        encrypted_seed: usize,
    },
}

/// Bytes of a stored value whose plaintext has `plain` bytes.
#[must_use]
pub fn stored_len(sealing: Sealing, plain: usize) -> usize {
    match sealing {
        Sealing::Identity => plain,
        Sealing::Local(kind, name) => {
            let body = match kind {
                // An IV, and padding up to the next whole block.
                Local::Aescbc => 16 + plain + (16 - plain % 16),
                Local::Aesgcm => 12 + plain + 16,
                Local::Secretbox => 24 + 16 + plain,
            };
            kind.head().len() + name + 1 + body
        }
        Sealing::KmsV1 {
            name,
            encrypted_dek,
        } => KmsVersion::V1.prefix().len() + name + 1 + 2 + encrypted_dek + 12 + plain + 16,
        Sealing::KmsV2 {
            name,
            key_id,
            encrypted_seed,
        } => {
            // Info, nonce and tag of the seed form; then a protobuf message of three fields and the form.
            let data = 32 + 12 + plain + 16;
            let message = field(data) + field(key_id) + field(encrypted_seed) + 2;
            KmsVersion::V2.prefix().len() + name + 1 + message
        }
    }
}

/// A protobuf field of so many bytes: tag, length and content.
const fn field(content: usize) -> usize {
    let mut length = 1;
    let mut rest = content >> 7;
    while rest > 0 {
        length += 1;
        rest >>= 7;
    }
    1 + length + content
}

/// What the format after the change costs, for one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Growth {
    /// The rule.
    pub rule: String,
    /// What writes after the change.
    pub writer: String,
    /// Bytes that a value has more than its object, at least.
    pub least: usize,
    /// And at most.
    pub most: usize,
    /// Live objects that are rewritten; none when nobody counted.
    pub objects: Option<u64>,
    /// Bytes that all of them together gain or lose, on average; none when nobody counted.
    pub total: Option<i64>,
    /// What was taken for granted, if anything.
    pub assuming: Option<&'static str>,
}

/// Of KMS answers, where nobody measured: a key_id of a SHA-256 in hexadecimal, and a wrapped key as cloud KMSs give it.
const KEY_ID: usize = 64;
const WRAPPED: usize = 184;
const ASSUMING: &str = "a key_id of 64 bytes and a wrapped key of 184; they depend on the plugin";
/// An object for which lengths that depend on it are worked out.
const TYPICAL: usize = 1024;

fn sealing(provider: &Provider) -> (Sealing, Option<&'static str>) {
    let local = |kind, keys: &[crate::NamedKey]| {
        let name = keys.first().map_or(0, |key| key.name.len());
        (Sealing::Local(kind, name), None)
    };
    match provider {
        Provider::Identity => (Sealing::Identity, None),
        Provider::Aescbc(keys) => local(Local::Aescbc, keys),
        Provider::Aesgcm(keys) => local(Local::Aesgcm, keys),
        Provider::Secretbox(keys) => local(Local::Secretbox, keys),
        Provider::Kms(block) => (kms(block), Some(ASSUMING)),
    }
}

const fn kms(block: &KmsBlock) -> Sealing {
    match block.version {
        KmsVersion::V1 => Sealing::KmsV1 {
            name: block.name.len(),
            encrypted_dek: WRAPPED,
        },
        KmsVersion::V2 => Sealing::KmsV2 {
            name: block.name.len(),
            key_id: KEY_ID,
            encrypted_seed: WRAPPED,
        },
    }
}

/// The bytes that a stored value of a prefix has more than its object, for the average object.
fn average_overhead(prefix: &str) -> i64 {
    let total = match crate::transition::kind_of_prefix(prefix) {
        // Half a block of padding more than one byte.
        "aescbc" => 16 + 8,
        "aesgcm" => 28,
        "secretbox" => 40,
        "kms v1" => 2 + WRAPPED + 28,
        "kms v2" => field(TYPICAL + 60) - TYPICAL + field(KEY_ID) + field(WRAPPED) + 2,
        _ => 0,
    };
    i64::try_from(prefix.len() + total).unwrap_or(i64::MAX)
}

/// What every rule of a file costs.
pub(super) fn growth(
    after: &Config,
    rules: Option<&[GroupResource]>,
    stored: Option<&Inventory>,
) -> Vec<Growth> {
    let mut rows = Vec::new();
    for (rule, providers) in after.rules() {
        let Some(writer) = providers
            .first()
            .filter(|_| rules.is_none_or(|rules| rules.contains(rule)))
        else {
            continue;
        };
        let prefix = writer.prefixes().next().unwrap_or_default();
        let (sealing, assuming) = sealing(writer);
        let range = (TYPICAL..TYPICAL + 16).map(|plain| stored_len(sealing, plain) - plain);
        let target = average_overhead(&prefix);
        let mut objects = 0_u64;
        let mut total = 0_i64;
        for resource in stored.into_iter().flat_map(Inventory::resources) {
            if !taken_by(after, resource, rule) {
                continue;
            }
            for (from, count) in stored.into_iter().flat_map(|s| s.prefixes(resource)) {
                objects = objects.saturating_add(count.live);
                let each = target.saturating_sub(average_overhead(from));
                let live = i64::try_from(count.live).unwrap_or(i64::MAX);
                total = total.saturating_add(each.saturating_mul(live));
            }
        }
        rows.push(Growth {
            rule: rule.to_string(),
            writer: if prefix.is_empty() {
                "identity".to_owned()
            } else {
                prefix
            },
            least: range.clone().min().unwrap_or(0),
            most: range.max().unwrap_or(0),
            objects: stored.map(|_| objects),
            total: stored.map(|_| total),
            assuming,
        });
    }
    rows
}

fn taken_by(config: &Config, resource: &GroupResource, rule: &GroupResource) -> bool {
    config.matching(resource).rule.as_ref() == Some(rule)
}
