//! Rules about what the API server's container mounts.

use super::super::mounts::Source;
use super::super::{Facts, Server};
use crate::lint::{Edit, Fix, Needs, Report, Rule, Safety, Severity, elsewhere};

pub(crate) static FILE_NOT_MOUNTED: Rule = Rule {
    code: "K8M005",
    name: "file-not-mounted",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Manifest,
    finds: "a configuration path that no mount of the API server's container carries, or that is not absolute.",
    why: "The container does not have the file, so the API server does not start.",
    fix: "Mount the file's directory read-only at the directory that the flag names.",
    upstream: "error reading encryption provider configuration file \"\u{2026}\": open \u{2026}: no such file or directory",
    source: "kubernetes/kubernetes#68407; kubernetes.io, Encrypting Confidential Data at Rest: Use the new encryption configuration file",
    check: elsewhere,
};

/// The flag that is in force, of a server whose mounts are known.
fn in_force(server: &Server) -> Option<(&super::super::Flag, &str)> {
    server.mounts.as_ref()?;
    let flag = server.config.iter().chain(&server.old_flag).last()?;
    Some((flag, flag.value.as_str()))
}

pub(super) fn file_not_mounted(facts: &Facts<'_>, report: &mut Report) {
    for server in &facts.manifest.servers {
        let Some((flag, path)) = in_force(server) else {
            continue;
        };
        if !path.starts_with('/') {
            let message = format!("{path:?} is not an absolute path");
            report.add(&FILE_NOT_MOUNTED, flag.span, message);
        } else if server.mount_of(path).is_none() {
            let message = format!("no mount of the container carries {path}");
            report.add(&FILE_NOT_MOUNTED, flag.span, message);
        }
    }
}

pub(crate) static SOCKET_NOT_MOUNTED: Rule = Rule {
    code: "K8M006",
    name: "socket-not-mounted",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::ManifestAndConfiguration,
    finds: "a KMS socket in a directory that is not mounted into the API server's container, a mount of the socket itself, or an abstract socket without hostNetwork.",
    why: "The API server cannot reach the plugin. A mounted socket file is a dead one after the plugin has made a new one at its restart.",
    fix: "Mount the socket's directory; for an abstract socket set hostNetwork: true.",
    upstream: "Nothing at start: each call then ends in DeadlineExceeded or \"connect: no such file or directory\".",
    source: "kubernetes.io, Using a KMS provider for data encryption: the socket must be reachable for kube-apiserver; kubernetes-sigs/aws-encryption-provider#26",
    check: elsewhere,
};

pub(super) fn socket_not_mounted(facts: &Facts<'_>, report: &mut Report) {
    for server in &facts.manifest.servers {
        if server.mounts.is_none() {
            continue;
        }
        for socket in &facts.sockets {
            let span = in_force(server).map_or(server.span, |(flag, _)| flag.span);
            if socket.starts_with('@') {
                if server.host_network == Some(false) {
                    let message = format!(
                        "the abstract socket {socket} is not in this pod's network: hostNetwork is off"
                    );
                    report.add(&SOCKET_NOT_MOUNTED, span, message);
                }
                continue;
            }
            match server.mount_of(socket) {
                None => {
                    let message =
                        format!("the directory of the KMS socket {socket} is not mounted");
                    report.add(&SOCKET_NOT_MOUNTED, span, message);
                }
                Some(mount) if mount.is_file(socket) => {
                    let message = format!(
                        "the socket {socket} itself is mounted, not its directory: after a restart of the plugin it is a dead one"
                    );
                    report
                        .add(&SOCKET_NOT_MOUNTED, mount.span, message)
                        .severity = Severity::Warning;
                }
                Some(_) => {}
            }
        }
    }
}

pub(crate) static FILE_MOUNT_RELOAD: Rule = Rule {
    code: "K8M007",
    name: "file-mount-with-reload",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Manifest,
    finds: "automatic reload of a configuration that is mounted as a single file, or through subPath.",
    why: "A bind-mounted file is the file of the moment of the mount. When it is replaced, as editors, configuration management and \
          atomic writes do, the container keeps the old one, and the reload never comes.",
    fix: "Mount the directory that holds the file.",
    upstream: "Nothing: it keeps reading the old file.",
    source: "rancher/rke2#5604, kubernetes/kops#18344; kubernetes.io, Volumes: a container using a subPath mount does not receive updates",
    check: elsewhere,
};

pub(super) fn file_mount_reload(facts: &Facts<'_>, report: &mut Report) {
    for server in facts.manifest.servers.iter().filter(|s| s.reloads()) {
        let Some((flag, path)) = in_force(server) else {
            continue;
        };
        let Some(mount) = server.mount_of(path) else {
            continue;
        };
        if !(mount.is_file(path) || mount.sub_path) {
            continue;
        }
        let how = if mount.sub_path {
            "through subPath"
        } else {
            "as a single file"
        };
        let message = format!(
            "mounted {how}: the container keeps the old file when it is replaced, so reload does nothing"
        );
        let finding = report.add(&FILE_MOUNT_RELOAD, mount.span, message);
        let reload = server.reload.last().unwrap_or(flag);
        finding
            .related
            .push((reload.span, "reload is on".to_owned()));
    }
}

pub(crate) static CREATED_EMPTY: Rule = Rule {
    code: "K8M008",
    name: "created-empty",
    severity: Severity::Error,
    fixable: true,
    needs: Needs::Manifest,
    finds: "a hostPath of type FileOrCreate or DirectoryOrCreate that carries the configuration.",
    why: "When the file is missing, the kubelet makes an empty one and hides the mistake; the API server then fails with a text that names neither.",
    fix: "Use type File or Directory: then the pod's event says what is missing.",
    upstream: "encryption provider configuration file \"\u{2026}\" is empty",
    source: "kubernetes.io, Volumes: hostPath types; kubernetes-retired/kube-aws#1450",
    check: elsewhere,
};

pub(super) fn created_empty(facts: &Facts<'_>, report: &mut Report) {
    for server in &facts.manifest.servers {
        let Some((_, path)) = in_force(server) else {
            continue;
        };
        let Some(mount) = server.mount_of(path) else {
            continue;
        };
        let Source::Host { kind, span, .. } = &mount.source else {
            continue;
        };
        // What kubeadm mounts by itself stands nowhere in the file.
        let own = span
            .of(facts.text)
            .is_some_and(|raw| raw.contains(kind.as_str()));
        let (severity, right, what) = match kind.as_str() {
            "FileOrCreate" if own => (Severity::Error, "File", "an empty file is made"),
            "DirectoryOrCreate" if own => {
                (Severity::Info, "Directory", "an empty directory is made")
            }
            _ => continue,
        };
        let message = format!("{what} when the configuration is missing");
        let edit = span
            .of(facts.text)
            .map(|raw| raw.replace(kind.as_str(), right));
        let finding = report.add(&CREATED_EMPTY, *span, message);
        finding.severity = severity;
        finding.fix = edit
            .map(|text| Fix::replace(&format!("write {right}"), Safety::NeedsReview, *span, &text));
    }
}

pub(crate) static READ_ONLY_SPELLING: Rule = Rule {
    code: "K8M009",
    name: "read-only-spelling",
    severity: Severity::Warning,
    fixable: true,
    needs: Needs::Manifest,
    finds: "readonly for readOnly in a pod or in kubeadm's extraVolumes, or readOnly for Talos' readonly.",
    why: "A kubelet drops a field that it does not know, so the mount is writable; Talos refuses the whole file.",
    fix: "Write the field as this file's format spells it.",
    upstream: "Nothing: it does not see the mount's mode.",
    source: "k8s.io/api, core/v1 VolumeMount; kubeadm v1beta4 HostPathMount; siderolabs/talos, v1alpha1 VolumeMountConfig",
    check: elsewhere,
};

pub(super) fn read_only_spelling(facts: &Facts<'_>, report: &mut Report) {
    for server in &facts.manifest.servers {
        for mount in server.mounts.iter().flatten() {
            let Some((span, right)) = mount.misspelt else {
                continue;
            };
            let raw = span.of(facts.text).unwrap_or_default();
            let message = format!(
                "{} is no field here; it is {right}",
                raw.trim_matches(['"', '\''])
            );
            let text = match raw.chars().next() {
                Some(quote @ ('"' | '\'')) => format!("{quote}{right}{quote}"),
                _ => right.to_owned(),
            };
            let edit = Edit::new(span, text);
            let finding = report.add(&READ_ONLY_SPELLING, span, message);
            finding.fix = Some(Fix::new(
                &format!("write {right}"),
                Safety::Safe,
                vec![edit],
            ));
        }
    }
}

pub(crate) static MOUNT_WRITABLE: Rule = Rule {
    code: "K8M010",
    name: "mount-writable",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Manifest,
    finds: "the configuration's mount without read-only.",
    why: "The API server only reads it; whoever breaks into its container can write it as well.",
    fix: "Set readOnly: true on the mount (readonly: true on Talos).",
    upstream: "Nothing: it does not see the mount's mode.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: the sample mounts with readOnly: true",
    check: elsewhere,
};

pub(super) fn mount_writable(facts: &Facts<'_>, report: &mut Report) {
    for server in &facts.manifest.servers {
        let Some((_, path)) = in_force(server) else {
            continue;
        };
        let mount = server
            .mount_of(path)
            .filter(|m| !m.read_only && m.misspelt.is_none());
        if let Some(mount) = mount.filter(|m| matches!(m.source, Source::Host { .. })) {
            let message = format!("{} is mounted writable", mount.mount_path);
            report.add(&MOUNT_WRITABLE, mount.span, message);
        }
    }
}
