//! From one configuration to another on running servers.

use std::collections::BTreeMap;

use k8senc_config::{Count, Event, Facts, GroupResource, Inventory, Reader, Rollout, hazards};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::answer::json;
use crate::config::Config;
use crate::failure::Failure;
use crate::options::read;

#[derive(Serialize)]
struct ReaderAnswer {
    prefix: String,
    fingerprint: Option<String>,
    text: String,
}

impl From<&Reader> for ReaderAnswer {
    fn from(reader: &Reader) -> Self {
        Self {
            prefix: reader.prefix.clone(),
            fingerprint: reader.fingerprint.as_ref().map(ToString::to_string),
            text: reader.to_string(),
        }
    }
}

/// Values of one resource that begin alike, as an audit counts them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Stored {
    resource: String,
    prefix: String,
    live: u64,
    #[serde(default)]
    history: u64,
}

pub(crate) fn inventory(stored: Option<Vec<Stored>>) -> Option<Inventory> {
    let mut inventory = Inventory::new();
    for it in stored? {
        let count = Count {
            live: it.live,
            history: it.history,
        };
        inventory.add(GroupResource::parse(&it.resource), &it.prefix, count);
    }
    Some(inventory)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct HazardOptions {
    servers: Option<usize>,
    reload: bool,
    decrypting: bool,
    stored: Option<Vec<Stored>>,
    hashes: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RolloutOptions {
    servers: Option<usize>,
    reload: bool,
    outage: bool,
    stored: Option<Vec<Stored>>,
}

#[derive(Serialize)]
struct HazardAnswer {
    code: &'static str,
    severity: &'static str,
    resource: Option<String>,
    message: String,
    advice: &'static str,
    old: Vec<String>,
    new: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventAnswer {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reader: Option<ReaderAnswer>,
    text: String,
}

impl From<&Event> for EventAnswer {
    fn from(event: &Event) -> Self {
        let (name, server, reader) = match event {
            Event::Takes(server) => ("takes", Some(*server), None),
            Event::Writes(server, writer) => ("writes", Some(*server), Some(writer)),
            Event::Restarts(server) => ("restarts", Some(*server), None),
            Event::Down(kms) => ("down", None, Some(kms)),
            Event::Back(kms) => ("back", None, Some(kms)),
            _ => ("other", None, None),
        };
        Self {
            event: name,
            server,
            reader: reader.map(Into::into),
            text: event.to_string(),
        }
    }
}

#[derive(Serialize)]
struct Safe {
    ok: bool,
    states: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unsafe {
    ok: bool,
    resource: String,
    events: Vec<EventAnswer>,
    server: usize,
    on_new: bool,
    value: ReaderAnswer,
    why: &'static str,
    text: String,
}

#[wasm_bindgen]
impl Config {
    /// What is wrong with a change to `newer`, or to no configuration at all; worst first.
    ///
    /// # Errors
    /// Options that do not exist.
    pub fn hazards(&self, newer: Option<Config>, options: &str) -> Result<String, Failure> {
        let options: HazardOptions = read(options)?;
        let mut facts = Facts::default();
        facts.servers = options.servers.unwrap_or(facts.servers);
        facts.reload = options.reload;
        facts.decrypting = options.decrypting;
        facts.stored = inventory(options.stored);
        facts.hashes = options.hashes;
        let newer = newer.as_ref().map(|config| &*config.0);
        let found = hazards(&self.0, newer, &facts)
            .into_iter()
            .map(|it| HazardAnswer {
                code: it.code,
                severity: it.severity.name(),
                resource: it.resource.map(|resource| resource.to_string()),
                message: it.message,
                advice: it.advice,
                old: it.old,
                new: it.new,
            });
        Ok(json(&found.collect::<Vec<_>>()))
    }

    /// Whether servers can go from here to `newer` one by one without a read that fails; if not, the shortest story.
    ///
    /// # Errors
    /// Options that do not exist.
    pub fn transition(&self, newer: &Config, options: &str) -> Result<String, Failure> {
        let options: RolloutOptions = read(options)?;
        let stored = inventory(options.stored);
        let mut rollout = Rollout::new(&self.0, &newer.0);
        rollout.servers = options.servers.unwrap_or(rollout.servers);
        rollout.reload = options.reload;
        rollout.outage = options.outage;
        rollout.stored = stored.as_ref();
        Ok(match rollout.check() {
            Ok(states) => json(&Safe { ok: true, states }),
            Err(found) => json(&Unsafe {
                ok: false,
                resource: found.resource.to_string(),
                events: found.events.iter().map(EventAnswer::from).collect(),
                server: found.server,
                on_new: found.on_new,
                value: (&found.value).into(),
                why: found.why.text(),
                text: found.to_string(),
            }),
        })
    }
}
