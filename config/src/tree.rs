//! The file as a tree: what kube-apiserver's JSON decoder is given, with the place of every node.
//!
//! YAML and JSON end in the same tree. YAML has been through go-yaml's rules by then: scalars resolved, aliases
//! expanded, merges done, keys turned to strings and sorted, as upstream's conversion to JSON does.

mod compose;
mod json;
mod parse;
mod parse_document;
mod parse_flow;
mod pieces;
mod reader;
mod resolve;
mod scan;
mod scan_marks;
mod scan_scalar;
mod yaml;

use core::fmt;

use zeroize::Zeroizing;

use crate::span::Span;

pub(crate) use pieces::{Piece, PieceKind, Pieces, pieces};

/// Text that may be a key: wiped when dropped, never printed by `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Text(Zeroizing<String>);

impl Text {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl core::ops::Deref for Text {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

/// What the scanner writes to.
pub(crate) trait Sink {
    fn push_str(&mut self, text: &str);

    fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }
}

impl Sink for String {
    fn push_str(&mut self, text: &str) {
        Self::push_str(self, text);
    }
}

impl Sink for Text {
    /// Memory that is outgrown is wiped before it is given back.
    fn push_str(&mut self, text: &str) {
        let need = self.0.len().saturating_add(text.len());
        if need > self.0.capacity() {
            let mut grown = Zeroizing::new(String::with_capacity(need.saturating_mul(2)));
            grown.push_str(&self.0);
            self.0 = grown;
        }
        self.0.push_str(text);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// Nesting above this is refused. kube-apiserver's own limit is 10,000; a real configuration is 7 deep.
pub(crate) const MAX_DEPTH: usize = 200;

/// A value and its place.
#[derive(Clone, Default)]
pub(crate) struct Node {
    pub span: Span,
    pub value: Value,
}

/// What a JSON value can be.
#[derive(Clone, Default)]
pub(crate) enum Value {
    #[default]
    Null,
    Bool(bool),
    /// As JSON text.
    Number(String),
    String(Text),
    List(Vec<Node>),
    /// In the order upstream's JSON decoder meets the fields; JSON input may hold a name twice.
    Map(Vec<Field>),
}

/// One field of a mapping.
#[derive(Clone)]
pub(crate) struct Field {
    pub key: Text,
    pub key_span: Span,
    pub node: Node,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may be keys.
        write!(
            f,
            "Node({} at {}..{})",
            self.value.kind(),
            self.span.start,
            self.span.end
        )
    }
}

impl Value {
    /// encoding/json's word for the kind of value.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }
}

/// How the file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Json,
    Yaml,
}

/// A key given twice in one YAML mapping.
#[derive(Clone, Debug)]
pub(crate) struct DuplicateKey {
    /// go-yaml's line of the second value.
    pub line: usize,
    /// The key as `%#v` prints it.
    pub shown: String,
    pub first: Span,
    pub second: Span,
}

/// A file that could be read.
#[derive(Debug)]
pub(crate) struct Tree {
    pub syntax: Syntax,
    pub root: Node,
    pub duplicates: Vec<DuplicateKey>,
    /// Two keys of different YAML types become one name: upstream's winner is random.
    pub ambiguous: Vec<Span>,
    /// Where a second YAML document begins.
    pub second_document: Option<usize>,
}

/// A file that could not be read.
#[derive(Clone, Debug)]
pub(crate) struct SyntaxError {
    /// kube-apiserver's words, or the nearest we have.
    pub upstream: String,
    /// Whether `upstream` is byte-exact.
    pub exact: bool,
    /// Whether upstream prints a value of the file where `upstream` has `REDACTED`.
    pub redacted: bool,
    pub span: Span,
}

/// Reads JSON when the first byte that is not white space is `{`, as upstream decides, and YAML otherwise.
pub(crate) fn read(text: &[u8]) -> Result<Tree, SyntaxError> {
    if is_json(text) {
        json::read(text)
    } else {
        yaml::read(text)
    }
}

pub(crate) fn is_json(text: &[u8]) -> bool {
    let lossy = text.utf8_chunks();
    for chunk in lossy {
        // Go's unicode.IsSpace.
        let rest = chunk.valid().trim_start_matches(|c: char| {
            c.is_whitespace() && !matches!(c, '\u{200b}') || c == '\u{85}' || c == '\u{a0}'
        });
        if !rest.is_empty() {
            return rest.starts_with('{');
        }
        if !chunk.invalid().is_empty() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests;
