//! Which configuration of several opens which value.

use std::collections::BTreeMap;

use k8senc_config::Config;

use crate::Options;
use crate::escape::{escape, shown};
use crate::inventory::resource_name;
use crate::report::{ConfigUse, OpenedBy};
use crate::tally::Tally;

/// The names of the configurations, the judging one first.
pub(crate) fn names(options: &Options<'_>) -> Vec<String> {
    let further = options.also.iter().map(|(name, _)| name);
    std::iter::once(&options.config_name)
        .chain(further)
        .map(|name| escape(name.as_bytes()))
        .collect()
}

/// Sums by configuration, and by set of configurations.
pub(crate) fn openers(
    tally: &Tally,
    config: &Config,
    options: &Options<'_>,
) -> (Vec<ConfigUse>, Vec<OpenedBy>) {
    let names = names(options);
    let hashes = std::iter::once(config).chain(options.also.iter().map(|(_, config)| *config));
    let mut uses: Vec<ConfigUse> = names
        .iter()
        .zip(hashes)
        .map(|(name, config)| ConfigUse {
            name: name.clone(),
            hash: config.content_hash().to_owned(),
            ..ConfigUse::default()
        })
        .collect();
    let of = |bits: u32| -> Vec<String> {
        let set = names.iter().enumerate();
        set.filter(|(at, _)| bits >> at & 1 == 1)
            .map(|(_, name)| name.clone())
            .collect()
    };
    // Groups that differ in the form of KMS v2 values only are one here.
    type Key = (
        String,
        &'static str,
        Option<String>,
        Option<String>,
        u32,
        u32,
    );
    let mut sums: BTreeMap<Key, OpenedBy> = BTreeMap::new();
    for ((group, opens, waits), values) in &tally.openers {
        let Some(group) = tally.groups.get(*group) else {
            continue;
        };
        let Some(resource) = resource_name(group) else {
            continue;
        };
        for (at, one) in uses.iter_mut().enumerate() {
            match (opens >> at & 1, waits >> at & 1) {
                (1, _) => one.opens += values.live,
                (_, 1) => one.waits += values.live,
                _ => one.refuses += values.live,
            }
        }
        let (key, key_id) = (
            group.key.key.as_deref().map(shown),
            group.key.key_id.as_deref().map(shown),
        );
        let provider = group.key.provider;
        let at = (
            resource.clone(),
            provider,
            key.clone(),
            key_id.clone(),
            *opens,
            *waits,
        );
        let sum = sums.entry(at).or_insert_with(|| OpenedBy {
            resource,
            provider,
            key,
            key_id,
            opens: of(*opens),
            waits: of(*waits),
            ..OpenedBy::default()
        });
        sum.live += values.live;
        sum.history += values.history;
        let room = options.examples.saturating_sub(sum.examples.len());
        sum.examples
            .extend(values.examples.iter().take(room).cloned());
    }
    (uses, sums.into_values().collect())
}
