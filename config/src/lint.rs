//! Advice that kube-apiserver never gives: one rule for each mistake, with its reason, its cure and its source.

mod context;
mod file;
mod fix;
mod identity;
mod keys;
mod kms;
mod kms_socket;
mod known_keys;
mod refused;
mod resources;
mod suppress;

use core::fmt;

use crate::load::load;
use crate::manifest::rules as manifest;
use crate::span::Span;
use crate::verdict::Options;
use context::Context;

pub(crate) use context::socket_of;
pub use fix::{Edit, Fix, Safety};
pub(crate) use fix::{block_element_lines, line_start};
pub(crate) use keys::weakness;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Likely to hurt.
    Warning,
    /// Data exposed or lost, or the server will not start.
    Error,
}

impl Severity {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What has to be known for a rule to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// The text of a configuration.
    Text,
    /// Facts about its file besides: [`FileFacts`].
    FileFacts,
    /// The text of a manifest.
    Manifest,
    /// A manifest and the configuration that it names.
    ManifestAndConfiguration,
}

impl Needs {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::FileFacts => "file-facts",
            Self::Manifest => "manifest",
            Self::ManifestAndConfiguration => "manifest-and-configuration",
        }
    }
}

/// One rule; documentation and `explain` are made from it.
#[non_exhaustive]
pub struct Rule {
    /// Such as `K8E001`; never used for another rule.
    pub code: &'static str,
    /// A short name for people.
    pub name: &'static str,
    /// The usual severity; single findings may be milder.
    pub severity: Severity,
    /// Whether some of its findings come with a change that cures them.
    pub fixable: bool,
    /// What it judges by.
    pub needs: Needs,
    /// What it finds.
    pub finds: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// What kube-apiserver says of it.
    pub upstream: &'static str,
    /// Where this is said or seen.
    pub source: &'static str,
    pub(crate) check: fn(&Context<'_>, &mut Report),
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({} {})", self.code, self.name)
    }
}

/// The rule as a page of text.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} ({})", self.code, self.name, self.severity.name())?;
        for (heading, text) in [
            ("What it finds", self.finds),
            ("Why it matters", self.why),
            ("Fix", self.fix),
            ("kube-apiserver says", self.upstream),
            ("Source", self.source),
        ] {
            write!(f, "\n{heading}\n    {text}\n")?;
        }
        Ok(())
    }
}

/// One finding in one file. It never holds a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The rule.
    pub code: &'static str,
    /// The rule's name.
    pub name: &'static str,
    /// How bad this one is.
    pub severity: Severity,
    /// What was found here.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Other places that belong to it, each with a few words.
    pub related: Vec<(Span, String)>,
    /// kube-apiserver's own text, when it refuses the file for this.
    pub upstream: Option<String>,
    /// A change that cures it.
    pub fix: Option<Fix>,
}

/// Where a change of providers stands; what a file cannot say by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    /// Encryption was just switched on: older objects are still plain text.
    Encrypting,
    /// Every object has been rewritten.
    Done,
    /// Encryption is being switched off on purpose.
    Decrypting,
}

/// What is known of the file besides its text.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct FileFacts {
    /// Unix permission bits.
    pub mode: Option<u32>,
    /// Whether the API server's user owns it.
    pub owned_by_server: Option<bool>,
    /// Whether others may write to its directory.
    pub directory_writable_by_others: Option<bool>,
    /// Whether it lies in a version-controlled tree, a ConfigMap or a path that pods can read.
    pub shared: Option<bool>,
}

/// What the advice depends on besides the file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LintOptions {
    /// The server.
    pub server: Options,
    /// Where a change of providers stands, if known.
    pub migration: Option<Migration>,
    /// Facts about the file.
    pub file: FileFacts,
}

/// Findings while they are collected.
#[derive(Default)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    /// The one that may still be completed.
    last: Option<Finding>,
}

impl Report {
    /// Adds a finding of the rule's usual severity and gives it back to be completed.
    pub(crate) fn add(&mut self, rule: &'static Rule, span: Span, message: String) -> &mut Finding {
        let finding = Finding {
            code: rule.code,
            name: rule.name,
            severity: rule.severity,
            message,
            span,
            related: Vec::new(),
            upstream: None,
            fix: None,
        };
        self.findings.extend(self.last.take());
        self.last.insert(finding)
    }

    pub(crate) fn done(mut self) -> Vec<Finding> {
        self.findings.extend(self.last);
        self.findings
    }
}

/// All rules, by code.
const RULES: &[&Rule] = &[
    &identity::IDENTITY_FIRST,
    &identity::IDENTITY_ONLY,
    &identity::NO_IDENTITY,
    &identity::IDENTITY_KEPT,
    &identity::IDENTITY_MIDDLE,
    &keys::AESCBC_WRITES,
    &keys::AESGCM_WRITES,
    &keys::SHORT_AES_KEY,
    &keys::KEY_REUSED,
    &keys::KEY_NAME_TWICE,
    &keys::KEY_NAME_PREFIX,
    &keys::KNOWN_KEY,
    &keys::WEAK_KEY,
    &keys::TEXT_KEY,
    &keys::LOCAL_KEY_BESIDE_KMS,
    &kms::KMS_V1,
    &kms::CACHESIZE_ON_V2,
    &kms::V1_CACHE_SMALL,
    &kms::SINGLE_READER,
    &kms::TIMEOUT,
    &kms::TIMEOUT_SUM,
    &kms_socket::SHARED_ENDPOINT,
    &kms::MANY_BLOCKS,
    &kms_socket::ABSTRACT_SOCKET,
    &kms_socket::WORLD_WRITABLE_SOCKET,
    &resources::MATCHES_NOTHING,
    &resources::SECRETS_NOT_COVERED,
    &resources::MASKED,
    &resources::BUSY_RESOURCES,
    &kms_socket::ENDPOINT_PATH,
    &resources::MERGED,
    &file::MORE_DOCUMENTS,
    &file::LEGACY_KIND,
    &kms::MIXED_VERSIONS,
    &kms::V2_THEN_V1,
    &file::FILE_MODE,
    &file::FILE_SHARED,
    &file::RELEASE,
    &kms::AUTHORITY,
    &keys::PLACEHOLDER,
    &file::AMBIGUOUS_KEY,
    &refused::REFUSED,
    &suppress::NO_REASON,
    &suppress::UNUSED,
    &manifest::NO_FLAG,
    &manifest::SEVERAL_FLAGS,
    &manifest::OLD_FLAG,
    &manifest::RELOAD_ALONE,
    &manifest::FILE_NOT_MOUNTED,
    &manifest::SOCKET_NOT_MOUNTED,
    &manifest::FILE_MOUNT_RELOAD,
    &manifest::CREATED_EMPTY,
    &manifest::READ_ONLY_SPELLING,
    &manifest::MOUNT_WRITABLE,
    &manifest::PLUGIN_NOT_STATIC,
    &manifest::IMAGE_FLOATS,
    &manifest::TWO_OWNERS,
    &manifest::ARGS_FORM,
    &manifest::KEYS_IN_OBJECT,
];

/// Of the rule on the form from before 1.13.
pub(crate) const LEGACY_KIND_CODE: &str = "K8E033";

/// Whether a configuration holds a key that could be used.
pub(crate) fn is_local_key_file(text: &[u8]) -> bool {
    let options = LintOptions::default();
    let loaded = load(text, &options.server);
    let context = Context::new(text, &loaded, &options);
    context.keys.iter().any(|k| k.bytes.is_some())
}

/// All rules, by code.
#[must_use]
pub fn rules() -> &'static [&'static Rule] {
    RULES
}

/// The rule with a code such as `K8E001`, in any case.
#[must_use]
pub fn explain(code: &str) -> Option<&'static Rule> {
    RULES
        .iter()
        .copied()
        .find(|r| r.code.eq_ignore_ascii_case(code))
}

/// The check of a rule whose findings are made where its facts are.
pub(crate) const fn elsewhere(_: &Context<'_>, _: &mut Report) {}

/// Judges a file by every rule: the worst findings first, then in file order.
#[must_use]
pub fn lint(text: &[u8], options: &LintOptions) -> Vec<Finding> {
    let mut findings = find(text, options);
    finish(&String::from_utf8_lossy(text), &mut findings);
    findings
}

/// What the rules find, before anything is silenced.
pub(crate) fn find(text: &[u8], options: &LintOptions) -> Vec<Finding> {
    let loaded = load(text, &options.server);
    let context = Context::new(text, &loaded, options);
    let mut report = Report::default();
    for rule in RULES {
        (rule.check)(&context, &mut report);
    }
    let mut findings = report.done();
    fix::keep_sound(
        &mut findings,
        (text, &context.text),
        options,
        &context.verdict,
    );
    findings
}

/// Silences what the text silences, and sorts.
pub(crate) fn finish(text: &str, findings: &mut Vec<Finding>) {
    let mut report = Report::default();
    suppress::apply(text, findings, &mut report);
    findings.extend(report.done());
    findings.sort_by_key(|f| (core::cmp::Reverse(f.severity), f.span, f.code));
}
