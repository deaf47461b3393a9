//! What each fuzz target does with its bytes, in one place: `fuzz/fuzz_targets` calls it under libFuzzer, and an ordinary
//! test replays seeds and past findings through it.
//!
//! A body must come back for every input, without a panic, a hang or memory out of proportion; most also check that two
//! ways to the same answer agree.

mod configs;
mod etcd;
mod objects;
mod pastes;
mod plugins;
mod values;

/// One fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the target and of its folder of regressions.
    pub name: &'static str,
    /// What it does.
    pub body: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target. `fuzz/fuzz_targets` has one file for each.
pub const TARGETS: &[Target] = &[
    Target {
        name: "stored_value",
        body: values::stored_value,
        seeds: values::stored_seeds,
    },
    Target {
        name: "kmsv2_message",
        body: values::kmsv2_message,
        seeds: values::message_seeds,
    },
    Target {
        name: "keyset_record",
        body: plugins::keyset_record,
        seeds: plugins::keyset_seeds,
    },
    Target {
        name: "plugin_ciphertext",
        body: plugins::plugin_ciphertext,
        seeds: plugins::ciphertext_seeds,
    },
    Target {
        name: "config_load",
        body: configs::load,
        seeds: configs::seeds,
    },
    Target {
        name: "config_lint",
        body: configs::lint_and_fix,
        seeds: configs::seeds,
    },
    Target {
        name: "error_text",
        body: configs::error_text,
        seeds: configs::error_seeds,
    },
    Target {
        name: "k8s_object",
        body: objects::object,
        seeds: objects::seeds,
    },
    Target {
        name: "pasted_value",
        body: pastes::pasted_value,
        seeds: pastes::seeds,
    },
    Target {
        name: "etcd_key",
        body: objects::etcd_key,
        seeds: objects::key_seeds,
    },
    Target {
        name: "etcd_snapshot",
        body: etcd::snapshot,
        seeds: etcd::snapshot_seeds,
    },
    Target {
        name: "etcd_rows",
        body: etcd::rows,
        seeds: etcd::row_seeds,
    },
    Target {
        name: "etcd_wal",
        body: etcd::wal,
        seeds: etcd::wal_seeds,
    },
    Target {
        name: "audit_snapshot",
        body: etcd::audit_snapshot,
        seeds: etcd::snapshot_seeds,
    },
];

/// Runs one target by name; an unknown name does nothing.
pub fn run(name: &str, data: &[u8]) {
    if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
        (target.body)(data);
    }
}
