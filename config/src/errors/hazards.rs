//! What can go wrong from one configuration to the next, by code: K8D01 to K8D20.

/// One kind of hazard of a change.
#[derive(Debug)]
#[non_exhaustive]
pub struct HazardCode {
    /// Such as `K8D01`.
    pub code: &'static str,
    /// What it says.
    pub finds: &'static str,
    /// What follows from it.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

const fn hazard(
    code: &'static str,
    finds: &'static str,
    why: &'static str,
    fix: &'static str,
) -> HazardCode {
    HazardCode {
        code,
        finds,
        why,
        fix,
    }
}

/// All of them, by code.
pub const HAZARD_CODES: &[HazardCode] = &[
    hazard(
        "K8D01",
        "A key or KMS block that wrote is gone in the new file.",
        "What it wrote cannot be read; the cure is to bring the key back, or to delete the objects.",
        "Keep it as a later reader until every object is rewritten.",
    ),
    hazard(
        "K8D02",
        "Other bytes under a key name that stays.",
        "Reads fail as if the data were damaged, and nothing names the cause.",
        "Give the new bytes a new name, and keep the old key as a later reader.",
    ),
    hazard(
        "K8D03",
        "A key writes in the same file in which it first appears, with more than one API server.",
        "A server that still has the old file cannot read what the others write meanwhile.",
        "Add it as a later reader first, roll out to every server, and promote it in a second rollout.",
    ),
    hazard(
        "K8D04",
        "Another key or provider writes.",
        "This is a promotion: from then on every older object is stale until it is rewritten.",
        "Rewrite every object once all servers have the new file.",
    ),
    hazard(
        "K8D05",
        "A KMS block has another name.",
        "The name is part of every stored value; values with the old name match nothing.",
        "Keep the old block and add the new one beside it.",
    ),
    hazard(
        "K8D06",
        "A KMS block changed from v1 to v2 in place.",
        "v1 and v2 values begin differently; the v2 block does not read what v1 wrote.",
        "Keep the v1 block as a later reader, and add the v2 block as one of its own.",
    ),
    hazard(
        "K8D07",
        "A resource has no rule any more while encrypted objects of it are stored.",
        "Reads fail: identity transformer tried to read encrypted data.",
        "Keep the rule with identity first until every object is rewritten.",
    ),
    hazard(
        "K8D08",
        "A resource moved from a wildcard to an entry of its own, without the wildcard's readers.",
        "Only the most exact rule is used; what the wildcard's keys wrote cannot be read.",
        "List the readers of the wildcard's entry in the new entry as well.",
    ),
    hazard(
        "K8D09",
        "identity is gone while plain objects are stored.",
        "Reads of them fail: no matching prefix found.",
        "Rewrite every object first.",
    ),
    hazard(
        "K8D10",
        "identity became the first provider.",
        "New writes are plain text; older objects stay encrypted until they are rewritten.",
        "Keep identity last, unless encryption is to be switched off.",
    ),
    hazard(
        "K8D11",
        "The whole configuration goes.",
        "Nothing that is encrypted can be read.",
        "Put identity first, roll out, rewrite every object, and take the file away after that.",
    ),
    hazard(
        "K8D12",
        "The servers do not have the same file.",
        "Whether a read works depends on the server that is asked.",
        "Finish the rollout. The metric apiserver_encryption_config_controller_last_config_info tells each server's hash.",
    ),
    hazard(
        "K8D13",
        "A reader goes that snapshots of etcd may still need.",
        "Such a snapshot cannot be restored without it.",
        "Keep the key as long as the snapshots that need it.",
    ),
    hazard(
        "K8D14",
        "A KEK version was disabled that stored objects still name.",
        "The plugin refuses to decrypt them.",
        "Enable it again, rewrite, and check with k8senc audit that no value names it.",
    ),
    hazard(
        "K8D15",
        "The rewrite began sooner than three minutes after a KEK change, plus the plugin's own delay.",
        "Some servers still write with the old seed.",
        "Wait until every server's key_id metric shows the new hash, then rewrite.",
    ),
    hazard(
        "K8D16",
        "All objects are rewritten at once on a big cluster.",
        "The load is high, and conflicts end the command half way.",
        "Rewrite in batches, or with a StorageVersionMigration.",
    ),
    hazard(
        "K8D17",
        "With automatic reload the new file is refused while the server keeps running on the old one.",
        "Nothing is wrong until the next restart, which then fails.",
        "Check the file with k8senc validate --reload before it is put in place.",
    ),
    hazard(
        "K8D18",
        "With automatic reload the file is written in place.",
        "A half-written file can be read at the minute mark; it is refused, and the log is full of errors.",
        "Write a new file beside it and rename it into place.",
    ),
    hazard(
        "K8D19",
        "Automatic reload is switched on with KMS blocks that share a name.",
        "With reload names must be unique: the file that worked is refused.",
        "Keep automatic reload off until no object needs more than one of them.",
    ),
    hazard(
        "K8D20",
        "The settings of a KMS v2 block changed.",
        "It counts as a new plugin: a new seed and an empty cache, so the next reads call the KMS.",
        "Expect a burst of Decrypt calls.",
    ),
];
