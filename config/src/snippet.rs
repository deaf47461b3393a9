//! A line of a file, fit to be shown: whatever could be a key is masked, whatever a terminal would obey is escaped.
//!
//! Masking does not trust the file's structure, which may be what is wrong with it. A word is shown only when it is
//! known not to be secret: a field's name, the value of a field that holds none, or the name of a resource.

use core::ops::Range;

use crate::builtin::{Matches, what_matches};
use crate::span::{Lines, Span};
use crate::version::Version;

/// A line in three parts: what is meant, and what stands before and behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snippet {
    /// The line's number, from 1.
    pub line: usize,
    /// Before the place.
    pub before: String,
    /// The place; empty when it is a point.
    pub marked: String,
    /// Behind it.
    pub after: String,
}

/// Bytes shown on each side of a place; a line of JSON can be the whole file.
const AROUND: usize = 400;

/// What stands for a masked word, and for the rest of a comment.
const MASK: &str = "***";
const REST: &str = "\u{2026}";

/// Fields whose values are no secrets, in lower case.
#[rustfmt::skip]
const OPEN: &[&str] = &[
    "apiversion", "args", "cachesize", "command", "data-dir", "endpoint", "extraargs", "hostpath", "image", "kind",
    "kube-apiserver-arg", "kubernetesversion", "mountpath", "name", "namespace", "path", "pathtype", "permissions",
    "readonly", "resources", "secrets-encryption", "secrets-encryption-provider", "timeout", "type", "value",
];

impl Snippet {
    /// The line that a span begins on; a span of several lines is cut at the end of the first.
    #[must_use]
    pub fn new(lines: &Lines<'_>, span: Span) -> Option<Self> {
        let number = lines.position(span.start).line;
        let line = lines.line(number)?;
        // The line is a part of the text, so the distance of their addresses is its place.
        let start = line.as_ptr() as usize - lines.text().as_ptr() as usize;
        let from = span.start.saturating_sub(start).min(line.len());
        let to = span.end.saturating_sub(start).clamp(from, line.len());
        let window = window(line, from, to);
        let mut snippet = Self {
            line: number,
            ..Self::default()
        };
        let shown = line.get(window.clone())?;
        if window.start > 0 {
            snippet.before += REST;
        }
        for piece in pieces(shown) {
            snippet.put(shown, &piece, from - window.start, to - window.start);
        }
        if window.end < line.len() {
            snippet.after += REST;
        }
        Some(snippet)
    }

    /// Cuts a shown piece where the place begins and ends; a masked one is in or out as a whole.
    fn put(&mut self, line: &str, piece: &Piece, from: usize, to: usize) {
        let Range { start, end } = piece.range;
        if end <= from {
            self.before += &piece.display(line);
        } else if start >= to {
            self.after += &piece.display(line);
        } else if piece.instead.is_some() {
            self.marked += &piece.display(line);
        } else {
            let (first, last) = (from.clamp(start, end), to.clamp(start, end));
            self.before += &escaped(line.get(start..first).unwrap_or_default());
            self.marked += &escaped(line.get(first..last).unwrap_or_default());
            self.after += &escaped(line.get(last..end).unwrap_or_default());
        }
    }
}

/// The part of a line around a place, on borders of words where there are some.
fn window(line: &str, from: usize, to: usize) -> Range<usize> {
    let mut start = from.saturating_sub(AROUND);
    while !line.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = to.saturating_add(AROUND).min(line.len());
    while !line.is_char_boundary(end) {
        end += 1;
    }
    // Half a word could look harmless where the whole one does not.
    let border = |c: char| is_separator(c);
    if start > 0 {
        start = line
            .get(start..from)
            .and_then(|part| part.find(border))
            .map_or(from, |at| start + at);
    }
    if end < line.len() {
        end = line
            .get(to..end)
            .and_then(|part| part.rfind(border))
            .map_or(to, |at| to + at);
    }
    start..end
}

/// A word, or what stands between two.
struct Piece {
    range: Range<usize>,
    /// What is shown in its place.
    instead: Option<String>,
}

impl Piece {
    fn display(&self, line: &str) -> String {
        match &self.instead {
            Some(text) => text.clone(),
            None => escaped(line.get(self.range.clone()).unwrap_or_default()),
        }
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '{' | '}' | '[' | ']' | '"' | '\'')
}

fn pieces(line: &str) -> Vec<Piece> {
    let comment = comment_start(line);
    let content = line.get(..comment).unwrap_or(line);
    let mut pieces = Vec::new();
    let mut field: Option<String> = None;
    let mut at = 0;
    while let Some(rest) = content.get(at..).filter(|rest| !rest.is_empty()) {
        let separators = rest
            .find(|c| !is_separator(c) && c != ':')
            .unwrap_or(rest.len());
        if separators > 0 {
            let between = rest.get(..separators).unwrap_or_default();
            if between.contains(['}', ']', '{']) {
                field = None;
            }
            pieces.push(Piece {
                range: at..at + separators,
                instead: None,
            });
            at += separators;
            continue;
        }
        let length = rest.find(is_separator).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let after = rest.get(length..).unwrap_or_default();
        let quoted = after.trim_start_matches(['"', '\'']);
        let name = word.strip_suffix(':').or_else(|| {
            (quoted.len() < after.len() && quoted.trim_start().starts_with(':')).then_some(word)
        });
        let shown = match name {
            Some(name) => is_field_name(name),
            None => is_open(word, field.as_deref()),
        };
        if let Some(name) = name {
            field = Some(name.to_ascii_lowercase());
        }
        let flag = word
            .split_once('=')
            .filter(|(flag, _)| flag.starts_with("--"));
        let instead = match flag {
            _ if shown => None,
            Some((flag, _)) if is_field_name(flag) => Some(format!("{flag}={MASK}")),
            _ => Some(MASK.to_owned()),
        };
        pieces.push(Piece {
            range: at..at + length,
            instead,
        });
        at += length;
    }
    if comment < line.len() {
        pieces.push(Piece {
            range: comment..line.len(),
            instead: Some(comment_shown(line.get(comment..).unwrap_or_default())),
        });
    }
    pieces
}

/// Where a comment begins: a `#` at the start or after a blank, outside quotes.
fn comment_start(line: &str) -> usize {
    let mut quote = None;
    let mut blank = true;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if blank => return at,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        blank = c.is_whitespace();
    }
    line.len()
}

/// A comment can hold an old key. Of one to this tool the code is shown.
fn comment_shown(comment: &str) -> String {
    let code = comment
        .trim_start_matches(['#', ' '])
        .strip_prefix("k8senc: allow ")
        .and_then(|rest| rest.split_whitespace().next())
        .filter(|code| code.len() <= 12);
    match code {
        Some(code) => format!("# k8senc: allow {} {REST}", escaped(code)),
        None => format!("# {REST}"),
    }
}

fn is_field_name(word: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '$');
    word.len() <= 50 && word.chars().all(letter) && !looks_random(word)
}

fn is_open(word: &str, field: Option<&str>) -> bool {
    if matches!(word, "-" | "---" | "|" | "|-" | ">" | ">-") || word.starts_with("<<") {
        return true;
    }
    if looks_random(word) {
        return false;
    }
    if word
        .trim_start_matches('-')
        .starts_with("encryption-provider-config")
        || word.starts_with("--feature-gates=")
    {
        return true;
    }
    match field {
        Some(field) => OPEN.contains(&field) || matches!(word, "true" | "false" | "null" | "~"),
        None => match what_matches(word, Version::LATEST) {
            Matches::BuiltIn | Matches::OtherRelease(_) | Matches::Nothing(Some(_)) => true,
            Matches::Custom => word.contains('.') && is_field_name(word),
            Matches::Nothing(None) => false,
        },
    }
}

/// Whether a word has the form of a key, a hash or a token.
fn looks_random(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.bytes().any(|b| test(&b));
    let mixed =
        has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    let run = word
        .split(['/', '.', '-', ':', '@'])
        .map(str::len)
        .max()
        .unwrap_or_default();
    (run >= 12 && mixed)
        || (word.len() >= 24 && hex)
        || (word.len() >= 16 && word.ends_with('='))
        || run > 48
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            '\t' => out.push(' '),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Snippet;
    use crate::span::{Lines, Span};

    fn shown(line: &str) -> String {
        let lines = Lines::new(line);
        let snippet = Snippet::new(&lines, Span::new(0, 0)).unwrap_or_default();
        format!("{}{}{}", snippet.before, snippet.marked, snippet.after)
    }

    #[test]
    fn keys_are_masked_in_every_form() {
        let key = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";
        for line in [
            format!("    secret: {key}"),
            format!("    secret: \"{key}\""),
            format!("- {{name: a, secret: {key}}}"),
            format!("- {{\"name\":\"a\",\"secret\":\"{key}\"}}"),
            format!("    name: {key}"),
            format!("    {key}"),
            format!("# secret: {key}"),
            format!("    secert: {key} # was {key}"),
            format!("- --token={key}"),
            format!("{key}: x"),
        ] {
            for at in [0, line.len() / 2, line.len()] {
                let lines = Lines::new(&line);
                let snippet = Snippet::new(&lines, Span::new(at, line.len())).unwrap_or_default();
                let text = format!("{snippet:?}");
                for n in 0..key.len() - 6 {
                    assert!(!text.contains(&key[n..n + 6]), "{line} is shown as {text}");
                }
            }
        }
        for line in [
            "secret: hunter2",
            "secret: 'my pass phrase'",
            "  passphrase of mine",
            "token: abc",
        ] {
            assert!(shown(line).contains("***"), "{}", shown(line));
            for word in ["hunter2", "pass", "phrase", "abc"] {
                assert!(
                    !shown(line).contains(&format!(" {word}")),
                    "{}",
                    shown(line)
                );
            }
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for line in [
            "kind: EncryptionConfiguration",
            "apiVersion: apiserver.config.k8s.io/v1",
            "- resources: [secrets, '*.apps', widgets.example.com]",
            "      - secerts",
            "  - kms: {apiVersion: v2, name: cloud-kms, endpoint: 'unix:///var/run/kms.sock', cachesize: 1000}",
            "{\"kind\":\"EncryptionConfiguration\",\"resources\":[{\"resources\":[\"secrets\"],",
            "    - --encryption-provider-config=/etc/kubernetes/enc/enc.yaml",
            "      readOnly: true",
            "        name: aescbckey-2022-04-21T23:01:02-07:00",
        ] {
            assert_eq!(shown(line), line);
        }
        assert_eq!(
            shown("- --etcd-servers=https://a:2379"),
            "- --etcd-servers=***"
        );
        assert_eq!(
            shown("x # k8senc: allow K8E004 -- because"),
            "*** # k8senc: allow K8E004 \u{2026}"
        );
        assert_eq!(
            shown("kind: \u{1b}[2Jx\u{202e}"),
            "kind: \\u{1b}[2Jx\\u{202e}"
        );
    }

    #[test]
    fn the_place_is_cut_out() {
        let line = "  - resources: [secret, pods]";
        let lines = Lines::new(line);
        let snippet = Snippet::new(&lines, Span::new(16, 22)).unwrap_or_default();
        assert_eq!(
            (&*snippet.before, &*snippet.marked, &*snippet.after),
            ("  - resources: [", "secret", ", pods]")
        );
        let long = format!(
            "{}name: here, {}",
            "secret: AAAAAAAA, ".repeat(500),
            "name: b, ".repeat(500)
        );
        let lines = Lines::new(&long);
        let at = long.find("here").unwrap_or_default();
        let snippet = Snippet::new(&lines, Span::new(at, at + 4)).unwrap_or_default();
        assert_eq!(snippet.marked, "here");
        assert!(snippet.before.len() < 500 && snippet.after.len() < 500);
        assert!(!snippet.before.contains("AAAA"));
    }
}
