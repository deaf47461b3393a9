//! `identity`: where it stands decides whether anything is encrypted.

use std::collections::BTreeSet;

use super::context::is_identity;
use super::fix::{Edit, Fix, Safety, block_element_lines};
use super::{Migration, Needs, Rule, Severity};
use crate::model::Entry;
use crate::resource::GroupResource;
use crate::span::Span;

pub(crate) static IDENTITY_FIRST: Rule = Rule {
    code: "K8E001",
    name: "identity-first",
    severity: Severity::Error,
    fixable: true,
    needs: Needs::Text,
    finds: "identity listed first while other providers follow, so that new objects are written in the clear.",
    why: "Only the first provider writes. Encryption at rest is off for these resources, although keys are configured; \
          what was encrypted before becomes plain text with every update.",
    fix: "Put the provider that is to write first and identity last. If you are switching encryption off on purpose, say so.",
    upstream: "Nothing: the file is accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: Determine whether encryption at rest is already enabled; Decrypt all data",
    check: |c, report| {
        if c.options.migration == Some(Migration::Decrypting) {
            return;
        }
        for entry in c.entries {
            let providers = entry.providers();
            let Some(first) = providers.first().filter(|p| is_identity(p)) else {
                continue;
            };
            if providers.iter().all(is_identity) {
                continue;
            }
            let fix = move_to_end(&c.text, entry);
            let finding = report.add(
                &IDENTITY_FIRST,
                first.span,
                format!(
                    "identity is first, so {} are written in the clear",
                    listed(entry)
                ),
            );
            if let Some(writer) = providers.iter().find(|p| !is_identity(p)) {
                finding
                    .related
                    .push((writer.span, "this provider only reads".to_owned()));
            }
            finding.fix = fix;
        }
    },
};

/// The names of an entry in a few words.
pub(crate) fn listed(entry: &Entry) -> String {
    let names: Vec<&str> = entry
        .names()
        .iter()
        .map(|n| n.text.as_str())
        .take(3)
        .collect();
    match entry.names().len() {
        0 => "no resources".to_owned(),
        n if n > names.len() => format!("{} and {} more", names.join(", "), n - names.len()),
        _ => names.join(", "),
    }
}

/// Moves the first element of a block list behind the last.
fn move_to_end(text: &str, entry: &Entry) -> Option<Fix> {
    let spans: Vec<Span> = entry
        .providers()
        .iter()
        .map(|p| block_element_lines(text, p.span))
        .collect::<Option<_>>()?;
    let (first, last) = (spans.first()?, spans.last()?);
    let second = spans.get(1)?;
    // Comments between the two stay with what follows them.
    if first.end > second.start || !text.get(..last.end)?.ends_with('\n') {
        return None;
    }
    let moved = first.of(text)?.to_owned();
    let edits = vec![
        Edit::new(*first, ""),
        Edit::new(Span::new(last.end, last.end), moved),
    ];
    Some(Fix::new("put identity last", Safety::Safe, edits))
}

pub(crate) static IDENTITY_ONLY: Rule = Rule {
    code: "K8E002",
    name: "identity-only",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "an entry for secrets, or a wildcard that takes them, whose only provider is identity.",
    why: "Nothing is encrypted. A named resource with identity alone is the usual way to leave it out of a later wildcard, \
          so only secrets and wildcards are reported.",
    fix: "Put an encrypting provider before identity.",
    upstream: "Nothing: the file is accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: table of providers",
    check: |c, report| {
        let secrets = GroupResource::parse("secrets");
        let takers: BTreeSet<usize> = c.taken_by(&secrets).into_iter().collect();
        let encrypted = takers
            .iter()
            .filter_map(|i| c.entries.get(*i))
            .any(encrypts);
        for (i, entry) in c.entries.iter().enumerate() {
            if entry.providers().is_empty() || !entry.providers().iter().all(is_identity) {
                continue;
            }
            for (name, span) in c.names(entry) {
                let takes_secrets = takers.contains(&i) && (name == secrets || name.is_wildcard());
                if takes_secrets && !encrypted {
                    report.add(
                        &IDENTITY_ONLY,
                        span,
                        format!("{name} is stored as plain text: identity is its only provider"),
                    );
                } else if name.is_wildcard() {
                    let message = format!(
                        "{name} has no provider but identity, which is the same as no rule"
                    );
                    report.add(&IDENTITY_ONLY, span, message).severity = Severity::Info;
                }
            }
        }
    },
};

fn encrypts(entry: &Entry) -> bool {
    entry.providers().first().is_some_and(|p| !is_identity(p))
}

pub(crate) static NO_IDENTITY: Rule = Rule {
    code: "K8E003",
    name: "no-identity",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "an entry that encrypts and has no identity to read what was written before.",
    why: "Objects stored before encryption was switched on become unreadable: no matching prefix found.",
    fix: "Put identity last until every object has been rewritten.",
    upstream: "Nothing at start; reading a plain object then fails with \"no matching prefix found\".",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: comment on the last provider of the sample",
    check: |c, report| {
        if c.options.migration == Some(Migration::Done) {
            return;
        }
        for entry in c.entries.iter().filter(|e| encrypts(e)) {
            if entry.providers().iter().any(is_identity) {
                continue;
            }
            let span = entry.providers_span.unwrap_or(entry.span);
            let message = format!(
                "plain objects of {} cannot be read: there is no identity",
                listed(entry)
            );
            let finding = report.add(&NO_IDENTITY, span, message);
            if c.options.migration.is_none() {
                finding.severity = Severity::Info;
            }
        }
    },
};

pub(crate) static IDENTITY_KEPT: Rule = Rule {
    code: "K8E004",
    name: "identity-kept",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "identity still listed last behind an encrypting provider.",
    why: "Whoever can write to etcd, or restores an old copy, can put plain objects there and the API server honours them.",
    fix: "When every object has been rewritten, take identity out.",
    upstream: "Nothing: the file is accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: Prevent plain text retrieval",
    check: |c, report| {
        if matches!(
            c.options.migration,
            Some(Migration::Encrypting | Migration::Decrypting)
        ) {
            return;
        }
        for entry in c.entries.iter().filter(|e| encrypts(e)) {
            let Some(last) = entry.providers().last().filter(|p| is_identity(p)) else {
                continue;
            };
            let message = format!("plain text is still accepted for {}", listed(entry));
            report.add(&IDENTITY_KEPT, last.span, message);
        }
    },
};

pub(crate) static IDENTITY_MIDDLE: Rule = Rule {
    code: "K8E005",
    name: "identity-middle",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "identity between two other providers.",
    why: "It works, since its refusals are skipped, but every read of the formats behind it tries identity first, and the order says nothing.",
    fix: "Put identity last.",
    upstream: "Nothing: the file is accepted.",
    source: "k8s.io/apiserver, value/transformer.go: errors of an empty prefix are dropped",
    check: |c, report| {
        for entry in c.entries {
            let providers = entry.providers();
            for (j, provider) in providers.iter().enumerate().skip(1) {
                if is_identity(provider) && j + 1 < providers.len() {
                    report.add(
                        &IDENTITY_MIDDLE,
                        provider.span,
                        "identity stands before other providers".to_owned(),
                    );
                }
            }
        }
    },
};
