//! Kubernetes objects, kubeadm's among them, and files without a kind.

use super::documents::Document;
use super::embedded::{of_secret, search};
use super::mounts::{Mount, Source, of_container, of_extra_volumes};
use super::plugins::{is_plugin, plugin};
use super::{Form, Manifest, Server, platforms};
use crate::tree::Node;

/// One object of a document; a List is taken apart.
pub(super) fn object(
    document: &Document,
    node: &Node,
    text: &str,
    name: &str,
    manifest: &mut Manifest,
) {
    match node.word("kind") {
        Some("List") => {
            for item in node.get("items").map_or(&[][..], Node::items) {
                object(document, item, text, name, manifest);
            }
            return;
        }
        Some("ClusterConfiguration") => cluster_configuration(document, node, manifest),
        Some("KubeadmControlPlane") => {
            kubeadm(
                document,
                node.down(&["spec", "kubeadmConfigSpec"]),
                manifest,
            );
        }
        Some("KubeadmControlPlaneTemplate") => {
            let spec = node.down(&["spec", "template", "spec", "kubeadmConfigSpec"]);
            kubeadm(document, spec, manifest);
        }
        Some("Secret") => manifest.embedded.extend(of_secret(document, node)),
        Some(_) => pod(document, node, manifest),
        None => platforms::k3s(document, node, name, manifest),
    }
    manifest.embedded.extend(search(document, node, text));
}

fn kubeadm(document: &Document, spec: Option<&Node>, manifest: &mut Manifest) {
    if let Some(cluster) = spec.and_then(|s| s.get("clusterConfiguration")) {
        cluster_configuration(document, cluster, manifest);
    }
}

fn cluster_configuration(document: &Document, node: &Node, manifest: &mut Manifest) {
    manifest.form = Form::Kubeadm;
    let span = document.span(node.get("kind").unwrap_or(node).span);
    let api = node.get("apiServer");
    let args = api.and_then(|a| a.get("extraArgs"));
    let what = "kube-apiserver of a kubeadm ClusterConfiguration".to_owned();
    let mut server = Server::new(Form::Kubeadm, what, span);
    server.version = node.word("kubernetesVersion").and_then(|v| v.parse().ok());
    server.host_network = Some(true);
    if let Some(args) = args {
        let form = node.word("apiVersion").unwrap_or_default();
        let wanted = match form.rsplit('/').next() {
            Some("v1beta1" | "v1beta2" | "v1beta3") if !args.items().is_empty() => {
                Some("a mapping")
            }
            Some("v1beta4") if !args.fields().is_empty() => Some("a list of name and value"),
            _ => None,
        };
        if let Some(wanted) = wanted {
            let message = format!("in {form} extraArgs is {wanted}");
            server.misformed.push((document.span(args.span), message));
        }
        server.extra_args(document, args);
    }
    let mut mounts = api
        .and_then(|a| a.get("extraVolumes"))
        .map_or_else(Vec::new, |v| of_extra_volumes(document, v, "readOnly"));
    let certificates = node
        .word("certificatesDir")
        .unwrap_or("/etc/kubernetes/pki");
    // What kubeadm always mounts.
    for path in [
        certificates,
        "/etc/ssl/certs",
        "/etc/ca-certificates",
        "/usr/share/ca-certificates",
    ] {
        mounts.push(Mount {
            mount_path: path.to_owned(),
            source: Source::Host {
                path: path.to_owned(),
                kind: "DirectoryOrCreate".to_owned(),
                span,
            },
            sub_path: false,
            read_only: true,
            misspelt: None,
            span,
        });
    }
    server.mounts = Some(mounts);
    manifest.servers.push(server);
}

/// A pod, or an object with a template of one.
fn pod(document: &Document, object: &Node, manifest: &mut Manifest) {
    let spec = object
        .down(&["spec", "template", "spec"])
        .or_else(|| object.get("spec"));
    let Some(spec) = spec else { return };
    let name = object
        .down(&["metadata", "name"])
        .and_then(Node::text)
        .unwrap_or("pod");
    let containers = ["initContainers", "containers"]
        .into_iter()
        .filter_map(|f| spec.get(f))
        .flat_map(Node::items);
    for container in containers {
        if is_api_server(container) {
            manifest
                .servers
                .push(api_server(document, container, spec, name));
        } else if is_plugin(container) {
            manifest.plugins.push(plugin(document, object, container));
        }
    }
}

fn is_api_server(container: &Node) -> bool {
    let commands = || {
        ["command", "args"]
            .into_iter()
            .filter_map(|f| container.get(f))
            .flat_map(Node::items)
            .filter_map(Node::text)
    };
    let named = container.word("name") == Some("kube-apiserver");
    let first = commands().next().and_then(|c| c.rsplit('/').next());
    let image = container.word("image").unwrap_or_default();
    let image = image.rsplit('/').next().unwrap_or_default();
    named
        || first == Some("kube-apiserver")
        || image.starts_with("kube-apiserver")
        || commands().any(|c| c.contains("kube-apiserver ") && c.contains("--"))
}

fn api_server(document: &Document, container: &Node, spec: &Node, name: &str) -> Server {
    let args = ["command", "args"]
        .into_iter()
        .filter_map(|f| container.get(f));
    let span = document.span(container.get("name").unwrap_or(container).span);
    let what = format!("kube-apiserver of the pod {name}");
    let mut server = Server::new(Form::Objects, what, span);
    server.command_line(document, args.flat_map(Node::items));
    if let Some(image) = container.get("image") {
        server.set_image(document, image);
    }
    server.host_network = Some(spec.get("hostNetwork").and_then(Node::truth) == Some(true));
    server.mounts = Some(of_container(document, container, spec));
    server
}
