//! The steps of a plan as they are added, and what the model says of each.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::commands::{in_use, install, uninstall};
use super::shown::{Fresh, diff};
use super::{
    Back, Cell, Check, Command, File, Plan, PlanError, PlanHazard, PlanOptions, Sign, Step, parse,
    size,
};
use crate::config::Config;
use crate::lint::Severity;
use crate::resource::GroupResource;
use crate::transition::{Count, Facts, Hazard, Inventory, Readers, Rollout, hazards, resources};
use crate::tree::Text;

/// A plan in the making.
pub(super) struct Planner<'p> {
    pub options: &'p PlanOptions,
    /// The file that all servers have after the steps so far; none is no file.
    pub text: Option<Zeroizing<String>>,
    pub config: Config,
    /// What they had first.
    first: Config,
    /// What may be stored: what values begin with, by resource.
    pub stored: BTreeMap<GroupResource, BTreeSet<String>>,
    /// Whether every object was rewritten, so that nothing else is stored.
    pub rewritten: bool,
    pub fresh: Vec<Text>,
    pub decrypting: bool,
    pub ok: bool,
    pub direct: Option<Check>,
    pub hazards: Vec<PlanHazard>,
    pub matrix: Vec<Cell>,
    pub notes: Vec<String>,
    pub steps: Vec<Step>,
    pub last_way_back: Option<usize>,
    /// The rules that the goal changes, if not all.
    pub changed: Option<Vec<GroupResource>>,
}

/// What a step is called and why it is there.
pub(super) struct Told {
    pub name: &'static str,
    pub title: String,
    pub why: String,
}

impl Told {
    pub(super) fn new(
        name: &'static str,
        title: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            name,
            title: title.into(),
            why: why.into(),
        }
    }
}

pub(super) fn reported(hazard: &Hazard) -> PlanHazard {
    PlanHazard {
        code: hazard.code,
        severity: hazard.severity.name(),
        resource: hazard.resource.as_ref().map(ToString::to_string),
        message: hazard.message.clone(),
        advice: hazard.advice,
        old: hazard.old.clone(),
        new: hazard.new.clone(),
    }
}

impl<'p> Planner<'p> {
    pub(super) fn new(current: &str, options: &'p PlanOptions) -> Result<Self, PlanError> {
        let mut planner = Self::without_file(options);
        planner.config = parse(current, options)?;
        planner.first = parse(current, options)?;
        planner.text = Some(Zeroizing::new(current.to_owned()));
        Ok(planner)
    }

    pub(super) fn without_file(options: &'p PlanOptions) -> Self {
        Self {
            options,
            text: None,
            config: Config::without_file(),
            first: Config::without_file(),
            stored: BTreeMap::new(),
            rewritten: false,
            fresh: Vec::new(),
            decrypting: false,
            ok: true,
            direct: None,
            hazards: Vec::new(),
            matrix: Vec::new(),
            notes: Vec::new(),
            steps: Vec::new(),
            last_way_back: None,
            changed: None,
        }
    }

    /// The number that the next step gets.
    pub(super) fn number(&self) -> usize {
        self.steps.len() + 1
    }

    /// What may be stored of every resource that two files or the inventory name.
    pub(super) fn inventory(&mut self, old: &Config, new: &Config) -> Inventory {
        for resource in resources(old, Some(new), self.options.stored.as_ref()) {
            self.stored
                .entry(resource)
                .or_insert_with_key(|resource| match &self.options.stored {
                    Some(stored) => {
                        let live = stored
                            .prefixes(resource)
                            .filter(|(_, count)| count.live > 0);
                        live.map(|(prefix, _)| prefix.to_owned()).collect()
                    }
                    None => {
                        let readers = Readers::new(&self.first, resource);
                        readers
                            .links
                            .into_iter()
                            .map(|link| link.reader.prefix)
                            .collect()
                    }
                });
        }
        let mut inventory = Inventory::new();
        for (resource, prefixes) in &self.stored {
            for prefix in prefixes {
                let count = Count {
                    live: 1,
                    history: 0,
                };
                inventory.add(resource.clone(), prefix, count);
            }
        }
        inventory
    }

    /// What the model says of a change.
    pub(super) fn check(&self, old: &Config, new: &Config, stored: &Inventory) -> Check {
        let mut rollout = Rollout::new(old, new);
        rollout.servers = self.options.servers;
        rollout.reload = self.options.reload;
        rollout.stored = Some(stored);
        let verdict = rollout.check();
        rollout.outage = true;
        let outage = rollout.check().err().map(|story| story.to_string());
        match verdict {
            Ok(states) => Check {
                ok: true,
                states,
                counterexample: None,
                outage,
            },
            Err(story) => Check {
                ok: false,
                states: 0,
                counterexample: Some(story.to_string()),
                outage: None,
            },
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let options = self.options;
        Facts {
            servers: options.servers,
            reload: options.reload,
            decrypting: self.decrypting,
            stored: options.stored.clone(),
            plugin_delay_seconds: options.plugin_delay_seconds,
            replacement: options.replacement,
            ..Facts::default()
        }
    }

    /// A file for every server.
    pub(super) fn rollout(
        &mut self,
        told: Told,
        next: Option<(Zeroizing<String>, bool)>,
    ) -> Result<(), PlanError> {
        let config = match &next {
            Some((text, _)) => parse(text, self.options)?,
            None => Config::without_file(),
        };
        let old = core::mem::replace(&mut self.config, Config::without_file());
        let before = self.inventory(&old, &config);
        let checked = self.check(&old, &config, &before);
        let mut facts = self.facts();
        if self.rewritten {
            facts.stored = Some(before);
        }
        let found = hazards(&old, next.is_some().then_some(&config), &facts);
        let serious: Vec<PlanHazard> = found
            .iter()
            .filter(|h| h.severity >= Severity::Warning)
            .map(reported)
            .collect();
        self.ok &= checked.ok && serious.iter().all(|h| h.severity != "error");
        self.writes(&old);
        self.writes(&config);
        let after = self.inventory(&old, &config);
        let way_back = self.check(&config, &old, &after);
        let to_first = self.check(&config, &self.first, &after).ok;
        let number = self.number();
        let back = match &way_back.counterexample {
            None => Back {
                safe: true,
                how: "put the file of the step before back on every server".to_owned(),
            },
            Some(story) => Back {
                safe: false,
                how: format!("not by the file of the step before: {story}"),
            },
        };
        let fresh = Fresh {
            secrets: &self.fresh,
            kept: self.options.kept,
        };
        let shown = diff(
            self.text.as_ref().map(|t| t.as_str()),
            next.as_ref().map(|(t, _)| t.as_str()),
            &fresh,
        )?;
        let name = next
            .is_some()
            .then(|| format!("step-{number:02}-{}.yaml", told.name));
        let (commands, checks) = match &name {
            Some(name) => (
                install(self.options, name),
                in_use(self.options, name, &config),
            ),
            None => (
                uninstall(),
                vec![Sign::seen(
                    "every server has started without --encryption-provider-config",
                )],
            ),
        };
        let (text, layout_kept) = next.unwrap_or_else(|| (Zeroizing::default(), true));
        self.text = name.is_some().then(|| text.clone());
        self.steps.push(Step {
            number,
            name: told.name,
            title: told.title,
            why: told.why,
            file: Some(File {
                name,
                diff: shown,
                layout_kept,
                text,
            }),
            commands,
            checks,
            back,
            checked: Some(checked),
            hazards: serious,
        });
        if to_first && self.last_way_back.is_none_or(|last| last + 1 >= number) {
            self.last_way_back = Some(number);
        }
        self.config = config;
        Ok(())
    }

    /// What a file's writers write counts as stored from now on.
    fn writes(&mut self, config: &Config) {
        for (resource, prefixes) in &mut self.stored {
            let readers = Readers::new(config, resource);
            prefixes.extend(readers.writer().map(|link| link.reader.prefix.clone()));
        }
    }

    /// A step that changes no file.
    pub(super) fn step(
        &mut self,
        told: Told,
        commands: Vec<Command>,
        checks: Vec<Sign>,
        back: &str,
    ) -> &mut Vec<PlanHazard> {
        let number = self.number();
        if self.last_way_back == Some(number - 1) || number == 1 {
            // Files are as they were.
            self.last_way_back = Some(number);
        }
        let step = Step {
            number,
            name: told.name,
            title: told.title,
            why: told.why,
            file: None,
            commands,
            checks,
            back: Back {
                safe: true,
                how: back.to_owned(),
            },
            checked: None,
            hazards: Vec::new(),
        };
        self.steps.push(step);
        // Never empty: one was just added.
        match self.steps.last_mut() {
            Some(step) => &mut step.hazards,
            None => &mut self.hazards,
        }
    }

    pub(super) fn finish(mut self, goal: String, title: String) -> Result<Plan, PlanError> {
        let mut facts = self.facts();
        facts
            .disabled_key_ids
            .clone_from(&self.options.disabled_key_ids);
        facts.rewrite_after_seconds = self.options.rewrite_after_seconds;
        if self.direct.is_none() {
            // Those of the files belong to the steps.
            let found = hazards(&self.first, Some(&self.first), &facts);
            self.hazards.extend(found.iter().map(reported));
        }
        self.ok &= self.hazards.iter().all(|h| h.severity != "error");
        self.ok &= self.direct.as_ref().is_none_or(|direct| direct.ok);
        if self.options.stored.is_none() {
            self.notes.push("what is stored was not counted: the plan holds for anything that the first file can read (--snapshot counts it)".to_owned());
        }
        if self
            .steps
            .iter()
            .filter_map(|s| s.file.as_ref())
            .any(|f| f.name.is_some() && !f.layout_kept)
        {
            self.notes
                .push("layout and comments of the file could not be kept".to_owned());
        }
        Ok(Plan {
            format: 1,
            kind: "k8senc-plan",
            goal,
            title,
            servers: self.options.servers,
            reload: self.options.reload,
            kubernetes: self.options.version.to_string(),
            counted: self.options.stored.is_some(),
            ok: self.ok,
            direct: self.direct,
            hazards: self.hazards,
            matrix: self.matrix,
            growth: size::growth(
                &self.config,
                self.changed.as_deref(),
                self.options.stored.as_ref(),
            ),
            steps: self.steps,
            last_way_back: self.last_way_back,
            notes: self.notes,
        })
    }

    /// Goes on with servers that have another file.
    pub(super) fn begin_at(&mut self, text: &str) -> Result<(), PlanError> {
        self.config = parse(text, self.options)?;
        self.first = parse(text, self.options)?;
        self.text = Some(Zeroizing::new(text.to_owned()));
        self.stored.clear();
        Ok(())
    }
}
