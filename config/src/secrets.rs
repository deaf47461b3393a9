//! Where a file may hold keys, for those who show it: found in the parse tree, and by its lines where that ends.
//!
//! Wide rather than narrow: a name that is covered costs little, a key that is not covers nothing.

use crate::span::Span;
use crate::tree::{PieceKind, Pieces, pieces};

/// Texts within texts are looked into this deep.
const DEEPEST: usize = 4;
/// What ends a line of YAML 1.1.
const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
/// Nodes are walked this deep.
const NESTED: usize = 1000;

/// Every place of a text that may hold a key, in order and apart from each other: the values behind `secret` and the like,
/// the data of Secrets, what looks like a key wherever it stands, comments too. The text may be any file, also one that
/// cannot be read.
#[must_use]
pub fn secrets(text: &str) -> Vec<Span> {
    let mut found = Found {
        spans: Vec::new(),
        scalars: Vec::new(),
    };
    found.text(text, 0, DEEPEST);
    merged(found.spans)
}

fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    spans.sort_unstable();
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}

struct Found {
    spans: Vec<Span>,
    /// Places of scalars: outside of them a `#` begins a comment.
    scalars: Vec<Span>,
}

impl Found {
    /// Looks through a text that begins at `offset` of the whole.
    fn text(&mut self, text: &str, offset: usize, deep: usize) {
        let pieces = pieces(text);
        let mut inner = Self {
            spans: Vec::new(),
            scalars: Vec::new(),
        };
        for root in &pieces.roots {
            inner.node(&pieces, *root, text, false, deep, NESTED);
        }
        let end = pieces.stopped.unwrap_or(text.len());
        inner.comments(text, end);
        if let Some(stopped) = pieces.stopped {
            let from = text
                .get(..stopped)
                .and_then(|head| head.rfind('\n'))
                .map_or(0, |at| at + 1);
            inner.lines(text.get(from..).unwrap_or_default(), from);
        }
        let spans = inner.spans.into_iter();
        self.spans
            .extend(spans.map(|span| Span::new(span.start + offset, span.end + offset)));
    }

    fn node(
        &mut self,
        pieces: &Pieces,
        at: usize,
        text: &str,
        secret: bool,
        deep: usize,
        left: usize,
    ) {
        let (Some(node), Some(left)) = (pieces.nodes.get(at), left.checked_sub(1)) else {
            return;
        };
        match node.kind {
            PieceKind::Alias(Some(target)) if secret && target < at => {
                self.node(pieces, target, text, true, deep, left);
            }
            PieceKind::Alias(_) => {}
            PieceKind::Sequence => {
                for child in &node.children {
                    self.node(pieces, *child, text, secret, deep, left);
                }
            }
            PieceKind::Mapping => {
                let is_secret = |(key, value): (&crate::tree::Piece, usize)| {
                    key.value.as_str() == "kind"
                        && pieces
                            .nodes
                            .get(value)
                            .is_some_and(|v| v.value.as_str() == "Secret")
                };
                let of_secret = pieces.fields(at).any(is_secret);
                for (key, value) in pieces.fields(at) {
                    let name = key.value.as_str();
                    if looks_like_key(name) {
                        self.scalar(key.span, text, true);
                    } else {
                        self.scalars.push(key.span);
                    }
                    let hidden = secret
                        || names_a_secret(name)
                        || of_secret && matches!(name, "data" | "stringData");
                    self.node(pieces, value, text, hidden, deep, left);
                }
            }
            PieceKind::Scalar => {
                let value = node.value.as_str();
                let raw = node.span.of(text).unwrap_or_default();
                if secret || looks_like_key(value) {
                    self.scalar(node.span, text, true);
                } else if !value.contains('\n') && !mentions_secret(value) {
                    self.scalar(node.span, text, false);
                } else if let (true, Some(head), Some(deep)) =
                    (raw.starts_with('|'), raw.find('\n'), deep.checked_sub(1))
                {
                    // A file within the file, with its lines as they are.
                    self.scalars.push(node.span);
                    let from = head + 1;
                    self.text(
                        raw.get(from..).unwrap_or_default(),
                        node.span.start + from,
                        deep,
                    );
                } else {
                    self.scalar(node.span, text, mentions_secret(value));
                    self.runs(raw, node.span.start);
                }
            }
        }
    }

    fn scalar(&mut self, span: Span, text: &str, secret: bool) {
        self.scalars.push(span);
        if secret {
            let raw = span.of(text).unwrap_or_default();
            let (start, end) = value_of(raw);
            self.spans
                .push(Span::new(span.start + start, span.start + end));
        }
    }

    /// What comments hold, up to `end`.
    fn comments(&mut self, text: &str, end: usize) {
        for comment in comments(text, &mut self.scalars) {
            if comment.start < end {
                self.loose(comment.of(text).unwrap_or_default(), comment.start);
            }
        }
    }

    /// A text of no known structure: to the end of each line behind `secret:`, and whatever looks like a key.
    fn loose(&mut self, text: &str, offset: usize) {
        if let Some(value) = after_secret(text) {
            self.spans
                .push(Span::new(offset + value, offset + text.trim_end().len()));
        }
        self.runs(text, offset);
    }

    /// The lines of a text that cannot be read: behind `secret:` to the end, and everything below that is indented deeper.
    fn lines(&mut self, text: &str, offset: usize) {
        let mut at = offset;
        let mut below: Option<usize> = None;
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_start_matches([' ', '\t', '-']);
            let indent = line.len() - trimmed.len();
            let blank = trimmed.trim().is_empty();
            if below.is_some_and(|column| indent > column) && !blank {
                self.spans
                    .push(Span::new(at + indent, at + line.trim_end().len()));
            } else if !blank {
                below = after_secret(line).map(|_| indent);
                self.loose(line, at);
            }
            at += line.len();
        }
    }

    /// Words of a text that look like keys.
    fn runs(&mut self, text: &str, offset: usize) {
        let mut at = 0;
        while let Some(rest) = text.get(at..) {
            let Some(start) = rest.find(of_a_key) else {
                return;
            };
            let run = rest.get(start..).unwrap_or_default();
            let end = run.find(|c| !of_a_key(c)).unwrap_or(run.len());
            if looks_like_key(run.get(..end).unwrap_or_default()) {
                let from = offset + at + start;
                self.spans.push(Span::new(from, from + end));
            }
            at += start + end;
        }
    }
}

/// Comments of a text whose scalars are known: from a `#` behind white space to the end of its line.
pub(crate) fn comments(text: &str, scalars: &mut [Span]) -> Vec<Span> {
    scalars.sort_unstable();
    let mut found = Vec::new();
    let mut next = 0;
    let mut at = 0;
    while let Some(hash) = text.get(at..).and_then(|rest| rest.find('#')) {
        let hash = at + hash;
        while scalars.get(next).is_some_and(|s| s.end <= hash) {
            next += 1;
        }
        at = hash + 1;
        if let Some(inside) = scalars.get(next).filter(|s| s.start <= hash) {
            // The header of a block scalar may carry a comment, which its first line break ends.
            let raw = inside.of(text).unwrap_or_default();
            let header = raw.find('\n').map_or(0, |end| inside.start + end);
            if !raw.trim_start_matches(['&', '!']).contains(['|', '>']) || hash > header {
                continue;
            }
        }
        let before = text.get(..hash).and_then(|head| head.chars().next_back());
        if before.is_none_or(char::is_whitespace) {
            let line = text.get(hash..).unwrap_or_default();
            let end = hash + line.find(LINE_ENDS).unwrap_or(line.len());
            found.push(Span::new(hash, end));
            at = end;
        }
    }
    found
}

/// Where a scalar's own text stands, behind its anchor and tag and without line breaks at its end.
pub(crate) fn value_of(raw: &str) -> (usize, usize) {
    let end = raw.trim_end().len();
    let mut start = 0;
    while let Some(rest) = raw.get(start..end) {
        if !rest.starts_with(['&', '!']) {
            break;
        }
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let after = rest.get(word..).unwrap_or_default();
        start += word + (after.len() - after.trim_start().len());
    }
    (start, end)
}

/// Fields whose values are secret in the files that bring keys to a cluster.
fn names_a_secret(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    name.ends_with("secret")
        || name.ends_with("password")
        || name.ends_with("privatekey")
        || name.ends_with("token")
        || matches!(name.as_str(), "key" | "secretkey" | "passwd" | "passphrase")
}

fn mentions_secret(text: &str) -> bool {
    const WORD: &[u8] = b"secret";
    // A path or the name of a resource is none.
    let has = |c: char| text.contains(c);
    (has(':') || has('='))
        && has_space_or_quote(text)
        && text
            .as_bytes()
            .windows(WORD.len())
            .any(|w| w.eq_ignore_ascii_case(WORD))
}

fn has_space_or_quote(text: &str) -> bool {
    text.contains([' ', '\n', '"', '\'', '{'])
}

/// Where the value begins that follows `secret:` or `secret=` in a line.
fn after_secret(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let at = from + lower.get(from..)?.find("secret")? + "secret".len();
        from = at;
        let rest = line.get(at..)?;
        let behind = rest.trim_start_matches(['"', '\'', ' ', '\t']);
        let Some(value) = behind.strip_prefix([':', '=']) else {
            continue;
        };
        let value = value.trim_start();
        if !value.is_empty() {
            return Some(line.len() - value.len());
        }
        // The value stands below: an empty place at the end of the line.
        return Some(line.trim_end().len());
    }
}

const fn of_a_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_')
}

/// Whether a word looks like a key in base64 or hex, and not like a name or a path.
pub(crate) fn looks_like_key(word: &str) -> bool {
    let word = word.trim();
    let length = word.len();
    if length < 16 || !word.chars().all(of_a_key) {
        return false;
    }
    let any = |is: fn(&u8) -> bool| word.bytes().any(|b| is(&b));
    let hex =
        length >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit()) && any(u8::is_ascii_digit);
    let mixed = any(u8::is_ascii_lowercase) && any(u8::is_ascii_uppercase);
    let padded = word.ends_with('=') && length.is_multiple_of(4);
    let digits = any(u8::is_ascii_digit) || word.contains('+');
    hex || (padded && (mixed || digits)) || (length >= 22 && mixed && digits)
}
