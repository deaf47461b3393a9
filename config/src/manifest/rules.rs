//! Rules about the way from the file to the API server.

use super::mounts::Source;
use super::servers::floats;
use super::{Facts, Form, Server};
use crate::lint::{Edit, Fix, Needs, Report, Rule, Safety, Severity, elsewhere, is_local_key_file};
use crate::version::Version;

/// A rule and its check.
type Checked = (&'static Rule, fn(&Facts<'_>, &mut Report));

/// All rules about manifests, by code.
pub(crate) const RULES: &[Checked] = &[
    (&NO_FLAG, no_flag),
    (&SEVERAL_FLAGS, several_flags),
    (&OLD_FLAG, old_flag),
    (&RELOAD_ALONE, reload_alone),
    (&FILE_NOT_MOUNTED, file_not_mounted),
    (&SOCKET_NOT_MOUNTED, socket_not_mounted),
    (&FILE_MOUNT_RELOAD, file_mount_reload),
    (&CREATED_EMPTY, created_empty),
    (&READ_ONLY_SPELLING, read_only_spelling),
    (&MOUNT_WRITABLE, mount_writable),
    (&PLUGIN_NOT_STATIC, plugin_not_static),
    (&IMAGE_FLOATS, image_floats),
    (&TWO_OWNERS, two_owners),
    (&ARGS_FORM, args_form),
    (&KEYS_IN_OBJECT, keys_in_object),
];

const FLAGS: &str = "k8s.io/apiserver, server/options/etcd.go";
const ENCRYPT: &str = "kubernetes.io, Encrypting Confidential Data at Rest";

pub(crate) static NO_FLAG: Rule = Rule {
    code: "K8M001",
    name: "no-flag",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Manifest,
    finds: "an API server without --encryption-provider-config, and no configuration that its distribution makes.",
    why: "Nothing is encrypted at rest. If it was before, what is encrypted cannot be read.",
    fix: "Name the file with --encryption-provider-config and mount its directory; on k3s set secrets-encryption: true at the first start.",
    upstream: "Nothing: it starts and writes plain text.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: Determine whether encryption at rest is already enabled; docs.k3s.io, Secrets Encryption",
    check: elsewhere,
};

fn no_flag(facts: &Facts<'_>, report: &mut Report) {
    for server in facts.manifest.servers.iter().filter(|s| s.path().is_none()) {
        let message = format!(
            "{} is told of no configuration: nothing is encrypted",
            server.what
        );
        report.add(&NO_FLAG, server.span, message);
    }
}

pub(crate) static SEVERAL_FLAGS: Rule = Rule {
    code: "K8M002",
    name: "several-flags",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Manifest,
    finds: "--encryption-provider-config given more than once.",
    why: "The last one wins in silence; somebody may be editing the file of the other.",
    fix: "Keep one.",
    upstream: "Nothing: the last value is taken.",
    source: "github.com/spf13/pflag: a string flag keeps the last value",
    check: elsewhere,
};

fn several_flags(facts: &Facts<'_>, report: &mut Report) {
    for server in &facts.manifest.servers {
        let flags: Vec<_> = server.config.iter().chain(&server.old_flag).collect();
        let Some((last, earlier)) = flags.split_last() else {
            continue;
        };
        for flag in earlier {
            let same = flag.value == last.value;
            let message = if same {
                "the flag is given again further down".to_owned()
            } else {
                format!("this is overridden: {} is read", last.value)
            };
            let finding = report.add(&SEVERAL_FLAGS, flag.span, message);
            finding
                .related
                .push((last.span, "this one wins".to_owned()));
            if same {
                finding.severity = Severity::Info;
            }
        }
    }
}

pub(crate) static OLD_FLAG: Rule = Rule {
    code: "K8M003",
    name: "old-flag",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Manifest,
    finds: "--experimental-encryption-provider-config.",
    why: "It was renamed in 1.13 and removed in 1.24; later releases do not start with it.",
    fix: "Write --encryption-provider-config.",
    upstream: "unknown flag: --experimental-encryption-provider-config",
    source: "kubernetes/kubernetes#71206, #108423",
    check: elsewhere,
};

fn old_flag(facts: &Facts<'_>, report: &mut Report) {
    for server in &facts.manifest.servers {
        for flag in &server.old_flag {
            let version = server.version.unwrap_or(facts.version);
            let (severity, message) = if version >= Version::new(24) {
                (
                    Severity::Error,
                    format!("{version} does not know this flag"),
                )
            } else if version >= Version::new(13) {
                (
                    Severity::Warning,
                    "this flag is gone from 1.24 on".to_owned(),
                )
            } else {
                continue;
            };
            report.add(&OLD_FLAG, flag.span, message).severity = severity;
        }
    }
}

pub(crate) static RELOAD_ALONE: Rule = Rule {
    code: "K8M004",
    name: "reload-alone",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Manifest,
    finds: "--encryption-provider-config-automatic-reload without --encryption-provider-config.",
    why: "The API server does not start.",
    fix: "Add --encryption-provider-config, or take the reload flag out.",
    upstream: "--encryption-provider-config-automatic-reload must be set with --encryption-provider-config",
    source: FLAGS,
    check: elsewhere,
};

fn reload_alone(facts: &Facts<'_>, report: &mut Report) {
    for server in facts
        .manifest
        .servers
        .iter()
        .filter(|s| s.path().is_none() && s.reloads())
    {
        if let Some(flag) = server.reload.last() {
            let message = "reload is switched on and no file is named".to_owned();
            report.add(&RELOAD_ALONE, flag.span, message).upstream =
                Some(RELOAD_ALONE.upstream.to_owned());
        }
    }
}

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
fn in_force(server: &Server) -> Option<(&super::Flag, &str)> {
    server.mounts.as_ref()?;
    let flag = server.config.iter().chain(&server.old_flag).last()?;
    Some((flag, flag.value.as_str()))
}

fn file_not_mounted(facts: &Facts<'_>, report: &mut Report) {
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

fn socket_not_mounted(facts: &Facts<'_>, report: &mut Report) {
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

fn file_mount_reload(facts: &Facts<'_>, report: &mut Report) {
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

fn created_empty(facts: &Facts<'_>, report: &mut Report) {
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

fn read_only_spelling(facts: &Facts<'_>, report: &mut Report) {
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

fn mount_writable(facts: &Facts<'_>, report: &mut Report) {
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

pub(crate) static PLUGIN_NOT_STATIC: Rule = Rule {
    code: "K8M011",
    name: "plugin-not-static",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Manifest,
    finds: "a KMS plugin that runs as a DaemonSet, Deployment or StatefulSet.",
    why: "Such pods come from the API server, and an API server that starts cold cannot read what the KMS encrypted until the plugin answers. \
          After a power cut of all control-plane nodes neither may come up.",
    fix: "Run the plugin as a static pod or a system service on every control-plane node, with credentials that need no Secret of the cluster.",
    upstream: "Nothing at start; reads then fail with \"got unexpected nil transformer\".",
    source: "k3s-io/k3s#10058; FalcoSuessgott/vault-kubernetes-kms#81; kubernetes.io, Using a KMS provider for data encryption: Deploying the KMS plugin",
    check: elsewhere,
};

fn plugin_not_static(facts: &Facts<'_>, report: &mut Report) {
    for plugin in &facts.manifest.plugins {
        if matches!(
            plugin.kind.as_str(),
            "DaemonSet" | "Deployment" | "StatefulSet" | "ReplicaSet"
        ) {
            let message = format!(
                "the KMS plugin {} runs as a {}: it needs the API server that needs it",
                plugin.container, plugin.kind
            );
            report.add(&PLUGIN_NOT_STATIC, plugin.kind_span, message);
        }
    }
}

pub(crate) static IMAGE_FLOATS: Rule = Rule {
    code: "K8M012",
    name: "image-floats",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Manifest,
    finds: "an API server or KMS plugin whose image has the tag latest, or none.",
    why: "Each restart can bring another release: KMS v1 is off from 1.29 on, unknown fields are refused from 1.31 on, and a plugin may change its key_id.",
    fix: "Name a release, or better a digest.",
    upstream: "Nothing: it does not know its image.",
    source: "kubernetes.io, Images: avoid the latest tag in production",
    check: elsewhere,
};

fn image_floats(facts: &Facts<'_>, report: &mut Report) {
    let servers = facts
        .manifest
        .servers
        .iter()
        .filter_map(|s| s.image.as_ref());
    let plugins = facts
        .manifest
        .plugins
        .iter()
        .filter_map(|p| p.image.as_ref());
    for (image, span) in servers.chain(plugins).filter(|(image, _)| floats(image)) {
        let message = format!("{image} can be another release after the next restart");
        report.add(&IMAGE_FLOATS, *span, message);
    }
}

pub(crate) static TWO_OWNERS: Rule = Rule {
    code: "K8M013",
    name: "two-owners",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Manifest,
    finds: "an encryption-provider-config of your own on k3s or RKE2 while it also makes one, or secrets-encryption: false where secrets are encrypted already.",
    why: "secrets-encrypt rotates the keys of the file it makes, which the API server then does not read; what that file's keys wrote is unreadable.",
    fix: "Use one of the two. To move, put the keys of the file that k3s made into yours as later readers first.",
    upstream: "Nothing: it reads the file that the flag names.",
    source: "k3s-io/k3s, daemons/control/server.go: extra arguments override; docs.k3s.io, Secrets Encryption",
    check: elsewhere,
};

fn two_owners(facts: &Facts<'_>, report: &mut Report) {
    for server in facts
        .manifest
        .servers
        .iter()
        .filter(|s| s.form == Form::K3s)
    {
        let (Some(flag), Some((made, _))) = (server.config.last(), &server.made) else {
            continue;
        };
        if flag.value == *made {
            continue;
        }
        let message = format!(
            "{} is read in place of {made}, which secrets-encrypt manages",
            flag.value
        );
        let finding = report.add(&TWO_OWNERS, flag.span, message);
        if let Some((true, span)) = server.own_encryption {
            finding
                .related
                .push((span, "this makes the other file".to_owned()));
        }
    }
}

pub(crate) static ARGS_FORM: Rule = Rule {
    code: "K8M014",
    name: "args-form",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Manifest,
    finds: "extraArgs in the form of another kubeadm API version, or a flag's name written with its dashes.",
    why: "v1beta3 takes a mapping, v1beta4 a list of name and value; kubeadm refuses the other. With dashes the API server gets a flag with four.",
    fix: "Write the form of the file's apiVersion; names without dashes. kubeadm config migrate does it.",
    upstream: "unknown flag, for dashes; the form is refused by kubeadm.",
    source: "kubernetes.io, kubeadm Configuration (v1beta4): extraArgs are the flags' names without leading dashes",
    check: elsewhere,
};

fn args_form(facts: &Facts<'_>, report: &mut Report) {
    for server in &facts.manifest.servers {
        for (span, message) in &server.misformed {
            report.add(&ARGS_FORM, *span, message.clone());
        }
    }
}

pub(crate) static KEYS_IN_OBJECT: Rule = Rule {
    code: "K8M015",
    name: "keys-in-object",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Manifest,
    finds: "a configuration with keys in a ConfigMap or Secret of the cluster.",
    why: "A ConfigMap is readable by many and seldom encrypted. A Secret lies in the etcd that its keys protect: a backup then holds its own keys, \
          or cannot be opened without them.",
    fix: "Keep the file on the control-plane nodes alone (mode 0600), or keep the Secret in a management cluster and rotate the keys.",
    upstream: "Nothing: it cannot know.",
    source: ENCRYPT,
    check: elsewhere,
};

fn keys_in_object(facts: &Facts<'_>, report: &mut Report) {
    for embedded in &facts.manifest.embedded {
        let Some(kind) = embedded.holder() else {
            continue;
        };
        if !is_local_key_file(embedded.text().as_bytes()) {
            continue;
        }
        let message = format!("{} of a {kind} holds keys", embedded.origin());
        let finding = report.add(&KEYS_IN_OBJECT, embedded.span(), message);
        if kind == "Secret" {
            finding.severity = Severity::Warning;
        }
    }
}
