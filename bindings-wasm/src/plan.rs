//! Plans: from a goal, or from one file to another, to steps that the model lets pass.

use k8senc_config::plan::{
    Goal, Plan as Inner, PlanError, PlanOptions, plan, plan_change, plan_converge,
};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use crate::answer::json;
use crate::failure::Failure;
use crate::options::{read, version};
use crate::transition::{Stored, inventory};

/// Steps, each of them checked. The files of the steps hold keys, so they are no part of the JSON.
#[wasm_bindgen]
pub struct Plan(Inner);

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    servers: Option<usize>,
    reload: bool,
    version: Option<String>,
    stored: Option<Vec<Stored>>,
    resources: Vec<String>,
    plugin_delay_seconds: u64,
    disabled_key_ids: Vec<String>,
    rewrite_after_seconds: Option<u64>,
    path: Option<String>,
    kept: bool,
}

impl Asked {
    fn options(self) -> Result<PlanOptions, Failure> {
        let mut options = PlanOptions::default();
        options.servers = self.servers.unwrap_or(options.servers);
        options.reload = self.reload;
        options.version = version(self.version.as_deref())?;
        options.stored = inventory(self.stored);
        options.resources = self.resources;
        options.plugin_delay_seconds = self.plugin_delay_seconds;
        options.disabled_key_ids = self.disabled_key_ids;
        options.rewrite_after_seconds = self.rewrite_after_seconds;
        options.path = self.path.unwrap_or(options.path);
        options.kept = self.kept;
        Ok(options)
    }
}

fn failed(error: &PlanError) -> Failure {
    Failure::usage(error.code(), error.to_string())
}

fn utf8(text: &[u8]) -> Result<&str, Failure> {
    core::str::from_utf8(text).map_err(|_| Failure::usage("file-refused", "the file is not UTF-8"))
}

#[wasm_bindgen]
impl Plan {
    /// The steps towards a goal such as `rotate-key`. `random` is at least 32 fresh bytes for each key that is made.
    ///
    /// # Errors
    /// A goal that does not fit the file.
    #[wasm_bindgen(js_name = forGoal)]
    pub fn for_goal(
        text: Vec<u8>,
        goal: &str,
        options: &str,
        random: Vec<u8>,
    ) -> Result<Plan, Failure> {
        let goal: Goal = goal.parse().map_err(|error| failed(&error))?;
        let options = read::<Asked>(options)?.options()?;
        let (mut left, mut short) = (random.as_slice(), false);
        let mut draw = |buffer: &mut [u8]| match left.split_at_checked(buffer.len()) {
            Some((head, rest)) => {
                buffer.copy_from_slice(head);
                left = rest;
            }
            None => short = true,
        };
        let made = plan(utf8(&text)?, &goal, &options, &mut draw).map_err(|error| failed(&error));
        if short {
            return Err(Failure::usage(
                "random-too-short",
                "the plan makes more keys than random bytes were given for",
            ));
        }
        made.map(Self)
    }

    /// From one file to another; an absent one is no file.
    ///
    /// # Errors
    /// When the old file is refused.
    pub fn change(
        old: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
        options: &str,
    ) -> Result<Plan, Failure> {
        let options = read::<Asked>(options)?.options()?;
        let old = old.as_deref().map(utf8).transpose()?;
        let new = new.as_deref().map(utf8).transpose()?;
        plan_change(old, new, &options)
            .map(Self)
            .map_err(|error| failed(&error))
    }

    /// From two files in use at once to one.
    ///
    /// # Errors
    /// When one of them is refused.
    pub fn converge(one: Vec<u8>, other: Vec<u8>, options: &str) -> Result<Plan, Failure> {
        let options = read::<Asked>(options)?.options()?;
        plan_converge(utf8(&one)?, utf8(&other)?, &options)
            .map(Self)
            .map_err(|error| failed(&error))
    }

    /// The plan without its files.
    pub fn json(&self) -> String {
        json(&self.0)
    }

    /// The file of a step (from 1), with its keys.
    pub fn file(&self, step: usize) -> Option<String> {
        let step = self.0.steps.iter().find(|it| it.number == step)?;
        Some(step.file.as_ref()?.text.as_str().to_owned())
    }
}
