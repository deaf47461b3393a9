//! k3s, RKE2 and Talos: configurations that they make themselves.

use super::documents::Document;
use super::embedded::{Embedded, HEAD, search};
use super::mounts::of_extra_volumes;
use super::{Form, Manifest, Server};
use crate::span::Span;
use crate::tree::Node;

/// Fields that only a k3s or RKE2 server's file has.
const K3S: &[&str] = &[
    "secrets-encryption",
    "secrets-encryption-provider",
    "kube-apiserver-arg",
];

/// A file of k3s or RKE2: a mapping of flags without a kind.
pub(super) fn k3s(document: &Document, node: &Node, name: &str, manifest: &mut Manifest) {
    let Some(first) = K3S.iter().find_map(|f| node.field(f)) else {
        return;
    };
    manifest.form = Form::K3s;
    let rke2 = name.contains("rke2");
    let program = if rke2 { "rke2" } else { "k3s" };
    let span = document.span(first.key_span);
    let what = format!("kube-apiserver of {program}");
    let mut server = Server::new(Form::K3s, what, span);
    if let Some(args) = node.get("kube-apiserver-arg") {
        server.assignments(document, args);
    }
    let own = node.get("secrets-encryption");
    let switched = own.and_then(Node::truth);
    server.own_encryption = own.and_then(|n| Some((n.truth()?, document.span(n.span))));
    // RKE2 always encrypts; k3s does when told to.
    if rke2 || switched == Some(true) {
        let data = node.word("data-dir").map_or_else(
            || format!("/var/lib/rancher/{program}"),
            |dir| dir.trim_end_matches('/').to_owned(),
        );
        let path = format!("{data}/server/cred/encryption-config.json");
        server.made = Some((path, true));
    }
    manifest.servers.push(server);
}

/// Whether a document is of a Talos machine configuration.
pub(super) fn is_talos(document: &Document) -> bool {
    let node = &document.root;
    let main = node.get("machine").is_some() && node.word("kind").is_none();
    main && (node.get("cluster").is_some() || node.get("version").is_some())
        || node.word("apiVersion") == Some("v1alpha1")
            && node.word("kind") == Some("KubeEtcdEncryptionConfig")
}

/// Where Talos puts the file for the API server.
const TALOS_PATH: &str = "/system/secrets/kubernetes/kube-apiserver/encryptionconfig.yaml";

/// The documents of a Talos machine configuration.
pub(super) fn talos(documents: &[Document], text: &str, manifest: &mut Manifest) {
    let mut server: Option<Server> = None;
    let mut own: Vec<Embedded> = Vec::new();
    for document in documents {
        let node = &document.root;
        if let (Some("v1alpha1"), Some("KubeEtcdEncryptionConfig"), Some(config)) = (
            node.word("apiVersion"),
            node.word("kind"),
            node.get("config"),
        ) {
            let key = document.span(node.get("kind").unwrap_or(node).span);
            let origin = "config of the KubeEtcdEncryptionConfig".to_owned();
            own.extend(Embedded::mapping(origin, document, config, HEAD, key, text).map(made_at));
            continue;
        }
        own.extend(search(document, node, text).into_iter().map(|e| {
            if e.writes_to().is_none() && e.origin().ends_with("of the file") {
                made_at(e)
            } else {
                e
            }
        }));
        let worker = node.down(&["machine", "type"]).and_then(Node::text) == Some("worker");
        if let Some(cluster) = node.get("cluster").filter(|_| !worker) {
            server = Some(api_server(document, node, cluster));
            own.extend(from_keys(document, cluster));
        }
    }
    let has_own = own.iter().any(|e| e.writes_to() == Some(TALOS_PATH));
    manifest.embedded.extend(own);
    if let Some(mut server) = server {
        if has_own {
            server.made = Some((TALOS_PATH.to_owned(), false));
        }
        manifest.servers.push(server);
    }
}

fn made_at(embedded: Embedded) -> Embedded {
    embedded.written_to(TALOS_PATH)
}

fn api_server(document: &Document, root: &Node, cluster: &Node) -> Server {
    let api = cluster.get("apiServer");
    let key = root.field("cluster").map_or(cluster.span, |f| f.key_span);
    let span = document.span(key);
    let args = api.and_then(|a| a.get("extraArgs"));
    let what = "kube-apiserver of a Talos machine".to_owned();
    let mut server = Server::new(Form::Talos, what, span);
    if let Some(args) = args {
        server.extra_args(document, args);
    }
    if let Some(image) = api.and_then(|a| a.get("image")) {
        server.set_image(document, image);
    }
    server.host_network = Some(true);
    server.mounts = api
        .and_then(|a| a.get("extraVolumes"))
        .map(|v| of_extra_volumes(document, v, "readonly"));
    server
}

/// The file that Talos makes from the secrets of `cluster`; secretbox, if given, writes.
fn from_keys(document: &Document, cluster: &Node) -> Option<Embedded> {
    let secret = |name: &str| {
        let node = cluster.get(name)?;
        node.text()
            .filter(|t| !t.is_empty())
            .map(|text| (text, document.span(node.span)))
    };
    let keys = [
        ("secretboxEncryptionSecret", "secretbox", "key2"),
        ("aescbcEncryptionSecret", "aescbc", "key1"),
    ];
    let mut text = String::with_capacity(1024);
    text += "apiVersion: v1\nkind: EncryptionConfig\nresources:\n- resources:\n  - secrets\n  providers:\n";
    let mut place: Option<(&str, Span)> = None;
    for (field, provider, name) in keys {
        if let Some((key, span)) = secret(field) {
            text += &format!(
                "  - {provider}:\n      keys:\n      - name: {name}\n        secret: {key}\n"
            );
            place = place.or(Some((field, span)));
        }
    }
    text += "  - identity: {}\n";
    let (field, span) = place?;
    Some(Embedded::made(
        &format!("cluster.{field}"),
        TALOS_PATH,
        text,
        span,
    ))
}
