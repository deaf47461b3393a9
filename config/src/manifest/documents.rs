//! The YAML documents of a file, each read by itself.

use crate::span::Span;
use crate::tree::{self, Node};

/// One document; its spans count from its own start.
pub(super) struct Document {
    pub root: Node,
    offset: usize,
}

impl Document {
    /// A span of this document in the whole file.
    pub(super) fn span(&self, inner: Span) -> Span {
        Span::new(inner.start + self.offset, inner.end + self.offset)
    }

    /// Where the document begins in the file.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }
}

/// More documents than a real file has are not looked at.
const MOST: usize = 1000;

/// Every document that can be read; none when the first is an EncryptionConfiguration of its own.
pub(super) fn documents(text: &str) -> Option<Vec<Document>> {
    let mut documents = Vec::new();
    for (offset, part) in parts(text).into_iter().take(MOST) {
        let Ok(tree) = tree::read(part.as_bytes()) else {
            continue;
        };
        documents.push(Document {
            root: tree.root,
            offset,
        });
    }
    let alone = documents
        .first()
        .is_some_and(|d| super::node::is_configuration(&d.root));
    let talos = documents.iter().any(super::platforms::is_talos);
    (!alone || talos).then_some(documents)
}

/// `---` at the start of a line begins a document wherever it stands, also in a block scalar.
fn parts(text: &str) -> Vec<(usize, &str)> {
    if tree::is_json(text.as_bytes()) {
        return vec![(0, text)];
    }
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.trim_start().is_empty() || rest.starts_with([' ', '\t']));
        if marker && at > begin {
            parts.push((begin, text.get(begin..at).unwrap_or_default()));
            begin = at;
        }
        at += line.len();
    }
    parts.push((begin, text.get(begin..).unwrap_or_default()));
    parts
}
