//! Which rule takes what, and the table of failure modes.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8senc_config::{Config, Moment, Outcome, Reason, Version};

const TEXT: &str = "
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets, cm]
  providers:
  - kms: {apiVersion: v2, name: cloud, endpoint: 'unix:///run/kms.sock'}
  - kms: {apiVersion: v1, name: old, endpoint: 'unix:///run/old.sock', cachesize: -1}
- resources: ['*.apps']
  providers:
  - secretbox: {keys: [{name: a, secret: pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=}]}
  - kms: {apiVersion: v2, name: late, endpoint: 'unix:///run/kms.sock'}
";

fn config() -> Config {
    Config::parse(TEXT.as_bytes()).unwrap()
}

#[test]
fn every_resource_of_a_release_has_its_reason() {
    let config = config();
    let found = |name: &str| {
        let row = config
            .coverage(Version::LATEST)
            .find(|c| c.resource.name() == name)
            .unwrap();
        (row.found.reason, row.encrypts())
    };
    assert_eq!(found("secrets"), (Reason::Exact, true));
    assert_eq!(found("deployments.apps"), (Reason::Group, true));
    assert_eq!(found("configmaps"), (Reason::Unmatched, false));
    assert!(
        config
            .coverage(Version::new(24))
            .any(|c| c.resource.kind == "PodSecurityPolicy")
    );
    assert!(
        !config
            .coverage(Version::LATEST)
            .any(|c| c.resource.kind == "PodSecurityPolicy")
    );
}

#[test]
fn names_that_reach_nothing_are_listed() {
    let unreached = config().unreached(Version::LATEST);
    assert_eq!(unreached.len(), 1, "{unreached:?}");
    let only = unreached.first().unwrap();
    assert_eq!(
        (only.entry, only.name.as_str(), only.meant.as_deref()),
        (0, "cm", Some("configmaps"))
    );
}

#[test]
fn a_down_kms_fails_what_its_version_makes_it_fail() {
    let modes = config().failure_modes();
    let row = |rule: &str, kms: &str, moment: Moment| {
        let mode = modes
            .iter()
            .find(|m| m.rule.to_string() == rule && m.kms == kms && m.moment == moment)
            .unwrap();
        (mode.writes, mode.known_reads, mode.other_reads)
    };
    use Outcome::{Fails, ForThreeMinutes, Works};
    assert_eq!(
        row("secrets", "cloud", Moment::OneMinute),
        (Works, Works, Fails)
    );
    assert_eq!(
        row("secrets", "cloud", Moment::FourMinutes),
        (Fails, Works, Fails)
    );
    assert_eq!(
        row("secrets", "cloud", Moment::Reload),
        (ForThreeMinutes, Works, Fails)
    );
    assert_eq!(
        row("secrets", "cloud", Moment::Restart),
        (Fails, Fails, Fails)
    );
    // Only read, and without a cache.
    assert_eq!(
        row("secrets", "old", Moment::OneMinute),
        (Works, Fails, Fails)
    );
    // Secretbox writes; the KMS behind it is only for old objects.
    assert_eq!(
        row("*.apps", "late", Moment::Restart),
        (Works, Fails, Fails)
    );
}
