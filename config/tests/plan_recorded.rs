//! Every recorded configuration that loads, with every goal: files that load and mean what they should, whatever form
//! the first one has, and no key in what is shown.

use std::collections::BTreeSet;

use k8senc_config::plan::{Goal, PlanOptions, plan};
use k8senc_config::{Config, GroupResource, NamedKey, Provider};
use k8senc_vectors::configuration;

const GOALS: [&str; 8] = [
    "rotate-key",
    "change-provider=secretbox",
    "change-provider=aescbc",
    "kms-v2=k8senc-new,unix:///run/new.sock",
    "v1-to-v2=k8senc-new",
    "rename-key=key1=k8senc-new",
    "decrypt-all",
    "break-glass",
];

fn keys(config: &Config) -> impl Iterator<Item = &NamedKey> {
    let providers = config.entries().iter().flat_map(|e| &e.providers);
    providers.flat_map(|p| match p {
        Provider::Aescbc(keys) | Provider::Aesgcm(keys) | Provider::Secretbox(keys) => &keys[..],
        _ => &[],
    })
}

/// What each rule reads, by prefix and key.
fn readers(config: &Config) -> BTreeSet<(GroupResource, String, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for (rule, providers) in config.rules() {
        for provider in providers {
            let keys: &[NamedKey] = match provider {
                Provider::Aescbc(k) | Provider::Aesgcm(k) | Provider::Secretbox(k) => k,
                _ => &[],
            };
            for (i, prefix) in provider.prefixes().enumerate() {
                let bytes = keys.get(i).map_or(&[][..], NamedKey::secret).to_vec();
                found.insert((rule.clone(), prefix, bytes));
            }
        }
    }
    found
}

fn comments(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| line.starts_with('#')).collect()
}

#[test]
fn plans_of_every_recorded_file() {
    let (mut plans, mut files, mut kept) = (0, 0, 0);
    for case in configuration("config/") {
        let Ok(text) = std::str::from_utf8(&case.text) else {
            continue;
        };
        let Ok(config) = Config::parse(&case.text) else {
            continue;
        };
        // A large file takes long and shows nothing more.
        if text.len() > 20_000 {
            continue;
        }
        for goal in GOALS {
            let goal: Goal = goal.parse().unwrap();
            let mut next = 29_u8;
            let mut random = |buffer: &mut [u8]| {
                for byte in buffer {
                    next = next.wrapping_mul(5).wrapping_add(113);
                    *byte = next;
                }
            };
            let Ok(plan) = plan(text, &goal, &PlanOptions::default(), &mut random) else {
                continue;
            };
            plans += 1;
            let shown = serde_json::to_string(&plan).unwrap();
            let mut before = readers(&config);
            for step in &plan.steps {
                let Some(file) = step.file.as_ref().filter(|f| f.name.is_some()) else {
                    continue;
                };
                files += 1;
                let now = Config::parse(file.text.as_bytes()).unwrap();
                let after = readers(&now);
                match step.name {
                    "add-reader" => assert!(after.is_superset(&before), "{}", case.id),
                    "promote" => assert_eq!(after, before, "{}", case.id),
                    _ => assert!(after.is_subset(&before), "{}", case.id),
                }
                before = after;
                if file.layout_kept {
                    kept += 1;
                    let gone = comments(text)
                        .into_iter()
                        .find(|line| !file.text.contains(line));
                    assert!(
                        gone.is_none() || step.name == "remove",
                        "{}: {gone:?}",
                        case.id
                    );
                }
                for key in keys(&now) {
                    let hex: String = key.secret().iter().map(|b| format!("{b:02x}")).collect();
                    assert!(!shown.contains(&hex), "{}", case.id);
                }
                for word in file
                    .text
                    .split(|c: char| c.is_whitespace() || "\"'{},".contains(c))
                {
                    let secret = word.len() == 44 && word.ends_with('=');
                    assert!(!secret || !shown.contains(word), "{}: {word}", case.id);
                }
            }
        }
    }
    assert!(
        plans > 500 && files > 1_000 && kept * 10 > files * 9,
        "{plans} plans, {files} files, {kept} kept"
    );
}
