//! Advice: findings with places and fixes, the rules, and what to do about a line of a log.

use k8senc_config::{Rule, Safety};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::{Places, Range, json};
use crate::failure::Failure;
use crate::options::{AdviceOptions, read, version};

#[derive(Serialize)]
struct FindingAnswer<'f> {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    message: &'f str,
    range: Option<Range>,
    related: Vec<Related<'f>>,
    upstream: Option<&'f str>,
    fix: Option<FixAnswer<'f>>,
}

#[derive(Serialize)]
struct Related<'f> {
    range: Option<Range>,
    message: &'f str,
}

#[derive(Serialize)]
struct FixAnswer<'f> {
    title: &'f str,
    safety: &'static str,
    edits: Vec<EditAnswer<'f>>,
}

#[derive(Serialize)]
struct EditAnswer<'f> {
    from: usize,
    to: usize,
    insert: &'f str,
}

fn fix<'f>(fix: &'f k8senc_config::Fix, places: &Places<'_>) -> Option<FixAnswer<'f>> {
    let edits = fix.edits.iter().map(|edit| {
        let (from, to) = places.range(edit.span)?.ends();
        let insert = edit.text.as_str();
        Some(EditAnswer { from, to, insert })
    });
    Some(FixAnswer {
        title: &fix.title,
        safety: match fix.safety {
            Safety::Safe => "safe",
            Safety::NeedsReview => "needs-review",
        },
        edits: edits.collect::<Option<_>>()?,
    })
}

/// Every finding of every rule, worst first.
///
/// # Errors
/// Options that do not exist.
#[wasm_bindgen]
pub fn lint(text: Vec<u8>, options: &str) -> Result<String, Failure> {
    let options = read::<AdviceOptions>(options)?.lint()?;
    Ok(finding_answers(
        &k8senc_config::lint(&text, &options),
        &text,
    ))
}

/// Findings as they are answered.
pub fn finding_answers(found: &[k8senc_config::Finding], text: &[u8]) -> String {
    let places = Places::new(text);
    let answers = found.iter().map(|finding| FindingAnswer {
        code: finding.code,
        name: finding.name,
        severity: finding.severity.name(),
        message: &finding.message,
        range: places.range(finding.span),
        related: finding
            .related
            .iter()
            .map(|(span, message)| Related {
                range: places.range(*span),
                message,
            })
            .collect(),
        upstream: finding.upstream.as_deref(),
        fix: finding.fix.as_ref().and_then(|it| fix(it, &places)),
    });
    json(&answers.collect::<Vec<_>>())
}

#[derive(Serialize)]
struct RuleAnswer {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    needs: &'static str,
    fixable: bool,
    finds: &'static str,
    why: &'static str,
    fix: &'static str,
    upstream: &'static str,
    source: &'static str,
}

impl From<&'static Rule> for RuleAnswer {
    fn from(rule: &'static Rule) -> Self {
        Self {
            code: rule.code,
            name: rule.name,
            severity: rule.severity.name(),
            needs: rule.needs.name(),
            fixable: rule.fixable,
            finds: rule.finds,
            why: rule.why,
            fix: rule.fix,
            upstream: rule.upstream,
            source: rule.source,
        }
    }
}

/// All rules, by code.
#[wasm_bindgen]
pub fn rules() -> String {
    let rules = k8senc_config::rules().iter().copied();
    json(&rules.map(RuleAnswer::from).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Advice {
    text: &'static str,
    cause: &'static str,
    check: &'static str,
    cure: &'static str,
}

#[derive(Serialize)]
struct Explanation {
    rule: Option<RuleAnswer>,
    advice: Vec<Advice>,
}

/// The rule with this code, or what to do about this line of a log.
#[wasm_bindgen]
pub fn explain(query: &str) -> String {
    let rule = k8senc_config::explain(query.trim()).map(RuleAnswer::from);
    let advice = k8senc_config::explain_error(query)
        .into_iter()
        .map(|it| Advice {
            text: it.text,
            cause: it.cause,
            check: it.check,
            cure: it.cure,
        });
    json(&Explanation {
        rule,
        advice: advice.collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceAnswer {
    name: String,
    group: &'static str,
    kind: &'static str,
    short_names: &'static [&'static str],
}

/// The resources that kube-apiserver of a release stores by itself.
///
/// # Errors
/// A release that does not exist.
#[wasm_bindgen]
pub fn resources(release: Option<String>) -> Result<String, Failure> {
    let release = version(release.as_deref())?;
    let all = k8senc_config::resources(release).map(|resource| ResourceAnswer {
        name: resource.name(),
        group: resource.group,
        kind: resource.kind,
        short_names: resource.short_names,
    });
    Ok(json(&all.collect::<Vec<_>>()))
}
