//! Which resources the rules reach.

use std::collections::BTreeMap;

use super::context::is_identity;
use super::fix::{Fix, Safety};
use super::{Needs, Rule, Severity};
use crate::builtin::{Matches, what_matches};
use crate::resource::GroupResource;
use crate::span::Span;

/// A name as the file writes it: in its quotes, if it had some.
fn quoted_like(text: &str, span: Span, name: &str) -> String {
    match span.of(text).and_then(|raw| raw.chars().next()) {
        Some(quote @ ('"' | '\'')) => format!("{quote}{name}{quote}"),
        _ if name.starts_with('*') => format!("'{name}'"),
        _ => name.to_owned(),
    }
}

pub(crate) static MATCHES_NOTHING: Rule = Rule {
    code: "K8E026",
    name: "matches-nothing",
    severity: Severity::Error,
    fixable: true,
    needs: Needs::Text,
    finds: "a name that matches no resource: a kind, a singular, a short name, a subresource, a missing or wrong group, a half wildcard.",
    why: "The API server accepts any name. The rule then does nothing and the objects stay plain text.",
    fix: "Use the plural lower-case name with its group, as kubectl api-resources prints it: secrets, deployments.apps.",
    upstream: "Nothing: any name without capitals is accepted.",
    source: "k8s.io/apiserver, validation_encryption.go: names are not looked up",
    check: |c, report| {
        // The same name costs once.
        let mut judged: BTreeMap<&str, Matches> = BTreeMap::new();
        for entry in c.entries {
            for leaf in entry.names() {
                let name = leaf.text.as_str();
                let span = leaf.span.unwrap_or(entry.span);
                let lower = name.to_lowercase();
                let matches = judged
                    .entry(name)
                    .or_insert_with(|| what_matches(name, c.version()));
                let (meant, severity, message) = match matches {
                    Matches::BuiltIn | Matches::Custom => continue,
                    Matches::OtherRelease(found) => {
                        let range = match found.until {
                            Some(until) => format!("from {} to before {until}", found.since),
                            None => format!("from {} on", found.since),
                        };
                        let message = format!("{name} exists {range}, not in {}", c.version());
                        (None, Severity::Warning, message)
                    }
                    Matches::Nothing(Some(meant)) => {
                        let message = format!("{name} matches nothing; did you mean {meant}?");
                        (Some(meant.clone()), Severity::Error, message)
                    }
                    Matches::Nothing(None) => {
                        let message = format!("{name:?} matches no built-in resource");
                        (None, Severity::Warning, message)
                    }
                };
                let fix = meant.filter(|_| leaf.span.is_some()).map(|meant| {
                    let safety = if meant == lower {
                        Safety::Safe
                    } else {
                        Safety::NeedsReview
                    };
                    let text = quoted_like(&c.text, span, &meant);
                    Fix::replace(&format!("write {meant}"), safety, span, &text)
                });
                let finding = report.add(&MATCHES_NOTHING, span, message);
                finding.severity = severity;
                finding.fix = fix;
            }
        }
    },
};

pub(crate) static SECRETS_NOT_COVERED: Rule = Rule {
    code: "K8E027",
    name: "secrets-not-covered",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "a file of which no rule takes secrets.",
    why: "Secrets are what encryption at rest is usually for; without a rule they are plain text.",
    fix: "Add secrets to an entry that encrypts.",
    upstream: "Nothing: the file is accepted.",
    source: "CIS Kubernetes Benchmark, 1.2: encryption providers are appropriately configured",
    check: |c, report| {
        if c.entries.is_empty() || !c.taken_by(&GroupResource::parse("secrets")).is_empty() {
            return;
        }
        if let Some(first) = c.entries.first() {
            let span = first.resources_span.unwrap_or(first.span);
            report.add(
                &SECRETS_NOT_COVERED,
                span,
                "no rule of this file takes secrets".to_owned(),
            );
        }
    },
};

pub(crate) static MASKED: Rule = Rule {
    code: "K8E028",
    name: "masked",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "a name that an earlier wildcard already takes.",
    why: "The API server does not start.",
    fix: "Put exact names before *.group, and *.group before *.*",
    upstream: "resource \"secrets\" is masked by earlier rule \"*.*\"",
    source: "k8s.io/apiserver, encryptionconfig/config.go; kubernetes.io on overlapping wildcards",
    check: |c, report| {
        for problem in c
            .verdict
            .problems
            .iter()
            .filter(|p| p.code == "resource-masked")
        {
            let finding = report.add(&MASKED, problem.span, problem.ours.clone());
            finding.upstream = Some(problem.upstream.clone());
            finding.related.extend(
                problem
                    .related
                    .iter()
                    .map(|s| (*s, "the rule that masks it".to_owned())),
            );
        }
    },
};

pub(crate) static BUSY_RESOURCES: Rule = Rule {
    code: "K8E029",
    name: "busy-resources",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "a wildcard that encrypts events or leases.",
    why: "They are the busiest writers of a cluster and hold little that is secret. With aesgcm they use up 200,000 writes in hours.",
    fix: "Put an entry with events (and leases.coordination.k8s.io) and identity alone before the wildcard.",
    upstream: "Nothing: the file is accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: the sample leaves events out; kubernetes/kubernetes#111977",
    check: |c, report| {
        for name in ["events", "leases.coordination.k8s.io"] {
            let resource = GroupResource::parse(name);
            let Some(entry) = c
                .taken_by(&resource)
                .first()
                .and_then(|i| c.entries.get(*i))
            else {
                continue;
            };
            let encrypts = entry.providers().first().is_some_and(|p| !is_identity(p));
            let wildcard = c.names(entry).find(|(rule, _)| rule.is_wildcard());
            let exact = c.names(entry).any(|(rule, _)| rule == resource);
            if let Some((rule, span)) = wildcard.filter(|_| encrypts && !exact) {
                report.add(
                    &BUSY_RESOURCES,
                    span,
                    format!("{rule} also encrypts {name}"),
                );
            }
        }
    },
};

pub(crate) static MERGED: Rule = Rule {
    code: "K8E031",
    name: "merged",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "the same name in two entries.",
    why: "Their providers are put together in file order: the first entry's first provider writes, all others only read. That is seldom what was meant.",
    fix: "Name the resource in one entry that has all its providers.",
    upstream: "Nothing: the file is accepted.",
    source: "k8s.io/apiserver, encryptionconfig/config.go: transformers are appended",
    check: |c, report| {
        let mut seen: BTreeMap<GroupResource, (usize, Span)> = BTreeMap::new();
        for (i, entry) in c.entries.iter().enumerate() {
            for (name, span) in c.names(entry) {
                match seen.get(&name) {
                    Some((earlier, first)) if *earlier != i && !name.is_wildcard() => {
                        let message = format!(
                            "{name} is also in entry {earlier}: the providers here only read"
                        );
                        let finding = report.add(&MERGED, span, message);
                        finding
                            .related
                            .push((*first, "this entry writes".to_owned()));
                    }
                    Some(_) => {}
                    None => {
                        seen.insert(name, (i, span));
                    }
                }
            }
        }
    },
};
