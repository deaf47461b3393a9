//! Files as they may be shown: every key replaced by its name and fingerprint.

use std::collections::BTreeMap;

use similar::TextDiff;

use super::PlanError;
use super::draft::model;
use crate::config::NamedKey;
use crate::diff::Fingerprint;
use crate::model::{Key, Model};
use crate::span::Span;
use crate::tree::Text;

/// Runs of base64 characters from this length on may be keys and are not shown, wherever they stand.
const LONGEST_SHOWN: usize = 20;

/// Keys that the plan makes up. They have no fingerprint as long as nobody keeps them.
pub(super) struct Fresh<'f> {
    pub secrets: &'f [Text],
    pub kept: bool,
}

/// The lines that change, as `diff -u` prints them; empty when none does.
pub(super) fn diff(
    before: Option<&str>,
    after: Option<&str>,
    fresh: &Fresh<'_>,
) -> Result<String, PlanError> {
    let shown = |text: Option<&str>| text.map_or(Ok(String::new()), |text| redact(text, fresh));
    let (before, after) = (shown(before)?, shown(after)?);
    let diff = TextDiff::from_lines(&before, &after);
    let mut out = String::new();
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        if !out.is_empty() {
            out.push_str("...\n");
        }
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
                similar::ChangeTag::Equal => ' ',
            };
            out.push(sign);
            out.push_str(change.value().trim_end_matches(['\n', '\r']));
            out.push('\n');
        }
    }
    Ok(out)
}

/// A file without its keys.
pub(super) fn redact(text: &str, fresh: &Fresh<'_>) -> Result<String, PlanError> {
    let model = model(text)?;
    let mut spans: BTreeMap<Span, Option<String>> = BTreeMap::new();
    for key in keys(&model) {
        if let Some(span) = key.secret.span {
            spans.insert(span, Some(placeholder(key, fresh)));
        }
    }
    for leaf in plain(&model) {
        spans.entry(leaf).or_insert(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (span, secret) in spans {
        if span.start < done {
            continue;
        }
        hide_runs(text.get(done..span.start).unwrap_or(""), &mut out);
        match secret {
            Some(placeholder) => out.push_str(&placeholder),
            None => out.extend(span.of(text).unwrap_or("").chars().map(visible)),
        }
        done = span.end;
    }
    hide_runs(text.get(done..).unwrap_or(""), &mut out);
    Ok(out)
}

fn keys(model: &Model) -> impl Iterator<Item = &Key> {
    let providers = model.entries().iter().flat_map(|e| e.providers());
    providers.flat_map(|p| {
        let lists = [&p.aesgcm, &p.aescbc, &p.secretbox].into_iter().flatten();
        lists.flat_map(|keys| keys.list())
    })
}

/// The places of names and endpoints, which are shown whatever they look like.
fn plain(model: &Model) -> Vec<Span> {
    let mut spans: Vec<Option<Span>> = keys(model).map(|key| key.name.span).collect();
    for entry in model.entries() {
        spans.extend(entry.names().iter().map(|name| name.span));
        for kms in entry.providers().iter().filter_map(|p| p.kms.as_ref()) {
            spans.extend([kms.name.span, kms.endpoint.span]);
        }
    }
    spans.into_iter().flatten().collect()
}

fn placeholder(key: &Key, fresh: &Fresh<'_>) -> String {
    let name: String = key.name.text.chars().map(visible).collect();
    let new = fresh.secrets.contains(&key.secret.text);
    if new && !fresh.kept {
        return format!("<key {name}: 32 new random bytes>");
    }
    match fingerprint(key) {
        Some(mark) => format!("<key {name}, fingerprint {mark}>"),
        None => format!("<key {name}, too weak for a fingerprint>"),
    }
}

fn fingerprint(key: &Key) -> Option<Fingerprint> {
    NamedKey::from_base64(key.name.text.as_str(), &key.secret.text)?.fingerprint()
}

/// Control characters would act on a terminal.
fn visible(c: char) -> char {
    if c.is_control() && !matches!(c, '\n' | '\t' | '\r') {
        '\u{fffd}'
    } else {
        c
    }
}

/// Copies text, but for what could be a key that somebody commented out.
fn hide_runs(text: &str, out: &mut String) {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
    let mut rest = text;
    while let Some(start) = rest.find(base64) {
        let (before, run) = rest.split_at(start);
        out.extend(before.chars().map(visible));
        let end = run.find(|c| !base64(c)).unwrap_or(run.len());
        let (run, after) = run.split_at(end);
        let word = run
            .trim_matches('=')
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'-')
            || run.eq_ignore_ascii_case("EncryptionConfiguration");
        if run.len() < LONGEST_SHOWN || word {
            out.push_str(run);
        } else {
            out.push_str("<hidden>");
        }
        rest = after;
    }
    out.extend(rest.chars().map(visible));
}
