//! EncryptionConfiguration: what kube-apiserver says of a file, and what it makes of it.
//!
//! A file goes through the steps kube-apiserver takes: text to tree ([`Span`]s kept), strict decode, defaulting,
//! field rules, and the checks made while transformers are built. [`validate`] gives the verdict of a given
//! release with the exact text it would print.

mod builtin;
mod chain;
mod config;
mod coverage;
mod decode;
mod diff;
mod errors;
mod golang;
mod hash;
mod kind;
mod lint;
mod load;
mod manifest;
mod model;
mod outline;
pub mod plan;
mod provider_json;
mod redact;
mod resource;
mod secrets;
mod snippet;
mod span;
mod suggest;
mod transition;
mod tree;
mod validate;
mod verdict;
mod version;

pub use builtin::{ApiResource, Matches, resources, what_matches};
pub use config::{
    Config, ConfigError, Entry, KmsBlock, KmsVersion, Match, NamedKey, Provider, Reason,
};
pub use coverage::{Coverage, FailureMode, Moment, Outcome, Unreached};
pub use diff::{Change, Fingerprint, Reader, fingerprint};
pub use errors::{
    ERROR_CODES, ErrorAdvice, ErrorCode, HAZARD_CODES, HazardCode, error_texts, explain_error,
};
pub use lint::{
    Edit, FileFacts, Finding, Fix, LintOptions, Migration, Needs, Rule, Safety, Severity, explain,
    lint, rules,
};
pub use load::validate;
pub use manifest::{Embedded, Form, Manifest, Reference, lint_manifest};
pub use outline::{EntryPlaces, ProviderPlaces, outline};
pub use redact::{Unsure, redact};
pub use resource::GroupResource;
pub use secrets::secrets;
pub use snippet::Snippet;
pub use span::{Lines, Position, Span};
pub use transition::{
    Count, Counterexample, Event, Facts, Hazard, Inventory, Replacement, RewriteBy, Rollout,
    UnknownProvider, Unreadable, hazards, refused,
};
pub use verdict::{Options, Problem, Stage, Verdict};
pub use version::{UnknownVersion, Version};
