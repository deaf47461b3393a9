//! May a key be removed? By who still holds values of it, each class apart.

use std::collections::BTreeMap;

use k8senc_config::{Config, Provider};

use crate::escape::shown;
use crate::report::{Group, KeyUse, LogReport, Removable, Residue};
use crate::timeline::Dates;

/// One line for each key and KMS provider of the configuration, in the order of the file.
pub(crate) fn keys(
    config: Option<&Config>,
    groups: &[Group],
    residue: Option<&Residue>,
    log: Option<&LogReport>,
    dates: &Dates,
    history_seen: bool,
) -> Vec<KeyUse> {
    let mut keys: Vec<KeyUse> = Vec::new();
    let mut index: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    for (rule, providers) in config.iter().flat_map(|c| c.rules()) {
        for (at, provider) in providers.iter().enumerate() {
            let (kind, names): (&'static str, Vec<&str>) = match provider {
                Provider::Identity => continue,
                Provider::Aescbc(keys) => {
                    ("aescbc", keys.iter().map(|k| k.name.as_str()).collect())
                }
                Provider::Aesgcm(keys) => {
                    ("aesgcm", keys.iter().map(|k| k.name.as_str()).collect())
                }
                Provider::Secretbox(keys) => {
                    ("secretbox", keys.iter().map(|k| k.name.as_str()).collect())
                }
                Provider::Kms(block) => match block.version {
                    k8senc_config::KmsVersion::V1 => ("kms-v1", vec![block.name.as_str()]),
                    k8senc_config::KmsVersion::V2 => ("kms-v2", vec![block.name.as_str()]),
                },
                _ => continue,
            };
            for (nth, name) in names.into_iter().enumerate() {
                let name = shown(name.as_bytes());
                let place = *index.entry((kind, name.clone())).or_insert_with(|| {
                    keys.push(KeyUse {
                        provider: kind,
                        key: name,
                        ..KeyUse::default()
                    });
                    keys.len() - 1
                });
                if let Some(key) = keys.get_mut(place) {
                    key.writes |= at == 0 && nth == 0;
                    key.rules.push(shown(rule.to_string().as_bytes()));
                    key.rules.dedup();
                }
            }
        }
    }
    for group in groups {
        let Some(place) = group
            .key
            .clone()
            .and_then(|name| index.get(&(group.provider, name)))
        else {
            continue;
        };
        let Some(key) = keys.get_mut(*place) else {
            continue;
        };
        key.live += group.counts.live;
        key.history += group.counts.history;
        key.versions += group.versions;
        let first = [key.first_revision, group.first_revision]
            .into_iter()
            .filter(|r| *r > 0)
            .min();
        key.first_revision = first.unwrap_or_default();
        key.last_revision = key.last_revision.max(group.last_revision);
    }
    for group in residue.iter().flat_map(|r| &r.groups) {
        if let Some(key) = group
            .key
            .clone()
            .and_then(|name| index.get(&(group.provider, name)))
            .and_then(|at| keys.get_mut(*at))
        {
            key.residue = Some(key.residue.unwrap_or_default() + group.rows);
        }
    }
    for group in log.iter().flat_map(|l| &l.groups) {
        if let Some(key) = group
            .key
            .clone()
            .and_then(|name| index.get(&(group.provider, name)))
            .and_then(|at| keys.get_mut(*at))
        {
            key.log = Some(key.log.unwrap_or_default() + group.only);
        }
    }
    for key in &mut keys {
        key.first_use = dates.of(key.first_revision);
        key.last_use = dates.of(key.last_revision);
        if log.is_some() {
            key.log.get_or_insert(0);
        }
        if residue.is_some() {
            key.residue.get_or_insert(0);
        }
        key.removable = match (key.writes, key.live, key.history) {
            (true, ..) => Removable::Writes,
            (_, 1.., _) => Removable::No,
            (_, 0, 1..) => Removable::AfterCompaction,
            (_, 0, 0) if !history_seen => Removable::AfterCompaction,
            (_, 0, 0) => Removable::Yes,
        };
    }
    keys
}
