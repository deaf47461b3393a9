//! KMS plugins that run as pods.

use super::documents::Document;
use crate::span::Span;
use crate::tree::Node;

/// A container that is a KMS plugin.
#[derive(Debug)]
pub(super) struct Plugin {
    /// The kind of object that runs it.
    pub kind: String,
    pub kind_span: Span,
    pub container: String,
    pub image: Option<(String, Span)>,
}

/// What names and images of the plugins in use hold.
const NAMES: &[&str] = &[
    "kms-plugin",
    "kmsplugin",
    "k8s-cloudkms",
    "aws-encryption-provider",
    "kubernetes-kms",
    "vault-kubernetes-kms",
    "trousseau",
    "kleidi",
    "barbican-kms",
    "k8-kms",
    "k8s-kms",
];

/// Whether a container is a KMS plugin, going by its name, image and command.
pub(super) fn is_plugin(container: &Node) -> bool {
    let command = ["command", "args"]
        .into_iter()
        .filter_map(|f| container.get(f))
        .flat_map(Node::items)
        .take(1);
    let words = ["name", "image"]
        .into_iter()
        .filter_map(|f| container.get(f))
        .chain(command);
    words.filter_map(Node::text).any(|word| {
        NAMES
            .iter()
            .any(|name| word.to_ascii_lowercase().contains(name))
    })
}

pub(super) fn plugin(document: &Document, object: &Node, container: &Node) -> Plugin {
    let kind = object.get("kind");
    let image = container.get("image");
    Plugin {
        kind: kind.and_then(Node::text).unwrap_or_default().to_owned(),
        kind_span: document.span(kind.unwrap_or(object).span),
        container: container.word("name").unwrap_or_default().to_owned(),
        image: image.and_then(|i| Some((i.text()?.to_owned(), document.span(i.span)))),
    }
}
