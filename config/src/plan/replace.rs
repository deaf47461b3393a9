//! Goals that put another writer in place: add it as a reader, promote it, rewrite, take the old one away.

mod kms;

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::draft::{Draft, DraftEntry, DraftKey, DraftKind, DraftKms, DraftProvider, Local};
use super::edit::write;
use super::planner::{Planner, Told};
use super::{Goal, PlanError, PlanOptions};
use crate::config::KmsVersion;
use crate::golang::base64_encode;
use crate::resource::GroupResource;
use kms::{check_plugin, disable_kek, rotate_kek};

/// What becomes the writer of an entry.
enum Writer {
    /// A key of the provider that writes already.
    Key(DraftKey),
    /// A provider.
    Provider(DraftProvider),
    /// identity.
    Identity,
    /// The same KMS block, with another KEK behind it.
    Kek(String),
}

struct Job {
    entry: usize,
    writer: Writer,
}

type Random<'r> = &'r mut dyn FnMut(&mut [u8]);

pub(super) fn plan(
    planner: &mut Planner<'_>,
    goal: &Goal,
    random: Random<'_>,
) -> Result<(), PlanError> {
    let draft = current(planner)?;
    planner.decrypting = *goal == Goal::DecryptAll;
    let leading = draft.leading();
    let mut names = Names::new(&draft, planner.options);
    let mut jobs = Vec::new();
    for (i, entry) in draft.entries.iter().enumerate() {
        if !leading.contains(&i) || !asked_for(entry, planner.options) {
            continue;
        }
        let made = jobs.len();
        if let Some(writer) = writer(goal, &draft, entry, made, &mut names, random)? {
            match &writer {
                Writer::Key(key) if !matches!(goal, Goal::RenameKey { .. }) => {
                    planner.fresh.push(key.secret.clone())
                }
                Writer::Provider(DraftProvider {
                    kind: DraftKind::Local(_, keys),
                    ..
                }) => planner
                    .fresh
                    .extend(keys.iter().map(|key| key.secret.clone())),
                _ => {}
            }
            jobs.push(Job { entry: i, writer });
        }
    }
    if jobs.is_empty() {
        return Err(unfit(goal, planner.options));
    }
    let rules: Vec<GroupResource> = jobs
        .iter()
        .filter_map(|job| draft.entries.get(job.entry))
        .flat_map(|entry| entry.names.iter().map(|name| GroupResource::parse(name)))
        .collect();
    planner.changed = Some(rules.clone());
    planner.back_up();
    for job in &jobs {
        if let Writer::Provider(DraftProvider {
            kind: DraftKind::Kms(kms),
            ..
        }) = &job.writer
        {
            check_plugin(planner, kms);
        }
    }
    roll(
        planner,
        &jobs,
        add,
        Told::new(
            "add-reader",
            "Add the new writer as a reader, behind the one that writes",
            "While servers change over, some write with the old file and some with the new one, and each has to read all of it. So everybody learns to read before anybody writes.",
        ),
    )?;
    roll(
        planner,
        &jobs,
        promote,
        Told::new(
            "promote",
            "Let the new writer write: put it first",
            "Every server can read it by now. Nothing that is stored changes; what was written before stays readable, and is stale.",
        ),
    )?;
    for job in &jobs {
        if let Writer::Kek(name) = &job.writer {
            rotate_kek(planner, name);
        }
    }
    planner.rewrite(&rules);
    if planner.decrypting
        && jobs.len() == draft.entries.iter().filter(|e| encrypts(e)).count()
        && all_lead(&draft)
    {
        return planner.rollout(
            Told::new(
                "remove-file",
                "Take the file away",
                "Nothing that is stored needs it any more, but for older snapshots: keep the file with them.",
            ),
            None,
        );
    }
    roll(
        planner,
        &jobs,
        remove,
        Told::new(
            "remove",
            "Take the old writer away",
            "Nothing live is stored with it any more. Keep it with the snapshots that need it.",
        ),
    )?;
    for job in &jobs {
        if let Writer::Kek(name) = &job.writer {
            disable_kek(planner, name);
        }
    }
    Ok(())
}

fn all_lead(draft: &Draft) -> bool {
    draft.leading().len() == draft.entries.len()
}

fn encrypts(entry: &DraftEntry) -> bool {
    entry
        .providers
        .iter()
        .any(|p| p.kind != DraftKind::Identity)
}

fn current(planner: &Planner<'_>) -> Result<Draft, PlanError> {
    Draft::read(planner.text.as_ref().map_or("", |text| text.as_str()))
}

fn asked_for(entry: &DraftEntry, options: &PlanOptions) -> bool {
    let asked = |name: &String| {
        let is = |asked: &String| GroupResource::parse(asked) == GroupResource::parse(name);
        options.resources.iter().any(is)
    };
    options.resources.is_empty() || entry.names.iter().any(asked)
}

fn unfit(goal: &Goal, options: &PlanOptions) -> PlanError {
    let what = match goal {
        Goal::RotateKey => "no entry encrypts, so there is no key to rotate; change-provider= switches encryption on".to_owned(),
        Goal::ChangeProvider(kind) => format!("every entry writes with {} already; rotate-key gives it a new key", kind.name()),
        Goal::KmsV2 { .. } => "no entry was found to change".to_owned(),
        Goal::V1ToV2 { .. } => "no entry writes with a KMS v1 block".to_owned(),
        Goal::RenameKey { from, .. } => format!("no entry writes with a key or KMS block named {from:?}; a reader is not renamed, but taken away after a rewrite"),
        _ => "every entry writes plain text already".to_owned(),
    };
    let limit = if options.resources.is_empty() {
        String::new()
    } else {
        format!(" (looked at rules {} alone)", options.resources.join(", "))
    };
    PlanError::new("goal-unfit", what + &limit)
}

/// What the goal makes of an entry; none when it leaves it as it is.
fn writer(
    goal: &Goal,
    draft: &Draft,
    entry: &DraftEntry,
    made: usize,
    names: &mut Names,
    random: Random<'_>,
) -> Result<Option<Writer>, PlanError> {
    let Some(DraftProvider { kind: now, .. }) = entry.providers.first() else {
        return Ok(None);
    };
    Ok(match (goal, now) {
        (Goal::RotateKey, DraftKind::Local(kind, keys)) => {
            let name = keys.first().map_or("key", |key| key.name.as_str());
            Some(Writer::Key(new_key(names.next(*kind, name), random)))
        }
        (Goal::RotateKey, DraftKind::Kms(kms)) => Some(Writer::Kek(kms.name.clone())),
        (Goal::ChangeProvider(kind), now) => {
            if matches!(now, DraftKind::Local(old, _) if old == kind) {
                return Ok(None);
            }
            let key = new_key(names.next(*kind, "key0"), random);
            Some(Writer::Provider(DraftProvider::new(DraftKind::Local(
                *kind,
                vec![key],
            ))))
        }
        (Goal::KmsV2 { name, endpoint }, _) => {
            // Names of KMS v2 blocks are unique in a file.
            let name = if made == 0 {
                name.clone()
            } else {
                format!("{name}-{}", made + 1)
            };
            Some(Writer::Provider(kms_v2(
                &name,
                endpoint,
                3_000_000_000,
                draft,
            )?))
        }
        (Goal::V1ToV2 { name }, DraftKind::Kms(kms)) if kms.version == KmsVersion::V1 => {
            let name = match name {
                Some(name) if made == 0 => name.clone(),
                Some(name) => format!("{name}-{}", made + 1),
                None => format!("{}-v2", kms.name.replace(':', "-")),
            };
            Some(Writer::Provider(kms_v2(
                &name,
                &kms.endpoint,
                kms.timeout,
                draft,
            )?))
        }
        (Goal::RenameKey { from, to }, DraftKind::Local(kind, keys)) => {
            let Some(key) = keys.first().filter(|key| key.name == *from) else {
                return Ok(None);
            };
            if names.has(*kind, to) {
                return Err(PlanError::new(
                    "goal-unfit",
                    format!("{} has or had a key named {to:?} already", kind.name()),
                ));
            }
            Some(Writer::Key(DraftKey {
                name: to.clone(),
                secret: key.secret.clone(),
                origin: None,
            }))
        }
        (Goal::RenameKey { from, to }, DraftKind::Kms(kms)) if kms.name == *from => {
            if draft.kms_names().any(|name| name == to) {
                return Err(PlanError::new(
                    "goal-unfit",
                    format!("the file has a KMS block named {to:?} already"),
                ));
            }
            Some(Writer::Provider(DraftProvider::new(DraftKind::Kms(
                DraftKms {
                    name: to.clone(),
                    ..kms.clone()
                },
            ))))
        }
        (Goal::DecryptAll, now) => (*now != DraftKind::Identity).then_some(Writer::Identity),
        _ => None,
    })
}

fn kms_v2(
    name: &str,
    endpoint: &str,
    timeout: i64,
    draft: &Draft,
) -> Result<DraftProvider, PlanError> {
    if draft.kms_names().any(|taken| taken == name) {
        return Err(PlanError::new(
            "goal-unfit",
            format!(
                "the file has a KMS block named {name:?} already, and the name is part of what is stored: choose another one"
            ),
        ));
    }
    Ok(DraftProvider::new(DraftKind::Kms(DraftKms {
        version: KmsVersion::V2,
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
        timeout,
        cache_size: None,
    })))
}

fn new_key(name: String, random: Random<'_>) -> DraftKey {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    random(&mut *bytes);
    DraftKey {
        name,
        secret: base64_encode(&*bytes),
        origin: None,
    }
}

/// The names that keys have, or that something is stored under.
struct Names {
    taken: BTreeSet<(Local, String)>,
    /// The last number given to a stem.
    last: BTreeMap<(Local, String), u64>,
}

impl Names {
    fn new(draft: &Draft, options: &PlanOptions) -> Self {
        let mut names = BTreeSet::new();
        for provider in draft.entries.iter().flat_map(|e| &e.providers) {
            if let DraftKind::Local(kind, keys) = &provider.kind {
                names.extend(keys.iter().map(|key| (*kind, key.name.clone())));
            }
        }
        let stored = options.stored.iter();
        let prefixes = stored.flat_map(|s| s.resources().flat_map(|r| s.prefixes(r)));
        for (prefix, _) in prefixes {
            for kind in [Local::Aescbc, Local::Aesgcm, Local::Secretbox] {
                let name = prefix.strip_prefix(kind.head());
                let name = name.and_then(|n| n.strip_suffix(':'));
                names.extend(name.map(|name| (kind, name.to_owned())));
            }
        }
        Self {
            taken: names,
            last: BTreeMap::new(),
        }
    }

    /// Whether the name is taken, or it and a taken one begin each other up to a colon.
    fn has(&self, kind: Local, name: &str) -> bool {
        let colons = name.match_indices(':').map(|(at, _)| at);
        let begins = colons.filter_map(|at| name.get(..at));
        let longer = format!("{name}:");
        self.taken.contains(&(kind, name.to_owned()))
            || begins
                .into_iter()
                .any(|begin| self.taken.contains(&(kind, begin.to_owned())))
            || self
                .taken
                .range((kind, longer.clone())..)
                .next()
                .is_some_and(|(k, next)| *k == kind && next.starts_with(&longer))
    }

    /// The name with the number at its end counted up until it is free; taken from then on.
    fn next(&mut self, kind: Local, name: &str) -> String {
        let digits = name
            .bytes()
            .rev()
            .take_while(u8::is_ascii_digit)
            .count()
            .min(9);
        let (stem, number) = name.split_at(name.len() - digits);
        let (stem, mut number) = match number.parse::<u64>() {
            Ok(number) => (stem.to_owned(), number),
            Err(_) => (format!("{name}-"), 1),
        };
        let place = (kind, stem.clone());
        number = number.max(self.last.get(&place).copied().unwrap_or(0));
        loop {
            number += 1;
            let next = format!("{stem}{number:0digits$}");
            if !self.has(kind, &next) {
                self.last.insert(place, number);
                self.taken.insert((kind, next.clone()));
                return next;
            }
        }
    }
}

/// One change of every entry, as a file for all servers; no step when it changes nothing.
fn roll(
    planner: &mut Planner<'_>,
    jobs: &[Job],
    change: fn(&mut DraftEntry, &Writer),
    told: Told,
) -> Result<(), PlanError> {
    let base = planner.text.clone().unwrap_or_default();
    let before = Draft::read(&base)?;
    let mut draft = before.clone();
    for job in jobs {
        if let Some(entry) = draft.entries.get_mut(job.entry) {
            change(entry, &job.writer);
        }
    }
    if draft == before {
        return Ok(());
    }
    let written = write(&draft, &base)?;
    planner.rollout(told, Some(written))
}

fn first_keys(entry: &mut DraftEntry) -> Option<&mut Vec<DraftKey>> {
    match &mut entry.providers.first_mut()?.kind {
        DraftKind::Local(_, keys) => Some(keys),
        _ => None,
    }
}

fn identity(entry: &DraftEntry) -> Option<usize> {
    entry
        .providers
        .iter()
        .position(|p| p.kind == DraftKind::Identity)
}

fn add(entry: &mut DraftEntry, writer: &Writer) {
    match writer {
        Writer::Key(key) => {
            if let Some(keys) = first_keys(entry) {
                keys.insert(1, key.clone());
            }
        }
        Writer::Provider(provider) => entry.providers.insert(1, provider.clone()),
        Writer::Identity if identity(entry).is_none() => {
            entry
                .providers
                .push(DraftProvider::new(DraftKind::Identity));
        }
        Writer::Identity | Writer::Kek(_) => {}
    }
}

fn promote(entry: &mut DraftEntry, writer: &Writer) {
    match writer {
        Writer::Key(_) => {
            if let Some(keys) = first_keys(entry) {
                keys.swap(0, 1);
            }
        }
        Writer::Provider(_) => entry.providers.swap(0, 1),
        Writer::Identity => {
            if let Some(at) = identity(entry) {
                let provider = entry.providers.remove(at);
                entry.providers.insert(0, provider);
            }
        }
        Writer::Kek(_) => {}
    }
}

fn remove(entry: &mut DraftEntry, writer: &Writer) {
    match writer {
        Writer::Key(_) => {
            if let Some(keys) = first_keys(entry) {
                keys.remove(1);
            }
        }
        // What was plain text before stays readable: taking identity away is a decision of its own.
        Writer::Provider(_) => {
            if entry
                .providers
                .get(1)
                .is_some_and(|p| p.kind != DraftKind::Identity)
            {
                entry.providers.remove(1);
            }
        }
        Writer::Identity => entry.providers.truncate(1),
        Writer::Kek(_) => {}
    }
}
