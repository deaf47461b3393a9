//! From one file to another, and two files in use at once: the shortest sequence that the model lets pass.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::draft::{Draft, DraftEntry, DraftKind, DraftProvider};
use super::edit::write;
use super::planner::{Planner, Told, reported};
use super::{Cell, Plan, PlanError, PlanOptions, parse};
use crate::config::Config;
use crate::resource::GroupResource;
use crate::transition::{Inventory, Readers, hazards, refused, resources, words};
use crate::verdict::Options;

type Text = (Zeroizing<String>, bool);

/// The change from one file to another, or from or to none: what is wrong with it in one go, and a sequence of files
/// that does it without a read that fails.
///
/// # Errors
/// When the old file is refused. A new file that is refused is a hazard of the plan, K8D17.
pub fn plan_change(
    old: Option<&str>,
    new: Option<&str>,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    let mut planner = match old {
        Some(old) => Planner::new(old, options)?,
        None => Planner::without_file(options),
    };
    let title = || "Go from the old file to the new one".to_owned();
    if let Some(new) = new {
        let server = Options {
            version: options.version,
            reload: options.reload,
            kmsv1: Some(true),
            ..Options::default()
        };
        let verdict = crate::load::validate(new.as_bytes(), &server);
        if let Some(hazard) = refused(&verdict, options.reload) {
            planner.hazards.push(reported(&hazard));
            planner.ok = false;
            return planner.finish("change".to_owned(), title());
        }
    }
    let target = match new {
        Some(new) => parse(new, options)?,
        None => Config::without_file(),
    };
    let start = match old {
        Some(old) => parse(old, options)?,
        None => Config::without_file(),
    };
    let stored = planner.inventory(&start, &target);
    let mut facts = planner.facts();
    facts.disabled_key_ids.clone_from(&options.disabled_key_ids);
    facts.rewrite_after_seconds = options.rewrite_after_seconds;
    facts.rewrite_by = options.rewrite_by;
    let found = hazards(&start, new.is_some().then_some(&target), &facts);
    planner.hazards = found.iter().map(reported).collect();
    let direct = planner.check(&start, &target, &stored);
    let passes = direct.ok && planner.hazards.iter().all(|h| h.severity != "error");
    planner.direct = Some(direct);
    if start.changes(&target).is_empty() && old.is_some() == new.is_some() {
        planner.notes.push("both files do the same".to_owned());
        return planner.finish("change".to_owned(), title());
    }
    let goal = new.map(|new| (Zeroizing::new(new.to_owned()), true));
    if passes {
        planner.back_up();
        planner.rollout(told_last(new.is_some()), goal)?;
        return planner.finish("change".to_owned(), title());
    }
    match sequence(old, new, &start, &target, &stored, &planner)? {
        Some((files, rewrite)) => {
            planner.back_up();
            for file in files {
                let told = told_between(&planner, &file, &start)?;
                planner.rollout(told, Some(file))?;
            }
            if rewrite {
                let rules: Vec<GroupResource> = planner.config.rules().map(|(rule, _)| rule.clone()).collect();
                planner.rewrite(&rules);
            }
            planner.rollout(told_last(new.is_some()), goal)?;
        }
        None => planner.notes.push(
            "no sequence of files was found that the model lets pass: something that is stored needs a key that neither file has, or two keys that cannot stand in one file"
                .to_owned(),
        ),
    }
    planner.finish("change".to_owned(), title())
}

fn told_last(file: bool) -> Told {
    if file {
        Told::new(
            "new-file",
            "Put the new file in place",
            "Every server reads by now what the others write with it, and nothing live needs what it lacks.",
        )
    } else {
        Told::new(
            "remove-file",
            "Take the file away",
            "Nothing that is stored needs it any more, but for older snapshots: keep the file with them.",
        )
    }
}

fn told_between(planner: &Planner<'_>, file: &Text, start: &Config) -> Result<Told, PlanError> {
    let next = parse(&file.0, planner.options)?;
    let same_writers = start.rules().all(|(rule, _)| {
        let (old, new) = (Readers::new(start, rule), Readers::new(&next, rule));
        old.writer().map(|l| &l.reader) == new.writer().map(|l| &l.reader)
    });
    Ok(if same_writers {
        Told::new(
            "add-readers",
            "Add every reader of the new file behind those of the old one",
            "While servers change over, some write with the old file and some with the new one, and each has to read all of it.",
        )
    } else {
        Told::new(
            "promote",
            "Let the new file's writers write, and keep the old readers",
            "Every server can read them by now. What was written before stays readable, and is stale.",
        )
    })
}

/// The files between the two, and whether everything is rewritten before the last one.
fn sequence(
    old: Option<&str>,
    new: Option<&str>,
    start: &Config,
    target: &Config,
    stored: &Inventory,
    planner: &Planner<'_>,
) -> Result<Option<(Vec<Text>, bool)>, PlanError> {
    let unions = [
        union(old, new, start, target),
        union(new, old, target, start),
    ];
    let mut files = Vec::new();
    for text in unions {
        let Ok(text) = text else { return Ok(None) };
        let Ok(config) = parse(&text.0, planner.options) else {
            return Ok(None);
        };
        files.push((text, config));
    }
    let [(first, early), (second, late)] = files.as_slice() else {
        return Ok(None);
    };
    let all = resources(start, Some(target), planner.options.stored.as_ref());
    let safe = |old: &Config, new: &Config, stored: &Inventory| planner.check(old, new, stored).ok;
    // Of each sequence: its files, and what is between them.
    let tries: [(&[&Text], &[&Config]); 4] = [
        (&[], &[]),
        (&[first], &[early]),
        (&[second], &[late]),
        (&[first, second], &[early, late]),
    ];
    for rewrite in [false, true] {
        for (texts, configs) in tries {
            let mut stored = stored.clone();
            let mut at = start;
            let mut good = true;
            for next in configs {
                good = good && safe(at, next, &stored);
                write_with(&mut stored, [at, next], &all);
                at = next;
            }
            if rewrite {
                stored = Inventory::new();
                write_with(&mut stored, [at, at], &all);
            }
            if good && safe(at, target, &stored) {
                let copies = texts.iter().map(|text| (text.0.clone(), text.1));
                return Ok(Some((copies.collect(), rewrite)));
            }
        }
    }
    Ok(None)
}

fn write_with(stored: &mut Inventory, files: [&Config; 2], all: &BTreeSet<GroupResource>) {
    for (config, resource) in files
        .into_iter()
        .flat_map(|c| all.iter().map(move |r| (c, r)))
    {
        if let Some(writer) = Readers::new(config, resource).writer() {
            let count = crate::transition::Count {
                live: 1,
                history: 0,
            };
            stored.add(resource.clone(), &writer.reader.prefix, count);
        }
    }
}

/// A file that writes as `main` does and reads what either reads.
fn union(
    main: Option<&str>,
    other: Option<&str>,
    config: &Config,
    other_config: &Config,
) -> Result<Text, PlanError> {
    let read = |text: Option<&str>| {
        text.map_or(
            Ok(Draft {
                entries: Vec::new(),
            }),
            Draft::read,
        )
    };
    let (base, mut main_draft, other_draft) = (main.unwrap_or(""), read(main)?, read(other)?);
    let names = |draft: &Draft| -> Vec<Vec<String>> {
        draft.entries.iter().map(|e| e.names.clone()).collect()
    };
    if names(&main_draft) == names(&other_draft) {
        for (entry, from) in main_draft.entries.iter_mut().zip(&other_draft.entries) {
            merge(&mut entry.providers, &from.providers);
        }
        return write(&main_draft, base);
    }
    // Rule by rule: the narrowest first, or they would be masked.
    let mut rules: Vec<GroupResource> = resources(config, Some(other_config), None)
        .into_iter()
        .collect();
    rules.sort_by_key(|rule| (rule.is_wildcard(), rule.group == "*"));
    let mut entries: Vec<DraftEntry> = Vec::new();
    for rule in rules {
        let mut providers = chain(&main_draft, config, &rule);
        merge(&mut providers, &chain(&other_draft, other_config, &rule));
        let wide = |entry: &&mut DraftEntry| {
            entry
                .names
                .iter()
                .any(|n| GroupResource::parse(n).is_wildcard())
                == rule.is_wildcard()
        };
        let same = entries
            .iter_mut()
            .filter(wide)
            .find(|entry| entry.providers == providers);
        match same {
            Some(entry) if !rule.is_wildcard() => entry.names.push(rule.to_string()),
            _ => entries.push(DraftEntry {
                names: vec![rule.to_string()],
                providers,
                origin: None,
            }),
        }
    }
    write(&Draft { entries }, base)
}

/// The providers of a rule, merged as the server merges them.
fn chain(draft: &Draft, config: &Config, rule: &GroupResource) -> Vec<DraftProvider> {
    let found = config.matching(rule);
    let entries = found.entries.iter().filter_map(|i| draft.entries.get(*i));
    let mut providers: Vec<DraftProvider> = entries.flat_map(|e| e.providers.clone()).collect();
    if providers.is_empty() {
        providers.push(DraftProvider::new(DraftKind::Identity));
    }
    for provider in &mut providers {
        provider.origin = None;
    }
    providers
}

/// Adds what only `from` has behind what is there, but before identity.
fn merge(into: &mut Vec<DraftProvider>, from: &[DraftProvider]) {
    for provider in from {
        match &provider.kind {
            DraftKind::Identity => {
                if !into.iter().any(|p| p.kind == DraftKind::Identity) {
                    into.push(DraftProvider::new(DraftKind::Identity));
                }
            }
            DraftKind::Kms(block) => {
                let same = |p: &DraftProvider| matches!(&p.kind, DraftKind::Kms(k) if (&k.name, k.version) == (&block.name, block.version));
                if !into.iter().any(same) {
                    insert(into, DraftProvider::new(provider.kind.clone()));
                }
            }
            DraftKind::Local(kind, keys) => {
                for key in keys {
                    let mut lists = into.iter_mut().filter_map(|p| match &mut p.kind {
                        DraftKind::Local(k, keys) if k == kind => Some(keys),
                        _ => None,
                    });
                    let mut key = key.clone();
                    key.origin = None;
                    let mut held = false;
                    let mut place = None;
                    for list in &mut lists {
                        held |= list.contains(&key);
                        place.get_or_insert(list);
                    }
                    match place {
                        _ if held => {}
                        Some(list) => list.push(key),
                        None => {
                            insert(into, DraftProvider::new(DraftKind::Local(*kind, vec![key])))
                        }
                    }
                }
            }
        }
    }
}

fn insert(into: &mut Vec<DraftProvider>, provider: DraftProvider) {
    let last_is_identity =
        into.len() > 1 && into.last().is_some_and(|p| p.kind == DraftKind::Identity);
    let at = if last_is_identity {
        into.len() - 1
    } else {
        into.len()
    };
    into.insert(at, provider);
}

/// Two files that servers of one etcd have at the same time: which reads what, and how to end with one file that
/// writes as `a` does.
///
/// # Errors
/// When a file is refused.
pub fn plan_converge(a: &str, b: &str, options: &PlanOptions) -> Result<Plan, PlanError> {
    let (config_a, config_b) = (parse(a, options)?, parse(b, options)?);
    let mut planner = Planner::new(a, options)?;
    planner.matrix = matrix(&config_a, &config_b);
    let both = {
        let mut both = planner.inventory(&config_a, &config_b);
        let all = resources(&config_a, Some(&config_b), options.stored.as_ref());
        write_with(&mut both, [&config_a, &config_b], &all);
        both
    };
    let one = planner.check(&config_a, &config_b, &both);
    let other = planner.check(&config_b, &config_a, &both);
    planner.direct = Some(if one.ok { other } else { one });
    let (title, goal) = (
        "End with one file on all servers".to_owned(),
        "converge".to_owned(),
    );
    if config_a.changes(&config_b).is_empty() {
        planner
            .notes
            .push("both files do the same: any server may have either".to_owned());
        return planner.finish(goal, title);
    }
    let mut facts = planner.facts();
    for (name, config) in [("A", &config_a), ("B", &config_b)] {
        facts
            .hashes
            .insert(name.to_owned(), config.content_hash().to_owned());
    }
    // What else those two files differ in is what the steps are for.
    let found = hazards(&config_a, Some(&config_a), &facts);
    planner.hazards = found.iter().map(reported).collect();
    let first = union(Some(a), Some(b), &config_a, &config_b)?;
    let second = union(Some(b), Some(a), &config_b, &config_a)?;
    planner.back_up();
    planner.rollout(
        Told::new(
            "read-all-on-a",
            "Servers with file A: add every reader of file B",
            "Nothing is written otherwise than before; from now on these servers read everything.",
        ),
        Some(first.clone()),
    )?;
    planner.begin_at(b)?;
    planner.rollout(Told::new(
        "read-all-on-b",
        "Servers with file B: add every reader of file A",
        "The same the other way round. After this step no read fails any more, whichever server is asked.",
    ), Some(second.clone()))?;
    planner.begin_at(&second.0)?;
    planner.rollout(
        Told::new(
            "one-file",
            "Servers with the second file: take the first",
            "All servers have one file now. What B wrote stays readable, and is stale.",
        ),
        Some(first),
    )?;
    // There are two first files.
    planner.last_way_back = None;
    planner.notes.push("rewrite every object before a reader is taken away: k8senc plan FILE --goal rotate-key does both".to_owned());
    planner.finish(goal, title)
}

fn matrix(a: &Config, b: &Config) -> Vec<Cell> {
    let mut cells = Vec::new();
    for resource in resources(a, Some(b), None) {
        let (of_a, of_b) = (Readers::new(a, &resource), Readers::new(b, &resource));
        let sides: BTreeMap<&'static str, &Readers> =
            [("A", &of_a), ("B", &of_b)].into_iter().collect();
        for (writes, writer) in &sides {
            for (reads, reader) in sides.iter().filter(|(name, _)| *name != writes) {
                let Some(link) = writer.writer() else {
                    continue;
                };
                let why_not = reader.read(&link.reader).err();
                cells.push(Cell {
                    resource: resource.to_string(),
                    writes,
                    with: words(&link.reader),
                    reads,
                    why_not: why_not.map(|why| why.text().to_owned()),
                });
            }
        }
    }
    cells
}
