//! The JSON reports of configurations. Field names are for ever; fields may be added.

use k8senc_config::{Config, KmsVersion, Lines, Safety, Span};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verdict<'a> {
    ok: bool,
    stage: Option<&'static str>,
    upstream: Option<&'a str>,
    exact: bool,
    redacted: bool,
    problems: Vec<Problem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    code: &'static str,
    field: &'a str,
    message: &'a str,
    upstream: &'a str,
    redacted: bool,
    place: Option<Place>,
    related: Vec<Place>,
}

/// A span in bytes of the text, and its start as people count it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    start: usize,
    end: usize,
    line: usize,
    column: usize,
}

impl Place {
    fn new(span: Span, lines: Option<&Lines<'_>>) -> Option<Self> {
        let at = lines?.position(span.start);
        Some(Self {
            start: span.start,
            end: span.end,
            line: at.line,
            column: at.column,
        })
    }
}

impl<'a> Verdict<'a> {
    pub(crate) fn new(verdict: &'a k8senc_config::Verdict, lines: Option<&Lines<'_>>) -> Self {
        let problems = verdict.problems.iter().map(|problem| Problem {
            code: problem.code,
            field: &problem.field,
            message: &problem.ours,
            upstream: &problem.upstream,
            redacted: problem.redacted,
            place: Place::new(problem.span, lines),
            related: problem
                .related
                .iter()
                .filter_map(|&span| Place::new(span, lines))
                .collect(),
        });
        Self {
            ok: verdict.ok,
            stage: verdict.stage.map(k8senc_config::Stage::name),
            upstream: verdict.upstream.as_deref(),
            exact: verdict.exact,
            redacted: verdict.redacted,
            problems: problems.collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding<'a> {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    message: &'a str,
    place: Option<Place>,
    related: Vec<Related<'a>>,
    upstream: Option<&'a str>,
    fix: Option<Fix<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Related<'a> {
    place: Option<Place>,
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fix<'a> {
    title: &'a str,
    /// Whether it may be applied without asking.
    safe: bool,
    edits: Vec<Edit<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edit<'a> {
    start: usize,
    end: usize,
    text: &'a str,
}

impl<'a> Finding<'a> {
    pub(crate) fn new(finding: &'a k8senc_config::Finding, lines: Option<&Lines<'_>>) -> Self {
        let related = finding.related.iter().map(|(span, text)| Related {
            place: Place::new(*span, lines),
            text,
        });
        let fix = finding.fix.as_ref().map(|fix| Fix {
            title: &fix.title,
            safe: fix.safety == Safety::Safe,
            edits: fix
                .edits
                .iter()
                .map(|edit| Edit {
                    start: edit.span.start,
                    end: edit.span.end,
                    text: &edit.text,
                })
                .collect(),
        });
        Self {
            code: finding.code,
            name: finding.name,
            severity: finding.severity.name(),
            message: &finding.message,
            place: Place::new(finding.span, lines),
            related: related.collect(),
            upstream: finding.upstream.as_deref(),
            fix,
        }
    }
}

/// What a configuration is made of, without its keys.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description<'a> {
    content_hash: &'a str,
    rules: Vec<Rule>,
    kms: Vec<Kms<'a>>,
    health_checks: Vec<String>,
    grace_period: String,
    grace_period_nanos: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    /// As the configuration names it.
    resource: String,
    /// What stored values begin with, in the chain's order; the first one writes; empty for identity.
    prefixes: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kms<'a> {
    name: &'a str,
    api: u32,
    endpoint: &'a str,
    socket: &'a str,
    timeout_nanos: i64,
    cache_size: Option<i32>,
}

impl<'a> Description<'a> {
    pub(crate) fn new(config: &'a Config, reload: bool) -> Self {
        let rules = config.rules().map(|(rule, providers)| Rule {
            resource: rule.to_string(),
            prefixes: providers.iter().flat_map(|p| p.prefixes()).collect(),
        });
        let kms = config.kms_blocks().map(|block| Kms {
            name: &block.name,
            api: match block.version {
                KmsVersion::V1 => 1,
                KmsVersion::V2 => 2,
            },
            endpoint: &block.endpoint,
            socket: &block.socket,
            timeout_nanos: block.timeout_nanos,
            cache_size: block.cache_size,
        });
        Self {
            content_hash: config.content_hash(),
            rules: rules.collect(),
            kms: kms.collect(),
            health_checks: config.health_checks(reload),
            grace_period: config.grace_period(),
            grace_period_nanos: config.grace_period_nanos(),
        }
    }
}
