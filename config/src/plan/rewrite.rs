//! Rewriting every object, and what belongs to it: backups, waiting, counting, compaction.

use super::commands::{self, snapshot};
use super::planner::{Planner, Told, reported};
use super::{Command, PlanHazard, Sign};
use crate::config::{Config, KmsVersion, Provider};
use crate::resource::GroupResource;
use crate::transition::{Inventory, Readers, SETTLING_SECONDS, hazards};

impl Planner<'_> {
    pub(super) fn back_up(&mut self) {
        let told = Told::new(
            "back-up",
            "Back up etcd, and the file that opens the backup",
            "A snapshot is worth what can be decrypted of it: keep the file it needs, apart from it.",
        );
        let checks = vec![Sign::of(
            "nothing is unreadable already",
            "k8senc audit before.db --config CURRENT-FILE",
        )];
        self.step(told, snapshot("before.db"), checks, "nothing was changed");
    }

    /// Rewriting everything under some rules, and what belongs to it up to the second backup.
    pub(super) fn rewrite(&mut self, rules: &[GroupResource]) {
        let kms = rules.iter().find_map(|rule| {
            let found = self.config.matching(rule);
            match found.providers.first() {
                Some(Provider::Kms(block)) => Some((block.name.clone(), block.version)),
                _ => None,
            }
        });
        if let Some((name, version)) = kms {
            self.settle(&name, version);
        }
        let mut taken = Vec::new();
        let mut groups = Vec::new();
        for rule in rules {
            match commands::taken(&self.config, rule, self.options) {
                Some(resources) => taken.extend(resources),
                None => groups.push(rule.group.clone()),
            }
        }
        if groups.iter().any(|group| group == "*") {
            groups = vec!["*".to_owned()];
            taken.clear();
        }
        let stored = self.options.stored.as_ref();
        let sum = |of: &dyn Fn(&Inventory, &GroupResource) -> u64| {
            stored.map(|stored| taken.iter().map(|r| of(stored, r)).sum::<u64>())
        };
        let live = sum(&Inventory::live);
        let unreadable = sum(&Inventory::unreadable).unwrap_or(0);
        let by = commands::rewrite_by(self.options, live);
        let number = self.number();
        let what = match live {
            Some(live) => format!("Rewrite {live} objects, each as it is"),
            None => "Rewrite every object, each as it is".to_owned(),
        };
        let told = Told::new(
            "rewrite",
            what,
            "A value changes its key only when it is written. The API server writes an unchanged object too if it is stale.",
        );
        let run = commands::rewrite(by, &taken, &groups, number, self.options);
        let mut checks = vec![Sign::seen(
            "nothing failed but by a conflict, when somebody else wrote the object meanwhile: repeat that",
        )];
        if (35..37).contains(&self.options.version.minor()) && self.options.rewrite_by.is_none() {
            checks.push(Sign::seen("with the feature gate StorageVersionMigrator and --runtime-config=storagemigration.k8s.io/v1beta1=true, a StorageVersionMigration does the same more gently (--rewrite-by migration)"));
        }
        let mut facts = self.facts();
        facts.rewrite_by = Some(by);
        facts.rewrite_after_seconds = self.options.rewrite_after_seconds;
        let found = hazards(&self.config, Some(&self.config), &facts);
        let found: Vec<PlanHazard> = found.iter().map(reported).collect();
        self.step(
            told,
            run,
            checks,
            "nothing to undo: the file in use reads both",
        )
        .extend(found);
        if unreadable > 0 {
            self.notes.push(format!(
                "{unreadable} live objects cannot be read today: a rewrite fails at them, and a key that may open them should not be removed before that is cleared up (k8senc audit names them)"
            ));
        }
        self.verify_and_clean();
        self.set_rewritten(rules);
    }

    /// From now on only the writer's values are stored under these rules.
    fn set_rewritten(&mut self, rules: &[GroupResource]) {
        self.rewritten = true;
        let config = core::mem::replace(&mut self.config, Config::without_file());
        let _ = self.inventory(&config, &config);
        for (resource, prefixes) in &mut self.stored {
            let readers = Readers::new(&config, resource);
            let rule = config.matching(resource).rule;
            if rules.iter().any(|r| Some(r) == rule.as_ref()) {
                *prefixes = readers
                    .writer()
                    .map(|link| link.reader.prefix.clone())
                    .into_iter()
                    .collect();
            }
        }
        self.config = config;
    }

    fn settle(&mut self, name: &str, version: KmsVersion) {
        let wait = SETTLING_SECONDS + self.options.plugin_delay_seconds;
        let told = Told::new(
            "settle",
            format!("Wait {wait} seconds after the last server uses {name} as it is now"),
            "A server asks the plugin once a minute and may write with the seed of before for three minutes more; a plugin may see a new KEK late.",
        );
        let mut checks = Vec::new();
        if version == KmsVersion::V2 {
            checks.push(Sign::of(
                "every server reports the same newest key_id",
                commands::metric(commands::KEY_ID_METRIC),
            ));
        }
        self.step(
            told,
            vec![Command::new(commands::ADMIN, format!("sleep {wait}"))],
            checks,
            "nothing was changed",
        );
    }

    fn verify_and_clean(&mut self) {
        let file = match self
            .steps
            .iter()
            .rev()
            .find_map(|s| s.file.as_ref()?.name.clone())
        {
            Some(name) => name,
            None => "CURRENT-FILE".to_owned(),
        };
        let told = Told::new(
            "verify",
            "Count what is stored now",
            "What the rewrite missed is lost with the old key; a snapshot shows every value, the API only what it can read.",
        );
        let mut run = snapshot("after.db");
        run.push(Command::new(
            commands::HOLDER,
            format!("k8senc audit after.db --config {file}"),
        ));
        let seen = if self.decrypting {
            "nothing live that was rewritten is stale or unreadable, and all of it is exposed, which is what was wanted; go on only then"
        } else {
            "nothing live that was rewritten is stale, exposed or unreadable; go on only then"
        };
        let checks = vec![Sign::seen(seen)];
        self.step(told, run, checks, "nothing was changed");
        let told = Told::new(
            "compact",
            "Drop old revisions",
            "Versions from before the rewrite are still in etcd, under the old key or none, and readers of old revisions need it. The API server compacts every five minutes by itself.",
        );
        self.step(
            told,
            commands::compact(),
            Vec::new(),
            "old revisions are gone; objects are as they were",
        );
        let told = Told::new(
            "defrag",
            "Give freed pages back, member by member",
            "Compaction leaves the bytes in the file. A member does not answer while it defragments.",
        );
        self.step(
            told,
            commands::defrag(),
            vec![Sign::of(
                "all members are healthy before the next one is touched",
                "etcdctl endpoint health --cluster",
            )],
            "nothing to undo",
        );
        let told = Told::new(
            "back-up-again",
            "Take the snapshot that no longer needs the old key",
            "From here on this is the backup to restore. Keep the old key as long as any older snapshot is kept.",
        );
        let mut run = snapshot("rewritten.db");
        run.push(Command::new(
            commands::HOLDER,
            format!("k8senc audit rewritten.db --config {file}"),
        ));
        self.step(told, run, Vec::new(), "nothing was changed");
    }
}
