//! From a goal to ordered steps, each of them tried in the model of [`Rollout`](crate::Rollout) before it is shown.
//!
//! Nothing here reads files, clocks or random sources: texts, counts and random bytes are arguments.

mod commands;
mod draft;
mod edit;
mod goal;
mod outage;
mod pair;
mod planner;
mod replace;
mod rewrite;
mod shown;
mod size;

use core::fmt;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::transition::{Inventory, Replacement, RewriteBy};
use crate::verdict::Options;
use crate::version::Version;

pub use draft::Local;
pub use goal::Goal;
pub use pair::{plan_change, plan_converge};
pub use size::{Growth, Sealing, stored_len};

/// What a plan depends on besides files and goal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlanOptions {
    /// API servers that share the etcd. 2 unless set.
    pub servers: usize,
    /// Whether they run with automatic reload. Off unless set.
    pub reload: bool,
    /// Their release. The newest known one unless set.
    pub version: Version,
    /// What is stored; without it, whatever the file reads may be.
    pub stored: Option<Inventory>,
    /// The rules to change; all that the goal fits unless set.
    pub resources: Vec<String>,
    /// Seconds that KMS plugins take to see a new KEK. 0 unless set.
    pub plugin_delay_seconds: u64,
    /// KMS v2 key_ids whose KEK is to be disabled.
    pub disabled_key_ids: Vec<String>,
    /// Seconds between the change and the rewrite, where somebody has decided so.
    pub rewrite_after_seconds: Option<u64>,
    /// How objects are rewritten, where somebody has decided so.
    pub rewrite_by: Option<RewriteBy>,
    /// How the file is put in place, where somebody has decided so.
    pub replacement: Option<Replacement>,
    /// Where the servers have the file.
    pub path: String,
    /// Whether the files of the plan are kept, so that their new keys have fingerprints worth showing. Off unless set.
    pub kept: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            servers: 2,
            reload: false,
            version: Version::LATEST,
            stored: None,
            resources: Vec::new(),
            plugin_delay_seconds: 0,
            disabled_key_ids: Vec::new(),
            rewrite_after_seconds: None,
            rewrite_by: None,
            replacement: None,
            path: "/etc/kubernetes/enc/encryption-config.yaml".to_owned(),
            kept: false,
        }
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    code: &'static str,
    message: String,
}

impl PlanError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The stable name of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for PlanError {}

/// Steps towards a goal. Its JSON form holds no key; the files of the steps are left out of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Plan {
    /// Of the JSON form: 1.
    pub format: u32,
    /// `k8senc-plan`.
    pub kind: &'static str,
    /// As it was asked for.
    pub goal: String,
    /// In one line.
    pub title: String,
    /// How many servers the steps are for.
    pub servers: usize,
    /// Whether they reload by themselves.
    pub reload: bool,
    /// Their release.
    pub kubernetes: String,
    /// Whether what is stored was counted.
    pub counted: bool,
    /// Whether nothing that was checked fails: the change from file to file if two were given, and every step.
    pub ok: bool,
    /// The change from the one file to the other in one go, if two were given.
    pub direct: Option<Check>,
    /// What is wrong with that change, or good to know of it; worst first.
    pub hazards: Vec<PlanHazard>,
    /// Who reads what of whom, for two files in use at once.
    pub matrix: Vec<Cell>,
    /// In order.
    pub steps: Vec<Step>,
    /// The last step after which the first file can still be put back at once, unless there is none.
    pub last_way_back: Option<usize>,
    /// What the target format costs in etcd.
    pub growth: Vec<Growth>,
    /// What else should be known.
    pub notes: Vec<String>,
}

impl Plan {
    /// The exit code that a command gives it: 1 when something that was checked fails, else 0.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 1 }
    }
}

/// One step.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Step {
    /// From 1.
    pub number: usize,
    /// Short and stable, such as `add-reader`, `promote`, `rewrite`.
    pub name: &'static str,
    /// What is done.
    pub title: String,
    /// Why, and why now.
    pub why: String,
    /// The file that all servers get.
    pub file: Option<File>,
    /// What to run, in order.
    pub commands: Vec<Command>,
    /// How to see that it is done.
    pub checks: Vec<Sign>,
    /// How to go back.
    pub back: Back,
    /// What the model says of the way from the file before.
    pub checked: Option<Check>,
    /// Warnings and errors of the change in this step.
    pub hazards: Vec<PlanHazard>,
}

/// A file of a step.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct File {
    /// Such as `step-01-add-reader.yaml`; none when the file is taken away.
    pub name: Option<String>,
    /// Against the file before, keys replaced by name and fingerprint.
    pub diff: String,
    /// Whether layout and comments of the first file are kept.
    pub layout_kept: bool,
    /// The file, with its keys.
    #[serde(skip)]
    pub text: Zeroizing<String>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "File({:?}, {} bytes, redacted)",
            self.name,
            self.text.len()
        )
    }
}

/// Something to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Command {
    /// Where, such as `each server, one after the other`.
    pub place: &'static str,
    /// For which kind of set-up, if not for all: `static pod`, `systemd`.
    pub variant: Option<&'static str>,
    /// For a shell.
    pub text: String,
}

/// How to see that something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sign {
    /// What there is to see.
    pub what: String,
    /// What shows it, for a shell, if anything does.
    pub command: Option<String>,
}

impl Sign {
    pub(super) fn of(what: impl Into<String>, command: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            command: Some(command.into()),
        }
    }

    pub(super) fn seen(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            command: None,
        }
    }
}

/// Whether and how a step can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Back {
    /// Whether putting back the file before this step leaves everything readable, as the model has it.
    pub safe: bool,
    /// In words.
    pub how: String,
}

/// What the model says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Check {
    /// Whether every server reads every value in every state that can be reached.
    pub ok: bool,
    /// States that were looked at; 0 when one was found that fails.
    pub states: usize,
    /// The shortest way to a read that fails, in words.
    pub counterexample: Option<String>,
    /// What an outage of a KMS during this step would do, in words; none when nothing.
    pub outage: Option<String>,
}

/// A [`Hazard`](crate::Hazard) for reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanHazard {
    /// `K8D01` to `K8D20`.
    pub code: &'static str,
    /// `error`, `warning` or `info`.
    pub severity: &'static str,
    /// The resource or rule, unless it concerns all.
    pub resource: Option<String>,
    /// What was found.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
    /// Where in the old file.
    pub old: Vec<String>,
    /// Where in the new file.
    pub new: Vec<String>,
}

/// Whether a server with one file reads what a server with another one writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Cell {
    /// A resource or rule.
    pub resource: String,
    /// `A` or `B`: whose file writes.
    pub writes: &'static str,
    /// With what.
    pub with: String,
    /// `A` or `B`: whose file reads.
    pub reads: &'static str,
    /// Why not, unless it can.
    pub why_not: Option<String>,
}

/// The steps from one file to a goal. `random` fills a buffer from the operating system's random source.
///
/// # Errors
/// When the file is refused, or the goal does not fit it.
pub fn plan(
    current: &str,
    goal: &Goal,
    options: &PlanOptions,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<Plan, PlanError> {
    let mut planner = planner::Planner::new(current, options)?;
    match goal {
        Goal::BreakGlass { kms } => outage::plan(&mut planner, kms.as_deref())?,
        goal => replace::plan(&mut planner, goal, random)?,
    }
    planner.finish(goal.to_string(), goal.title())
}

/// A file as the servers read it. The gate of KMS v1 is left to their operator.
pub(super) fn parse(text: &str, options: &PlanOptions) -> Result<Config, PlanError> {
    let server = Options {
        version: options.version,
        reload: options.reload,
        kmsv1: Some(true),
        ..Options::default()
    };
    Config::parse_as(text.as_bytes(), &server)
        .map_err(|refused| PlanError::new("file-refused", refused.to_string()))
}
