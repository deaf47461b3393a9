//! A configuration that stands within another file.

use zeroize::Zeroizing;

use super::documents::Document;
use super::node::is_configuration;
use crate::lint::Finding;
use crate::span::Span;
use crate::tree::{self, Node, Value};

/// A configuration that a manifest holds, or that is made from keys it holds.
pub struct Embedded {
    origin: String,
    writes_to: Option<String>,
    text: Zeroizing<String>,
    /// For each line of the text that stands in the file as it is: where it begins here and there.
    pub(super) lines: Vec<(usize, usize)>,
    /// Where everything else is said to be.
    span: Span,
    /// Whether it stands in the file, rather than being made from keys in it.
    verbatim: bool,
    /// The kind of cluster object that holds it.
    holder: Option<&'static str>,
}

impl core::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The text holds keys.
        write!(f, "Embedded({}, {} bytes)", self.origin, self.text.len())
    }
}

/// What a Talos document holds besides `apiVersion` and `kind`, which are put before it.
pub(super) const HEAD: &str =
    "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n";

impl Embedded {
    /// The field it was found in, such as `data.encryption-config.yaml`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path that it will be written to on the host, if the file says so.
    #[must_use]
    pub fn writes_to(&self) -> Option<&str> {
        self.writes_to.as_deref()
    }

    /// The configuration. It holds keys.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it stands in the file, rather than being made from keys in it.
    #[must_use]
    pub const fn is_verbatim(&self) -> bool {
        self.verbatim
    }

    pub(super) const fn holder(&self) -> Option<&'static str> {
        self.holder
    }

    pub(super) const fn span(&self) -> Span {
        self.span
    }

    pub(super) fn written_to(mut self, path: &str) -> Self {
        self.writes_to = Some(path.to_owned());
        self
    }

    /// Made from keys at a place.
    pub(super) fn made(origin: &str, path: &str, text: String, span: Span) -> Self {
        Self {
            origin: origin.to_owned(),
            writes_to: Some(path.to_owned()),
            text: Zeroizing::new(text),
            lines: Vec::new(),
            span,
            verbatim: false,
            holder: None,
        }
    }

    /// A mapping of the file, with a head before it; `key` is shown where the head is at fault.
    pub(super) fn mapping(
        origin: String,
        document: &Document,
        node: &Node,
        head: &str,
        key: Span,
        file: &str,
    ) -> Option<Self> {
        let span = document.span(node.span);
        let flow = file.get(span.start..)?.starts_with(['{', '[']);
        if flow && !head.is_empty() {
            return None;
        }
        let begin = file.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
        let indent = if flow { 0 } else { span.start - begin };
        // Without this a mapping that begins with a brace would be taken for JSON.
        let mut text = Zeroizing::new(if flow { "--- " } else { head }.to_owned());
        let mut lines = Vec::new();
        let mut at = if flow { span.start } else { begin };
        for line in file.get(at..span.end)?.split_inclusive('\n') {
            let cut = if at == begin {
                indent
            } else {
                let blanks = line.len() - line.trim_start_matches(' ').len();
                blanks.min(indent)
            };
            lines.push((text.len(), at + cut));
            text.push_str(line.get(cut..)?);
            at += line.len();
        }
        Some(Self {
            origin,
            writes_to: None,
            text,
            lines,
            span: key,
            verbatim: true,
            holder: None,
        })
    }

    /// A text of the file that is a configuration by itself.
    fn string(origin: String, document: &Document, node: &Node, file: &str) -> Option<Self> {
        let text = node.text()?;
        if !may_be_configuration(text) {
            return None;
        }
        let span = document.span(node.span);
        Some(Self {
            origin,
            writes_to: None,
            lines: literal_lines(text, span, file).unwrap_or_default(),
            text: Zeroizing::new(text.to_owned()),
            span,
            verbatim: true,
            holder: None,
        })
    }

    /// Where a byte of the configuration stands in the file.
    pub(super) fn at(&self, inner: usize) -> Option<usize> {
        let i = self.lines.partition_point(|(start, _)| *start <= inner);
        let (from, to) = self.lines.get(i.checked_sub(1)?)?;
        Some(to + (inner - from))
    }

    /// A place of the configuration in the file around it; the place of the whole where it has none of its own.
    #[must_use]
    pub fn outer(&self, inner: Span) -> Span {
        match (self.at(inner.start), self.at(inner.end)) {
            (Some(start), Some(end)) => Span::new(start, end.max(start)),
            _ => self.span,
        }
    }

    /// A finding of the configuration as one of the file, still with the change of the configuration. What concerns
    /// the form of a file that a distribution makes is not the user's.
    pub(super) fn place(&self, finding: Finding) -> Option<Finding> {
        if !self.verbatim && finding.code == crate::lint::LEGACY_KIND_CODE {
            return None;
        }
        Some(self.placed(finding))
    }

    fn placed(&self, finding: Finding) -> Finding {
        let related = finding.related.into_iter();
        Finding {
            span: self.outer(finding.span),
            related: related
                .map(|(span, text)| (self.outer(span), text))
                .collect(),
            ..finding
        }
    }
}

/// A quick look before a text is read as a whole.
fn may_be_configuration(text: &str) -> bool {
    let names = ["EncryptionConfiguration", "EncryptionConfig"];
    if !names.iter().any(|name| text.contains(name)) {
        return false;
    }
    match tree::read(text.as_bytes()) {
        Ok(tree) => is_configuration(&tree.root),
        // Not readable, and yet meant: kube-apiserver has to say why.
        Err(_) => text.lines().any(|line| {
            let rest = line.strip_prefix("kind:").map(str::trim);
            rest.is_some_and(|kind| names.contains(&kind))
        }),
    }
}

/// Where the lines of a literal block scalar stand in the file; none for scalars that are quoted or folded.
fn literal_lines(text: &str, span: Span, file: &str) -> Option<Vec<(usize, usize)>> {
    let header_end = file.get(span.start..)?.find('\n')? + span.start + 1;
    if !file
        .get(span.start..header_end)?
        .trim_start()
        .starts_with('|')
    {
        return None;
    }
    let mut at = header_end;
    let mut from = 0;
    let mut indent = None;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        let outer = file
            .get(at..)?
            .split_inclusive('\n')
            .next()
            .unwrap_or_default();
        if !line.trim().is_empty() {
            let blanks = outer.len() - outer.trim_start_matches(' ').len();
            let own = line.len() - line.trim_start_matches(' ').len();
            let indent = *indent.get_or_insert(blanks.checked_sub(own)?);
            if outer.get(indent..)?.trim_end() != line.trim_end() {
                return None;
            }
            lines.push((from, at + indent));
        } else {
            lines.push((from, at));
        }
        from += line.len();
        at += outer.len();
    }
    Some(lines)
}

/// How deep configurations are looked for.
const DEEPEST: usize = 30;

/// Every configuration below a node.
pub(super) fn search(document: &Document, root: &Node, file: &str) -> Vec<Embedded> {
    let mut found = Vec::new();
    let top = is_configuration(root);
    if top {
        let key = document.span(root.span);
        let offset = document.offset();
        found.extend(Embedded::mapping(
            whole(offset),
            document,
            root,
            "",
            key,
            file,
        ));
        return found;
    }
    below(document, root, "", file, DEEPEST, &mut found);
    for embedded in &mut found {
        embedded.holder = holder(root, &embedded.origin);
    }
    found
}

/// Where a configuration of a cluster object is kept.
fn holder(root: &Node, path: &str) -> Option<&'static str> {
    match root.word("kind") {
        Some("ConfigMap") if path.starts_with("data") => Some("ConfigMap"),
        Some("Secret") if path.starts_with("stringData") => Some("Secret"),
        _ => None,
    }
}

fn whole(offset: usize) -> String {
    if offset == 0 {
        "the file".to_owned()
    } else {
        "a document of the file".to_owned()
    }
}

fn below(
    document: &Document,
    node: &Node,
    path: &str,
    file: &str,
    depth: usize,
    found: &mut Vec<Embedded>,
) {
    if depth == 0 {
        return;
    }
    match &node.value {
        Value::String(_) => {
            found.extend(Embedded::string(path.to_owned(), document, node, file));
        }
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                let from = found.len();
                below(
                    document,
                    item,
                    &format!("{path}[{i}]"),
                    file,
                    depth - 1,
                    found,
                );
                written_to(item, found.get_mut(from..).unwrap_or_default());
            }
        }
        Value::Map(fields) => {
            if !path.is_empty() && is_configuration(node) {
                let key = document.span(node.span);
                found.extend(Embedded::mapping(
                    path.to_owned(),
                    document,
                    node,
                    "",
                    key,
                    file,
                ));
                return;
            }
            for field in fields {
                let path = match path {
                    "" => field.key.as_str().to_owned(),
                    _ => format!("{path}.{}", field.key.as_str()),
                };
                below(document, &field.node, &path, file, depth - 1, found);
            }
        }
        _ => {}
    }
}

/// `machine.files`, cloud-init's `write_files` and Cluster API's `files` name the path beside the content.
fn written_to(item: &Node, found: &mut [Embedded]) {
    let Some(path) = item.word("path") else {
        return;
    };
    for embedded in found {
        if embedded.origin.ends_with("].content") {
            embedded.writes_to = Some(path.to_owned());
        }
    }
}

/// A Secret's values are base64.
pub(super) fn of_secret(document: &Document, secret: &Node) -> Vec<Embedded> {
    let mut found = Vec::new();
    for field in secret.get("data").map_or(&[][..], Node::fields) {
        let decoded = field
            .node
            .text()
            .and_then(crate::golang::base64_decode)
            .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
            .map(Zeroizing::new);
        if let Some(text) = decoded.filter(|t| may_be_configuration(t)) {
            found.push(Embedded {
                origin: format!("data.{}", field.key.as_str()),
                writes_to: None,
                text,
                lines: Vec::new(),
                span: document.span(field.node.span),
                verbatim: true,
                holder: Some("Secret"),
            });
        }
    }
    found
}
