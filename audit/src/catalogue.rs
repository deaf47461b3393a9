//! Every kind of finding: its code, what it is about, how much it matters, what to do.

use crate::report::{Class, Finding, Severity};

/// A kind of finding. `tests/kinds.rs` holds for each a file that shows it and one that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FindingKind {
    /// Stable; never reworded.
    pub code: &'static str,
    /// Where its values are. A finding of unreadable values may be about history alone.
    pub class: Class,
    /// How much it matters, unless a finding's own count says otherwise.
    pub severity: Severity,
    /// What to do.
    pub advice: &'static str,
}

/// Kinds that state how it is, and are there when all is well: no exit code comes of them.
pub(crate) const STATEMENTS: [&str; 2] = [PRESET.code, KEY_IDS.code];

macro_rules! kinds {
    ($($name:ident: $code:literal, $class:ident, $severity:ident, $advice:literal;)*) => {
        $(
            pub(crate) const $name: FindingKind = FindingKind {
                code: $code,
                class: Class::$class,
                severity: Severity::$severity,
                advice: $advice,
            };
        )*

        /// All kinds of finding that an audit can make.
        pub const FINDING_KINDS: &[FindingKind] = &[$($name),*];
    };
}

kinds! {
    OTHER_PREFIX: "bound-to-other-prefix", Current, Error,
        "start the API server with the --etcd-prefix under which these values were written: they are bound to their etcd keys and open under no other";
    EXPOSED: "exposed-plaintext", Current, Error,
        "rewrite these objects through the API server once encryption is on, then treat every older copy of this file as disclosed";
    ENCODED_OTHERWISE: "key-encoded-otherwise", Current, Error,
        "put the key into the configuration as it was when the values were written, under the same name, then rotate to a key of 32 random bytes";
    MOVED: "moved", Current, Error,
        "compare with an older backup: the value was written for another object, which this provider cannot notice";
    UNKNOWN_FORMAT: "unknown-format", Current, Error,
        "find out who wrote them: the values begin as encrypted ones do, by a provider that no release of Kubernetes has";
    UNREADABLE: "unreadable", Current, Error,
        "find the key that wrote them before anything is rewritten; a value that no key opens blocks lists of its resource";
    WRONG_NAME: "wrong-key-name", Current, Error,
        "add the same secret under the name that the values carry; key names are part of what is stored and cannot be changed afterwards";
    REQUIRED: "required-provider", Current, Error,
        "make the required provider the first one of the resource's rule, and rewrite its objects through the API server";
    CONFIGURATIONS_DIFFER: "configurations-differ", Current, Warning,
        "an API server with a configuration that is not named here fails to read these objects, and lists of their resource with them: give every server the keys that are missing";
    KEY_AGE: "key-age", Current, Warning,
        "rotate this key, rewrite its objects, and take it out of the configuration";
    KEY_NEWLINE: "key-with-newline", Current, Warning,
        "leave the secret as it is, line feed included, until every value is written under a new key of 32 random bytes: without it no value of this key opens, and a key that was typed is guessed sooner than a random one";
    KMSV1_CACHE: "kmsv1-cache-small", Current, Warning,
        "set cachesize above the number of live DEKs, or move to KMS v2: each list of the resource asks the KMS again for what does not fit";
    STALE: "stale", Current, Warning,
        "rewrite these objects before a key or provider is taken out of the configuration";
    STALENESS_UNKNOWN: "staleness-unknown", Current, Warning,
        "say which key_id the plugin's Status reports now";
    UNDECIDED: "undecided", Current, Warning,
        "give the KMS plugin, or a higher limit of KMS calls, to decide these values";
    WRITE_BUDGET: "write-budget", Current, Warning,
        "rotate this key: Kubernetes asks for a new one every 200,000 writes, since random nonces of 12 bytes begin to repeat; or move to KMS v2, which derives a key for each value";
    DEK_FRAGMENTATION: "dek-fragmentation", Current, Info,
        "rewrite the objects: each start of an API server left a seed of its own, and a cold start asks the KMS for every one before its first list is answered";
    KEY_IDS: "key-ids", Current, Info,
        "compare the hashes with apiserver_envelope_encryption_key_id_hash_total of every API server; an unchanged key_id is no proof of unchanged key material: a plugin names its key as it likes, and only a value that opens proves the key";
    NONCE_REUSE: "nonce-reuse", History, Error,
        "treat the values and this key as disclosed: two values under one nonce give away their difference and let others be forged; rotate the key and rewrite, and look at how the machine draws random numbers";
    HISTORY_PLAINTEXT: "history-plaintext", History, Warning,
        "compact and defragment etcd; every copy of this file still holds these values in the clear";
    REPEATED: "repeated-ciphertext", History, Warning,
        "find out who wrote them: kube-apiserver draws a new nonce for each write and never stores one ciphertext twice, so an older value was put back, or put under another name, by other means";
    HISTORY_UNREADABLE: "history-unreadable", History, Info,
        "nothing reads superseded values; they go with the next compaction";
    LOG_PLAINTEXT: "log-plaintext", Residue, Warning,
        "rewrite all objects, then let the log turn over: etcd deletes a file when enough snapshots of its own lie behind it; until then whoever reads the data directory of this member reads these values";
    RESIDUE_PLAINTEXT: "residue-plaintext", Residue, Warning,
        "rewrite all objects, compact, defragment every member (its free pages differ from the others'), take a new snapshot and audit that; wait until the write-ahead log has turned over, and destroy older backups";
    RESIDUE_FRAGMENT: "residue-fragment", Residue, Info,
        "defragment every member; what begins here may also be a copy of a value that is still in a row";
    DAMAGED: "damaged-row", File, Error,
        "take another copy: rows of this one cannot be parsed";
    MISMATCH: "trailer-mismatch", File, Error,
        "take another copy: this one is not what was written, and etcd refuses to restore it";
    FOLDED: "groups-folded", File, Warning,
        "look at who wrote this file: no cluster has so many keys";
    LOG_DAMAGED: "log-damaged", File, Warning,
        "compare with the log of another member: records whose checksum does not hold were changed after etcd wrote them, or a file of the log is missing between two others";
    LOG_PENDING: "log-pending", File, Warning,
        "start etcd on this folder once more and stop it cleanly, or audit a snapshot by etcdctl: the cluster's state is newer than what the counts here say";
    ABSENT: "required-resource-absent", File, Warning,
        "check the name of the resource: an EncryptionConfiguration's, such as secrets or deployments.apps";
    SLACK: "page-slack", File, Warning,
        "take another copy and compare: etcd leaves zeros there, so the pages were damaged or written by something else";
    PRESET: "policy-preset", File, Info,
        "stored values do not show the rest: whether every API server runs with --encryption-provider-config, which further resources you want encrypted (add --require RESOURCE=cis), who can read the keys; old revisions, free pages and backups have findings of their own";
    FOREIGN_OBJECTS: "foreign-objects", File, Warning,
        "audit once more with the --etcd-prefix of that API server: it writes to this etcd, or did, and nothing here is about its values";
    FOREIGN: "foreign-keys", File, Info,
        "if the API server runs with another etcd prefix, give it; otherwise something else uses this etcd";
    KEY_UNUSED: "key-removable", File, Info,
        "it may leave the configuration once every member and every API server agrees; keep it as long as backups are kept that need it";
    NO_TRAILER: "no-trailer", File, Info,
        "a copy of a member's db file cannot be checked for damage; a snapshot by etcdctl can";
    WARNING: "store-warning", File, Info,
        "the reader went on; etcd's own tools may not";
}

/// What cleans kine's table and its SQLite file, which have no members to defragment and keep each value once more.
const KINE: [(&str, &str); 3] = [
    (
        HISTORY_PLAINTEXT.code,
        "let kine compact (it does so every five minutes), then restart k3s twice: a start makes the file anew, and the checkpoint of the next one puts that in place; every copy of this file still holds these values in the clear",
    ),
    (
        RESIDUE_PLAINTEXT.code,
        "rewrite all objects twice, as kine keeps the value before each one beside it; let kine compact (it does so every five minutes), restart k3s twice so that the file is made anew, audit again, and destroy older backups; in another database than SQLite the table is to be made anew by that database's means",
    ),
    (
        RESIDUE_FRAGMENT.code,
        "restart k3s twice: a start makes the file anew, and the checkpoint of the next one puts that in place; what begins here may also be a copy of a value that is still in a row",
    ),
];

/// Puts in the advice that fits the source, where etcd's would help nobody.
pub(crate) fn advise(source: &str, findings: &mut [Finding]) {
    if source != "kine" {
        return;
    }
    for finding in findings {
        if let Some((_, advice)) = KINE.iter().find(|(code, _)| *code == finding.code) {
            finding.advice = advice;
        }
    }
}
