//! What is wrong with how a change is carried out, whatever the two files say.

use super::hazards::{Facts, Hazard};
use crate::config::Config;
use crate::lint::Severity;
use crate::verdict::Verdict;

/// Seconds after a change of the KEK in which a server may still write with the old seed: the plugin is asked once a
/// minute, and a seed is used until three minutes after the last good Status.
pub(crate) const SETTLING_SECONDS: u64 = 180;

/// Live objects from which a rewrite should not be one request after another from one list.
pub(crate) const MANY_OBJECTS: u64 = 5_000;

/// How the file is put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Written beside the old file and renamed.
    Renamed,
    /// Written into the old file.
    InPlace,
}

/// How objects are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteBy {
    /// A StorageVersionMigration.
    Migration,
    /// `kubectl get -A -o json | kubectl replace -f -` over everything.
    Kubectl,
    /// The same in parts, such as one namespace after the other.
    Parts,
}

/// K8D14, K8D15, K8D16 and K8D18.
pub(super) fn hazards(old: &Config, new: Option<&Config>, facts: &Facts, found: &mut Vec<Hazard>) {
    for key_id in &facts.disabled_key_ids {
        disabled(key_id, facts, found);
    }
    let kms = || {
        old.kms_blocks()
            .chain(new.into_iter().flat_map(Config::kms_blocks))
    };
    let need = SETTLING_SECONDS.saturating_add(facts.plugin_delay_seconds);
    if let Some(after) = facts.rewrite_after_seconds.filter(|after| *after < need)
        && kms().next().is_some()
    {
        found.push(Hazard::new(
            "K8D15",
            Severity::Warning,
            format!("the rewrite begins {after} s after the KEK changed, and until {need} s servers may write with the old seed"),
            "Wait for three minutes and the plugin's own delay after the last server reports the new key_id, and rewrite then.",
        ));
    }
    let live = facts.stored.as_ref().map_or(0, |stored| {
        let rewritten = stored.resources().filter(|r| {
            let found = new.unwrap_or(old).matching(r);
            found.rule.is_some()
        });
        rewritten.fold(0_u64, |sum, r| sum.saturating_add(stored.live(r)))
    });
    if facts.rewrite_by == Some(RewriteBy::Kubectl) && live >= MANY_OBJECTS {
        found.push(Hazard::new(
            "K8D16",
            Severity::Info,
            format!("{live} live objects are rewritten from one list: a load spike, and conflicts with other writers"),
            "Use a StorageVersionMigration, or go namespace by namespace and repeat what conflicted.",
        ));
    }
    if facts.reload && facts.replacement == Some(Replacement::InPlace) {
        found.push(Hazard::new(
            "K8D18",
            Severity::Warning,
            "the file is written in place while it is polled every minute: a half-written one may be read and refused"
                .to_owned(),
            "Write the new file beside the old one in the same directory and rename it.",
        ));
    }
}

fn disabled(key_id: &str, facts: &Facts, found: &mut Vec<Hazard>) {
    let Some(stored) = &facts.stored else {
        found.push(Hazard::new(
            "K8D14",
            Severity::Error,
            format!("key_id {key_id} is disabled, and whether a stored object names it was not counted"),
            "Audit a snapshot first: every object of that key_id is lost until its KEK is enabled again.",
        ));
        return;
    };
    for (block, count) in stored.under_key_id(key_id) {
        let (severity, what) = match (count.live, count.history) {
            (0, 0) => continue,
            (0, old) => (Severity::Warning, format!("{old} old versions")),
            (live, _) => (Severity::Error, format!("{live} live objects")),
        };
        found.push(Hazard::new(
            "K8D14",
            severity,
            format!("key_id {key_id} is disabled, and {what} of kms v2 block {block} name it"),
            "Rewrite every object under the new KEK and keep the old one as long as the snapshots that need it.",
        ));
    }
}

/// K8D17: a new file that kube-apiserver refuses. With automatic reload nothing happens, until a restart finds it.
#[must_use]
pub fn refused(verdict: &Verdict, reload: bool) -> Option<Hazard> {
    if verdict.ok {
        return None;
    }
    let why = verdict.problems.first().map_or("", |p| p.ours.as_str());
    let (message, advice) = if reload {
        (
            format!(
                "kube-apiserver refuses the new file and goes on with the old one, but the next restart fails: {why}"
            ),
            "Put the old file back or correct the new one before any server restarts.",
        )
    } else {
        (
            format!("kube-apiserver does not start with the new file: {why}"),
            "Correct the file; k8senc validate says where.",
        )
    };
    Some(Hazard::new("K8D17", Severity::Error, message, advice))
}
