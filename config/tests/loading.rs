//! Every recorded configuration that loads: its chains, health checks, grace period and hash.

use std::collections::BTreeMap;

use k8senc_config::{Config, GroupResource, Options, Provider, Reason};
use k8senc_vectors::{ConfigExpect, configuration};

#[test]
fn what_loads_is_what_upstream_loads() {
    let mut ran = 0;
    for case in configuration("config/") {
        let ConfigExpect::Loads {
            chains,
            health_checks,
            grace_period,
            content_hash,
        } = &case.expect
        else {
            continue;
        };
        ran += 1;
        let mut options = Options::default();
        options.reload = case.reload;
        options.kmsv1 = Some(case.kmsv1);
        let config = Config::parse_as(&case.text, &options).unwrap();
        let ours: BTreeMap<String, Vec<String>> = config
            .rules()
            .map(|(rule, providers)| {
                (
                    rule.to_string(),
                    providers.iter().flat_map(|p| p.prefixes()).collect(),
                )
            })
            .collect();
        assert_eq!(&ours, chains, "{}/{}: {}", case.suite, case.id, case.why);
        assert_eq!(
            &config.health_checks(case.reload),
            health_checks,
            "{}/{}",
            case.suite,
            case.id
        );
        assert_eq!(
            &config.grace_period(),
            grace_period,
            "{}/{}",
            case.suite,
            case.id
        );
        assert_eq!(
            config.content_hash(),
            content_hash,
            "{}/{}",
            case.suite,
            case.id
        );
    }
    assert!(ran > 300, "only {ran} of the recorded configurations load");
}

const RULES: &str = "
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets, deployments.apps]
  providers:
  - aescbc: {keys: [{name: a, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}
- resources: ['*.apps', secrets]
  providers:
  - secretbox: {keys: [{name: b, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}
- resources: ['*.*']
  providers:
  - identity: {}
";

#[test]
fn the_exact_rule_wins_then_the_group_then_all() {
    let config = Config::parse(RULES.as_bytes()).unwrap();
    let kinds = |name: &str| {
        let found = config.matching(&GroupResource::parse(name));
        (
            found.reason,
            found.providers.iter().map(|p| p.kind()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        kinds("secrets"),
        (Reason::Exact, vec!["aescbc", "secretbox"])
    );
    assert_eq!(kinds("deployments.apps"), (Reason::Exact, vec!["aescbc"]));
    assert_eq!(kinds("daemonsets.apps"), (Reason::Group, vec!["secretbox"]));
    assert_eq!(kinds("pods"), (Reason::All, vec!["identity"]));
}

#[test]
fn a_resource_that_no_rule_takes_has_no_providers() {
    let text = RULES.replace("'*.*'", "events");
    let config = Config::parse(text.as_bytes()).unwrap();
    let found = config.matching(&GroupResource::parse("pods"));
    assert_eq!(found.reason, Reason::Unmatched);
    assert!(found.providers.is_empty() && found.rule.is_none());
}

#[test]
fn keys_are_not_printed() {
    let config = Config::parse(RULES.as_bytes()).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("NamedKey(a, 32 bytes, redacted)"), "{shown}");
    assert!(
        !shown.contains("AAEC") && !shown.contains("[0, 1, 2"),
        "{shown}"
    );
    let keys = config
        .entries()
        .iter()
        .flat_map(|e| &e.providers)
        .find_map(|p| match p {
            Provider::Aescbc(keys) => Some(keys),
            _ => None,
        });
    assert_eq!(keys.unwrap()[0].secret(), (0..32).collect::<Vec<u8>>());
}
