//! What kube-apiserver itself refuses, with the changes that cure the usual mistakes.

use super::context::{Context, locals};
use super::fix::{Edit, Fix, Safety, line_start};
use super::{Needs, Rule, Severity};
use crate::model::Provider;
use crate::span::Span;
use crate::verdict::Problem;

/// Problems that another rule reports with more to say.
const OTHERS: [&str; 3] = ["resource-masked", "kms-v1-gate", "kms-cachesize-v2"];

pub(crate) static REFUSED: Rule = Rule {
    code: "K8E050",
    name: "refused",
    severity: Severity::Error,
    fixable: true,
    needs: Needs::Text,
    finds: "anything for which kube-apiserver of the chosen release refuses the file.",
    why: "The API server does not start with it. With automatic reload it keeps the old configuration, until it restarts.",
    fix: "See the message and kube-apiserver's own text.",
    upstream: "The text under each finding.",
    source: "k8s.io/apiserver, encryptionconfig and validation_encryption.go",
    check: |c, report| {
        for problem in c
            .verdict
            .problems
            .iter()
            .filter(|p| !OTHERS.contains(&p.code))
        {
            let placeholder = problem.code == "key-secret-base64";
            let fix = cure(c, problem);
            let message = if problem.field.is_empty() {
                problem.ours.clone()
            } else {
                format!("{}: {}", problem.field, problem.ours)
            };
            let finding = report.add(&REFUSED, problem.span, message);
            finding.upstream = Some(problem.upstream.clone()).filter(|t| !t.is_empty());
            finding.related.extend(
                problem
                    .related
                    .iter()
                    .map(|s| (*s, "the first one".to_owned())),
            );
            finding.fix = fix.filter(|_| !placeholder);
        }
    },
};

fn cure(c: &Context<'_>, problem: &Problem) -> Option<Fix> {
    let text = c.text.as_ref();
    let raw = problem.span.of(text)?;
    match problem.code {
        "field-type" if problem.upstream.contains("of type string") && is_plain_scalar(raw) => {
            let quoted = format!("\"{raw}\"");
            Some(Fix::replace(
                "put it in quotes",
                Safety::Safe,
                problem.span,
                &quoted,
            ))
        }
        "unknown-field" => {
            let known = problem
                .ours
                .split("did you mean ")
                .nth(1)?
                .split('?')
                .next()?;
            let new = if raw.starts_with('"') {
                format!("\"{known}\"")
            } else {
                known.to_owned()
            };
            Some(Fix::replace(
                &format!("write {known}"),
                Safety::Safe,
                problem.span,
                &new,
            ))
        }
        "kms-api-version" => Some(Fix::replace(
            "write v2",
            Safety::NeedsReview,
            problem.span,
            "v2",
        )),
        "provider-several" => {
            let provider = c.provider_at(problem.span)?;
            split(text, provider)
        }
        _ => None,
    }
}

/// A word or number that quotes do not change otherwise.
fn is_plain_scalar(raw: &str) -> bool {
    !raw.is_empty()
        && raw
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-_./=:~".contains(&b))
}

/// Puts a dash before the second and later providers of a block element.
fn split(text: &str, provider: &Provider) -> Option<Fix> {
    let mut keys: Vec<Span> = locals(provider).map(|(_, k)| k.key_span).collect();
    keys.extend(provider.kms.as_ref().map(|k| k.key_span));
    keys.extend(provider.identity);
    keys.sort();
    let first = keys.first()?;
    let dash = text.get(..first.start)?.rfind('-')?;
    let line = line_start(text, first.start);
    let column = dash.checked_sub(line)?;
    let mut edits = Vec::new();
    for key in keys.iter().skip(1) {
        let start = line_start(text, key.start);
        let indent = text.get(start..key.start)?;
        if !indent.bytes().all(|b| b == b' ') || indent.len() <= column {
            return None;
        }
        edits.push(Edit::new(
            Span::new(start + column, start + column + 1),
            "-",
        ));
    }
    Some(Fix::new(
        "make each provider its own element",
        Safety::Safe,
        edits,
    ))
}
