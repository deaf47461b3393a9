//! A text as nodes with places, whatever is wrong with it: every document, and what stands before an error.

use std::collections::BTreeMap;

use super::Text;
use super::parse::{Event, Parser};
use crate::span::Span;

/// One node as it stands in the text. Children are indexes into [`Pieces::nodes`]; those of a mapping are keys and values in turn.
pub(crate) struct Piece {
    pub kind: PieceKind,
    pub span: Span,
    /// Of a scalar.
    pub value: Text,
    pub children: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Scalar,
    Sequence,
    Mapping,
    /// The node it stands for; none for one that is unknown.
    Alias(Option<usize>),
}

/// All nodes of a text.
#[derive(Default)]
pub(crate) struct Pieces {
    pub nodes: Vec<Piece>,
    /// The root of each document.
    pub roots: Vec<usize>,
    /// From where on nothing is known, because the text cannot be read further.
    pub stopped: Option<usize>,
}

/// Reads as much as can be read. JSON is read as YAML, which tells its nodes apart just as well.
pub(crate) fn pieces(text: &str) -> Pieces {
    let (body, offset) = match text.strip_prefix('\u{feff}') {
        Some(body) => (body, 3),
        None => (text, 0),
    };
    let mut parser = Parser::new(body.as_bytes());
    let mut pieces = Pieces::default();
    let mut anchors: BTreeMap<String, usize> = BTreeMap::new();
    let mut open: Vec<usize> = Vec::new();
    let mut last = offset;
    loop {
        let Ok(placed) = parser.next() else {
            pieces.stopped = Some(last);
            return pieces;
        };
        let span = Span::new(placed.start.at + offset, placed.end.at + offset);
        last = span.start.max(last);
        let (kind, anchor, value) = match placed.event {
            Event::StreamEnd => return pieces,
            Event::StreamStart | Event::DocumentStart => continue,
            Event::DocumentEnd => {
                anchors.clear();
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(node) = open.pop().and_then(|at| pieces.nodes.get_mut(at)) {
                    node.span.end = span.end.max(node.span.start);
                }
                continue;
            }
            Event::Alias(name) => {
                let target = anchors.get(&name).copied();
                (PieceKind::Alias(target), None, Text::default())
            }
            Event::Scalar { anchor, value, .. } => (PieceKind::Scalar, anchor, value),
            Event::SequenceStart { anchor } => (PieceKind::Sequence, anchor, Text::default()),
            Event::MappingStart { anchor } => (PieceKind::Mapping, anchor, Text::default()),
        };
        let at = pieces.nodes.len();
        anchors.extend(anchor.map(|name| (name, at)));
        pieces.nodes.push(Piece {
            kind,
            span,
            value,
            children: Vec::new(),
        });
        match open.last().and_then(|parent| pieces.nodes.get_mut(*parent)) {
            Some(parent) => parent.children.push(at),
            None => pieces.roots.push(at),
        }
        if matches!(kind, PieceKind::Sequence | PieceKind::Mapping) {
            open.push(at);
        }
    }
}

impl Pieces {
    /// Keys and values of a mapping; nothing for any other node. The value is missing where the text ends before it.
    pub(crate) fn fields(&self, at: usize) -> impl Iterator<Item = (&Piece, usize)> {
        let node = self.nodes.get(at).filter(|n| n.kind == PieceKind::Mapping);
        let children = node.map_or(&[][..], |n| n.children.as_slice());
        children.chunks_exact(2).filter_map(|pair| {
            let [key, value] = pair else { return None };
            Some((self.nodes.get(*key)?, *value))
        })
    }
}
