//! Rules about the way from the file to the API server.

mod mounts;

use super::servers::floats;
use super::{Facts, Form};
use crate::lint::{Needs, Report, Rule, Severity, elsewhere, is_local_key_file};
use crate::version::Version;
pub(crate) use mounts::{
    CREATED_EMPTY, FILE_MOUNT_RELOAD, FILE_NOT_MOUNTED, MOUNT_WRITABLE, READ_ONLY_SPELLING,
    SOCKET_NOT_MOUNTED,
};
use mounts::{
    created_empty, file_mount_reload, file_not_mounted, mount_writable, read_only_spelling,
    socket_not_mounted,
};

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
