//! From bytes to YAML nodes: the first document only, as go-yaml v2 reads it.

use std::collections::BTreeMap;

use super::compose::compose;
use super::parse::{Event, Parser, Placed};
use super::reader::Mark;
use super::{MAX_DEPTH, Sink as _, SyntaxError, Text, Tree};
use crate::span::Span;

/// One YAML node as parsed, before anything is resolved. Children are indexes into [`Document::nodes`].
pub(super) struct Parsed {
    pub kind: Kind,
    pub span: Span,
    /// From 0.
    pub line: usize,
    pub tag: Option<String>,
    pub value: Text,
    /// libyaml's "implicit".
    pub plain: bool,
    pub children: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Sequence,
    Mapping,
    Alias(usize),
}

/// The first document of a file; its root is the first node.
#[derive(Default)]
pub(super) struct Document {
    pub nodes: Vec<Parsed>,
    pub second_document: Option<usize>,
}

/// A problem of reader, scanner or parser.
#[derive(Debug)]
pub(super) struct YamlError {
    problem: &'static str,
    mark: Option<Mark>,
    context: Option<Mark>,
    scanner: bool,
}

impl YamlError {
    pub(super) const fn reader(problem: &'static str) -> Self {
        Self {
            problem,
            mark: None,
            context: None,
            scanner: false,
        }
    }

    pub(super) const fn scanner(problem: &'static str, mark: Mark, context: Option<Mark>) -> Self {
        Self {
            problem,
            mark: Some(mark),
            context,
            scanner: true,
        }
    }

    pub(super) const fn parser(problem: &'static str, mark: Mark, context: Option<Mark>) -> Self {
        Self {
            problem,
            mark: Some(mark),
            context,
            scanner: false,
        }
    }

    /// go-yaml's text; the line it names is sometimes one short.
    fn syntax(&self, offset: usize) -> SyntaxError {
        let line = match (self.mark, self.context) {
            (Some(mark), _) if mark.line != 0 => Some(mark.line + usize::from(self.scanner)),
            (_, Some(mark)) if mark.line != 0 => Some(mark.line),
            _ => None,
        };
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        let at = self.mark.map_or(0, |m| m.at) + offset;
        failure(format!("{place}{}", self.problem), Span::new(at, at), true)
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Tree, SyntaxError> {
    let decoded = decode_utf16(bytes)?;
    let text = decoded.as_ref().map_or(bytes, |text| text.as_bytes());
    let (body, offset) = match text.strip_prefix(b"\xef\xbb\xbf") {
        Some(body) => (body, 3),
        None => (text, 0),
    };
    compose(
        &Nodes {
            parser: Parser::new(body),
            offset,
        }
        .document()?,
    )
}

/// go-yaml takes UTF-16 with a byte order mark; `None` without one.
fn decode_utf16(bytes: &[u8]) -> Result<Option<Text>, SyntaxError> {
    let big = bytes.starts_with(b"\xfe\xff");
    if !big && !bytes.starts_with(b"\xff\xfe") {
        return Ok(None);
    }
    let refuse = |problem: &str| failure(problem.to_owned(), Span::default(), false);
    let (pairs, rest) = bytes.get(2..).unwrap_or_default().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(refuse("incomplete UTF-16 character"));
    }
    let units = pairs.iter().map(|pair| {
        if big {
            u16::from_be_bytes(*pair)
        } else {
            u16::from_le_bytes(*pair)
        }
    });
    let mut text = Text::new(String::with_capacity(pairs.len()));
    for character in char::decode_utf16(units) {
        text.push(character.map_err(|_| refuse("unexpected low surrogate area"))?);
    }
    Ok(Some(text))
}

/// A go-yaml error: its text with the prefix that it always has.
pub(super) fn failure(problem: String, span: Span, exact: bool) -> SyntaxError {
    SyntaxError {
        upstream: format!("yaml: {problem}"),
        exact,
        redacted: false,
        span,
    }
}

/// Builds nodes from events.
struct Nodes<'t> {
    parser: Parser<'t>,
    /// Bytes of the file before the text.
    offset: usize,
}

impl Nodes<'_> {
    fn next(&mut self) -> Result<(Event, Span, usize), SyntaxError> {
        let Placed { event, start, end } = self.parser.next().map_err(|e| e.syntax(self.offset))?;
        Ok((
            event,
            Span::new(start.at + self.offset, end.at + self.offset),
            start.line,
        ))
    }

    fn document(mut self) -> Result<Document, SyntaxError> {
        let mut document = Document::default();
        let mut anchors: BTreeMap<String, usize> = BTreeMap::new();
        let mut open: Vec<usize> = Vec::new();
        loop {
            let (event, span, line) = self.next()?;
            let mut node = Parsed {
                kind: Kind::Scalar,
                span,
                line,
                tag: None,
                value: Text::default(),
                plain: false,
                children: Vec::new(),
            };
            let anchor = match event {
                Event::StreamEnd => return Ok(document),
                Event::StreamStart | Event::DocumentStart => continue,
                Event::DocumentEnd => {
                    document.second_document = self.another_document();
                    return Ok(document);
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(node) = open.pop().and_then(|index| document.nodes.get_mut(index)) {
                        node.span.end = span.end.max(node.span.start);
                    }
                    continue;
                }
                Event::Alias(name) => {
                    let Some(target) = anchors.get(&name) else {
                        return Err(failure(
                            format!("unknown anchor '{name}' referenced"),
                            span,
                            true,
                        ));
                    };
                    node.kind = Kind::Alias(*target);
                    node.value = Text::new(name);
                    None
                }
                Event::Scalar {
                    anchor,
                    tag,
                    value,
                    plain,
                } => {
                    node.value = value;
                    node.tag = tag;
                    node.plain = plain;
                    anchor
                }
                Event::SequenceStart { anchor } => {
                    node.kind = Kind::Sequence;
                    anchor
                }
                Event::MappingStart { anchor } => {
                    node.kind = Kind::Mapping;
                    anchor
                }
            };
            let index = document.nodes.len();
            let opens = matches!(node.kind, Kind::Sequence | Kind::Mapping);
            if let Some(anchor) = anchor {
                anchors.insert(anchor, index);
            }
            document.nodes.push(node);
            if let Some(parent) = open.last().and_then(|index| document.nodes.get_mut(*index)) {
                parent.children.push(index);
            }
            if opens {
                if open.len() >= MAX_DEPTH {
                    return Err(failure(
                        format!("nesting deeper than {MAX_DEPTH} levels"),
                        span,
                        false,
                    ));
                }
                open.push(index);
            }
        }
    }

    /// Looks one event further for the advice that later documents are ignored; upstream never looks.
    fn another_document(&mut self) -> Option<usize> {
        match self.next() {
            Ok((Event::DocumentStart, span, _)) => Some(span.start),
            _ => None,
        }
    }
}
