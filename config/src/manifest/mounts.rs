//! What is mounted where in an API server's container.

use super::documents::Document;
use crate::span::Span;
use crate::tree::Node;

/// A volume of a pod.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A path of the host, with the volume's `type` and its place.
    Host {
        path: String,
        kind: String,
        span: Span,
    },
    /// A ConfigMap, a Secret, or anything else that has no path on the host.
    Other,
}

/// One mount of a container.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    pub mount_path: String,
    pub source: Source,
    pub sub_path: bool,
    pub read_only: bool,
    /// A misspelt field for read-only, with its right name.
    pub misspelt: Option<(Span, &'static str)>,
    pub span: Span,
}

impl Mount {
    /// Whether the mount is the path or a directory above it.
    pub(super) fn carries(&self, path: &str) -> bool {
        let base = self.mount_path.trim_end_matches('/');
        path.strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether the mount is the path itself.
    pub(super) fn is_file(&self, path: &str) -> bool {
        self.mount_path.trim_end_matches('/') == path
    }

    /// A path of the container as a path of the host.
    pub(super) fn on_host(&self, path: &str) -> Option<String> {
        let Source::Host { path: host, .. } = &self.source else {
            return None;
        };
        let rest = path.strip_prefix(self.mount_path.trim_end_matches('/'))?;
        Some(format!("{}{rest}", host.trim_end_matches('/')))
    }
}

/// A field for read-only whose letters are of the wrong case.
fn misspelt(document: &Document, node: &Node, right: &'static str) -> Option<(Span, &'static str)> {
    let field = node
        .fields()
        .iter()
        .find(|f| f.key.eq_ignore_ascii_case(right) && f.key.as_str() != right)?;
    Some((document.span(field.key_span), right))
}

/// The mounts of a container of a pod.
pub(super) fn of_container(document: &Document, container: &Node, pod: &Node) -> Vec<Mount> {
    let volumes = pod.get("volumes").map_or(&[][..], Node::items);
    let mounts = container.get("volumeMounts").map_or(&[][..], Node::items);
    let mut found = Vec::new();
    for mount in mounts {
        let Some(mount_path) = mount.word("mountPath") else {
            continue;
        };
        let volume = volumes
            .iter()
            .find(|v| v.word("name").is_some() && v.word("name") == mount.word("name"));
        let host = volume.and_then(|v| v.get("hostPath"));
        let source = match host.and_then(|h| Some((h, h.word("path")?))) {
            Some((host, path)) => Source::Host {
                path: path.to_owned(),
                kind: host.word("type").unwrap_or_default().to_owned(),
                span: document.span(host.get("type").map_or(host.span, |t| t.span)),
            },
            None => Source::Other,
        };
        found.push(Mount {
            mount_path: mount_path.to_owned(),
            source,
            sub_path: mount.get("subPath").is_some() || mount.get("subPathExpr").is_some(),
            read_only: mount.get("readOnly").and_then(Node::truth) == Some(true),
            misspelt: misspelt(document, mount, "readOnly"),
            span: document.span(mount.span),
        });
    }
    found
}

/// The elements of kubeadm's or Talos' `extraVolumes`. `right` is how that file spells read-only.
pub(super) fn of_extra_volumes(
    document: &Document,
    volumes: &Node,
    right: &'static str,
) -> Vec<Mount> {
    let mut found = Vec::new();
    for volume in volumes.items() {
        let (Some(host), Some(mount_path)) = (volume.get("hostPath"), volume.word("mountPath"))
        else {
            continue;
        };
        let kind = volume.get("pathType");
        found.push(Mount {
            mount_path: mount_path.to_owned(),
            source: Source::Host {
                path: host.text().unwrap_or_default().to_owned(),
                kind: kind.and_then(Node::text).unwrap_or_default().to_owned(),
                span: document.span(kind.unwrap_or(host).span),
            },
            sub_path: false,
            read_only: volume.get(right).and_then(Node::truth) == Some(true),
            misspelt: misspelt(document, volume, right),
            span: document.span(volume.span),
        });
    }
    found
}
