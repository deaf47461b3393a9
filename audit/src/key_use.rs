//! May a key be removed? By who still holds values of it, each class apart.

use std::collections::BTreeMap;

use k8senc_config::{Config, Provider};

use crate::escape::shown;
use crate::report::{Group, KeyUse, LogReport, Removable, Residue};
use crate::timeline::Dates;

/// What is known of all rows beyond the groups.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// Superseded revisions: a live etcd shows none.
    pub history: bool,
    /// Whether each row was read and counted under its own key: none is damaged, none counted together with others.
    pub all: bool,
}

/// Where the values of each key are counted.
#[derive(Default)]
struct Index(BTreeMap<(&'static str, String), usize>);

impl Index {
    /// The places of the keys that may have written values which name `key`. Of a name that no rule knows only what stands
    /// before its first colon is certain.
    fn holders(&self, provider: &'static str, key: Option<&str>, guessed: bool) -> Vec<usize> {
        let Some(key) = key else {
            return Vec::new();
        };
        let exact = self.0.get(&(provider, key.to_owned()));
        let mut places: Vec<usize> = exact.copied().into_iter().collect();
        if guessed || exact.is_none() {
            let longer = self.0.iter().filter(|((kind, name), _)| {
                *kind == provider
                    && name
                        .strip_prefix(key)
                        .is_some_and(|rest| rest.starts_with(':'))
            });
            places.extend(longer.map(|(_, place)| *place));
        }
        places
    }
}

/// One line for each key and KMS provider of the configuration, in the order of the file.
pub(crate) fn keys(
    config: Option<&Config>,
    groups: &[Group],
    residue: Option<&Residue>,
    log: Option<&LogReport>,
    dates: &Dates,
    seen: Seen,
) -> Vec<KeyUse> {
    let mut keys: Vec<KeyUse> = Vec::new();
    let mut index = Index::default();
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
                let place = *index.0.entry((kind, name.clone())).or_insert_with(|| {
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
        for place in index.holders(group.provider, group.key.as_deref(), group.guessed) {
            let Some(key) = keys.get_mut(place) else {
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
    }
    for group in residue.iter().flat_map(|r| &r.groups) {
        for place in index.holders(group.provider, group.key.as_deref(), false) {
            if let Some(key) = keys.get_mut(place) {
                key.residue = Some(key.residue.unwrap_or_default() + group.rows);
            }
        }
    }
    for group in log.iter().flat_map(|l| &l.groups) {
        for place in index.holders(group.provider, group.key.as_deref(), false) {
            if let Some(key) = keys.get_mut(place) {
                key.log = Some(key.log.unwrap_or_default() + group.only);
            }
        }
    }
    let pending = log.filter(|log| log.pending > 0);
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
            // What was not read may be live, and so may writes of the log that the rows do not have yet.
            _ if !seen.all || pending.is_some_and(|log| log.beyond > 0 || key.log > Some(0)) => {
                Removable::Unknown
            }
            (_, 0, 1..) => Removable::AfterCompaction,
            (_, 0, 0) if !seen.history => Removable::AfterCompaction,
            (_, 0, 0) => Removable::Yes,
        };
    }
    keys
}

#[cfg(test)]
mod tests {
    use k8senc_config::Config;

    use super::{Seen, keys};
    use crate::report::{LogGroup, LogReport, Removable};
    use crate::timeline::Timeline;

    /// Whether "old" may go, with no row left of it, when a killed member's log has so many writes that are in no row yet and
    /// so many values of it.
    fn removable(pending: u64, only: u64, beyond: u64) -> Removable {
        const CONFIG: &str = "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aesgcm: {keys: [{name: new, secret: BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=}, {name: old, secret: CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=}]}
";
        let config = Config::parse(CONFIG.as_bytes()).unwrap();
        let log = LogReport {
            pending,
            beyond,
            groups: vec![LogGroup {
                provider: "aesgcm",
                key: Some("old".to_owned()),
                only,
                ..LogGroup::default()
            }],
            ..LogReport::default()
        };
        let dates = Timeline::default().finish();
        let seen = Seen {
            history: true,
            all: true,
        };
        let all = keys(Some(&config), &[], None, Some(&log), &dates, seen);
        let mut states = all.iter().map(|key| (key.key.as_str(), key.removable));
        assert_eq!(states.next(), Some(("new", Removable::Writes)));
        states.next().unwrap().1
    }

    #[test]
    fn writes_that_only_the_log_has_may_need_a_key() {
        assert_eq!(removable(0, 5, 0), Removable::Yes);
        assert_eq!(removable(3, 0, 0), Removable::Yes);
        assert_eq!(removable(3, 5, 0), Removable::Unknown);
        assert_eq!(removable(3, 0, 1), Removable::Unknown);
    }
}
