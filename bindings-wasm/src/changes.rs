//! How one configuration differs from another.

use k8senc_config::Change;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::json;
use crate::config::Config;

#[derive(Serialize)]
struct ChangeAnswer {
    change: &'static str,
    rule: Option<String>,
    text: String,
}

impl From<&Change> for ChangeAnswer {
    fn from(change: &Change) -> Self {
        let (name, rule) = match change {
            Change::RuleAdded(rule) => ("rule-added", Some(rule)),
            Change::RuleRemoved(rule) => ("rule-removed", Some(rule)),
            Change::Writer { rule, .. } => ("writer", Some(rule)),
            Change::ReaderAdded { rule, .. } => ("reader-added", Some(rule)),
            Change::ReaderRemoved { rule, .. } => ("reader-removed", Some(rule)),
            Change::KeyReplaced { rule, .. } => ("key-replaced", Some(rule)),
            Change::Order(rule) => ("order", Some(rule)),
            Change::Kms { .. } => ("kms", None),
            _ => ("other", None),
        };
        Self {
            change: name,
            rule: rule.map(ToString::to_string),
            text: change.to_string(),
        }
    }
}

#[wasm_bindgen]
impl Config {
    /// What `newer` does differently.
    pub fn changes(&self, newer: &Config) -> String {
        let changes = self.0.changes(&newer.0);
        json(&changes.iter().map(ChangeAnswer::from).collect::<Vec<_>>())
    }

    /// Another handle of the same configuration.
    pub fn share(&self) -> Config {
        Config(self.0.clone())
    }
}
