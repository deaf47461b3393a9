//! Silencing a finding in the file: `# k8senc: allow K8E007 rotated by cron`.

use std::collections::BTreeSet;

use super::{Finding, Report, Rule, Severity};
use crate::lint::context::Context;
use crate::span::{Lines, Span};

const WORD: &str = "k8senc: allow ";

/// One such comment.
struct Allowed<'t> {
    code: &'t str,
    reason: &'t str,
    /// Its line, from 1. It holds for this line and the next.
    line: usize,
    span: Span,
}

/// Comments only: a `#` at the start of a line or after a blank.
fn allowed(text: &str) -> Vec<Allowed<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let comment = line.match_indices('#').find_map(|(at, _)| {
            let before = line.get(..at)?;
            let rest = line.get(at + 1..)?.trim_start();
            let is_comment = before.is_empty() || before.ends_with([' ', '\t']);
            rest.strip_prefix(WORD)
                .filter(|_| is_comment)
                .map(|rest| (at, rest.trim()))
        });
        if let Some((at, rest)) = comment {
            let (code, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let span = Span::new(start + at, start + line.trim_end().len());
            found.push(Allowed {
                code,
                reason: reason.trim(),
                line: i + 1,
                span,
            });
        }
        start += line.len();
    }
    found
}

/// Takes out the findings that the file silences with a reason.
pub(super) fn apply(text: &str, findings: &mut Vec<Finding>) {
    let allowed = allowed(text);
    if allowed.is_empty() {
        return;
    }
    let lines = Lines::new(text);
    let silenced: BTreeSet<(usize, String)> = allowed
        .iter()
        .filter(|a| !a.reason.is_empty())
        .flat_map(|a| [a.line, a.line + 1].map(|line| (line, a.code.to_ascii_uppercase())))
        .collect();
    findings.retain(|finding| {
        let line = lines.position(finding.span.start).line;
        finding.code == REFUSED_CODE || !silenced.contains(&(line, finding.code.to_owned()))
    });
}

/// What the API server refuses cannot be silenced.
const REFUSED_CODE: &str = "K8E050";

pub(crate) static NO_REASON: Rule = Rule {
    code: "K8E051",
    name: "allow-without-reason",
    severity: Severity::Warning,
    finds: "a comment that silences a finding without saying why, or names no rule.",
    why: "Whoever reads the file next cannot tell whether the reason still holds. Without a reason nothing is silenced.",
    fix: "Write # k8senc: allow CODE and the reason, on the line or the line above.",
    upstream: "Nothing: comments are not read.",
    source: "this tool",
    check: |c: &Context<'_>, report: &mut Report| {
        for comment in allowed(&c.text) {
            if super::explain(comment.code).is_none() {
                report.add(
                    &NO_REASON,
                    comment.span,
                    format!("there is no rule {}", comment.code),
                );
            } else if comment.reason.is_empty() {
                report.add(
                    &NO_REASON,
                    comment.span,
                    format!("{} is silenced without a reason", comment.code),
                );
            }
        }
    },
};
