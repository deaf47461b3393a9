//! Silencing a finding in the file: `# k8senc: allow K8E007 -- rotated by cron`.

use std::collections::BTreeMap;

use super::fix::{Fix, Safety, line_end, line_start};
use super::{Finding, Needs, Report, Rule, Severity, elsewhere, explain};
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
            let reason = reason.trim();
            let span = Span::new(start + at, start + line.trim_end().len());
            found.push(Allowed {
                code,
                reason: reason.strip_prefix("--").unwrap_or(reason).trim(),
                line: i + 1,
                span,
            });
        }
        start += line.len();
    }
    found
}

/// Takes out the findings that the text silences with a reason, and reports the comments that do nothing.
pub(crate) fn apply(text: &str, findings: &mut Vec<Finding>, report: &mut Report) {
    let allowed = allowed(text);
    if allowed.is_empty() {
        return;
    }
    let mut silenced: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for (i, comment) in allowed.iter().enumerate() {
        if explain(comment.code).is_none() {
            let message = format!("there is no rule {}", comment.code);
            report.add(&NO_REASON, comment.span, message);
        } else if comment.reason.is_empty() {
            let message = format!("{} is silenced without a reason", comment.code);
            report.add(&NO_REASON, comment.span, message);
        } else {
            for line in [comment.line, comment.line + 1] {
                silenced.insert((line, comment.code.to_ascii_uppercase()), i);
            }
        }
    }
    let lines = Lines::new(text);
    let mut used = vec![false; allowed.len()];
    findings.retain(|finding| {
        let line = lines.position(finding.span.start).line;
        let by = silenced.get(&(line, finding.code.to_owned()));
        if finding.code == REFUSED_CODE {
            return true;
        }
        if let Some(slot) = by.and_then(|i| used.get_mut(*i)) {
            *slot = true;
        }
        by.is_none()
    });
    let idle = allowed
        .iter()
        .zip(&used)
        .filter(|(a, used)| !**used && explain(a.code).is_some() && !a.reason.is_empty());
    for (comment, _) in idle {
        let message = if comment.code.eq_ignore_ascii_case(REFUSED_CODE) {
            format!("{REFUSED_CODE} cannot be silenced: kube-apiserver does not read comments")
        } else {
            format!("no {} is found here", comment.code)
        };
        report.add(&UNUSED, comment.span, message).fix = Some(take_out(text, comment.span));
    }
}

/// The whole line if it holds nothing else, or the comment with the blanks before it.
fn take_out(text: &str, comment: Span) -> Fix {
    let start = line_start(text, comment.start);
    let before = text.get(start..comment.start).unwrap_or_default();
    let span = if before.trim().is_empty() {
        Span::new(start, line_end(text, comment.start))
    } else {
        Span::new(start + before.trim_end().len(), comment.end)
    };
    Fix::replace("take the comment out", Safety::Safe, span, "")
}

/// What the API server refuses cannot be silenced.
const REFUSED_CODE: &str = "K8E050";

pub(crate) static NO_REASON: Rule = Rule {
    code: "K8E051",
    name: "allow-without-reason",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "a comment that silences a finding without saying why, or names no rule.",
    why: "Whoever reads the file next cannot tell whether the reason still holds. Without a reason nothing is silenced.",
    fix: "Write # k8senc: allow CODE -- and the reason, on the line or the line above.",
    upstream: "Nothing: comments are not read.",
    source: "this tool",
    check: elsewhere,
};

pub(crate) static UNUSED: Rule = Rule {
    code: "K8E052",
    name: "allow-unused",
    severity: Severity::Warning,
    fixable: true,
    needs: Needs::Text,
    finds: "a comment that silences a finding which is not there.",
    why: "It would hide the same fault when somebody makes it again.",
    fix: "Take the comment out.",
    upstream: "Nothing: comments are not read.",
    source: "this tool",
    check: elsewhere,
};
