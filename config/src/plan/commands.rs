//! What to run, by release and kind of set-up.

use super::{Command, PlanOptions, Sign};
use crate::builtin::resources;
use crate::config::Config;
use crate::resource::GroupResource;
use crate::transition::{MANY_OBJECTS, RewriteBy};

/// Where a command runs.
pub(super) const SERVER: &str = "each control-plane server, one after the other";
pub(super) const ADMIN: &str = "a machine with kubectl";
pub(super) const HOLDER: &str = "the machine that has the snapshot";
pub(super) const MEMBER: &str = "an etcd member";
pub(super) const EVERY_MEMBER: &str = "each etcd member, one after the other, the leader last";
const STATIC_POD: &str = "static pod";
const SYSTEMD: &str = "systemd";

impl Command {
    pub(super) fn new(place: &'static str, text: impl Into<String>) -> Self {
        Self {
            place,
            variant: None,
            text: text.into(),
        }
    }

    fn of(self, variant: &'static str) -> Self {
        Self {
            variant: Some(variant),
            ..self
        }
    }
}

/// A word for a POSIX shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-:=@,+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The file put in place, and the server made to use it.
pub(super) fn install(options: &PlanOptions, file: &str) -> Vec<Command> {
    let path = quoted(&options.path);
    let next = quoted(&format!("{}.next", options.path));
    let file = quoted(file);
    let copy = format!("install -m 0600 {file} {next} && mv {next} {path}");
    let mut commands = vec![Command::new(SERVER, copy)];
    if !options.reload {
        commands.extend(restart());
    }
    commands
}

/// The flags taken away, and the server restarted.
pub(super) fn uninstall() -> Vec<Command> {
    let flags = "sed -i '/--encryption-provider-config/d'";
    vec![
        Command::new(SERVER, format!("{flags} /etc/kubernetes/manifests/kube-apiserver.yaml")).of(STATIC_POD),
        Command::new(
            SERVER,
            "systemctl edit --full kube-apiserver   # take out --encryption-provider-config\nsystemctl restart kube-apiserver",
        )
        .of(SYSTEMD),
    ]
}

fn restart() -> Vec<Command> {
    vec![
        Command::new(
            SERVER,
            "crictl stop \"$(crictl ps --quiet --name '^kube-apiserver$')\"",
        )
        .of(STATIC_POD),
        Command::new(SERVER, "systemctl restart kube-apiserver").of(SYSTEMD),
    ]
}

/// When a server last heard which key_id of each plugin.
pub(super) const KEY_ID_METRIC: &str =
    "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds";

/// A request to one server, whose address stands for `SERVER`.
pub(super) fn ask(path: &str) -> String {
    format!("kubectl --server=https://SERVER:6443 get --raw {path}")
}

/// A metric of one server.
pub(super) fn metric(name: &str) -> String {
    format!("{} | grep ^{name}", ask("/metrics"))
}

/// How to see that every server uses the file.
pub(super) fn in_use(options: &PlanOptions, file: &str, config: &Config) -> Vec<Sign> {
    let mut checks = Vec::new();
    let wait = if options.reload {
        ", up to a minute after the file is there"
    } else {
        ""
    };
    if options.version.minor() >= 34 {
        checks.push(Sign::of(
            format!("on every server the hash in the metric is that of the file{wait}"),
            format!(
                "sha256sum {}; {}",
                quoted(file),
                metric("apiserver_encryption_config_controller_last_config_info")
            ),
        ));
    } else if options.reload {
        checks.push(Sign::of(
            format!("on every server the reload succeeded{wait}"),
            metric("apiserver_encryption_config_controller_automatic_reload"),
        ));
    }
    if !options.reload {
        checks.push(Sign::of(
            "every server has started after its file was replaced, and is ready before the next one is touched",
            ask("/readyz"),
        ));
    }
    for check in config.health_checks(options.reload) {
        checks.push(Sign::of(
            "its KMS plugins are healthy",
            ask(&format!("/readyz/{check}")),
        ));
    }
    checks
}

/// A snapshot.
pub(super) fn snapshot(name: &str) -> Vec<Command> {
    vec![Command::new(
        MEMBER,
        format!("etcdctl snapshot save {name} && etcdutl snapshot status {name}"),
    )]
}

/// Old revisions dropped.
pub(super) fn compact() -> Vec<Command> {
    let revision = "etcdctl endpoint status --write-out=json | jq '.[0].Status.header.revision'";
    vec![Command::new(
        MEMBER,
        format!("etcdctl compact \"$({revision})\""),
    )]
}

/// Freed pages given back.
pub(super) fn defrag() -> Vec<Command> {
    vec![Command::new(
        EVERY_MEMBER,
        "etcdctl --endpoints=https://MEMBER:2379 defrag",
    )]
}

/// How objects will be rewritten.
pub(super) fn rewrite_by(options: &PlanOptions, live: Option<u64>) -> RewriteBy {
    options.rewrite_by.unwrap_or_else(|| {
        if options.version.minor() >= 37 {
            RewriteBy::Migration
        } else if live.is_some_and(|live| live >= MANY_OBJECTS) {
            RewriteBy::Parts
        } else {
            RewriteBy::Kubectl
        }
    })
}

/// The resources that a rule takes: what is stored, or what the release has; none when only the cluster knows.
pub(super) fn taken(
    config: &Config,
    rule: &GroupResource,
    options: &PlanOptions,
) -> Option<Vec<GroupResource>> {
    if !rule.is_wildcard() {
        return Some(vec![rule.clone()]);
    }
    if let Some(stored) = &options.stored {
        let taken = |r: &&GroupResource| {
            config.matching(r).rule.as_ref() == Some(rule) && stored.live(r) > 0
        };
        return Some(stored.resources().filter(taken).cloned().collect());
    }
    if rule.group == "*" {
        return None;
    }
    let built_in = resources(options.version).map(|r| GroupResource {
        group: r.group.to_owned(),
        resource: r.resource.to_owned(),
    });
    let mut of_group = built_in.filter(|r| r.group == rule.group).peekable();
    of_group.peek()?;
    Some(
        of_group
            .filter(|r| config.matching(r).rule.as_ref() == Some(rule))
            .collect(),
    )
}

/// One request for each object of some resources, and of all that the cluster has in some groups; `*` is any group.
pub(super) fn rewrite(
    by: RewriteBy,
    resources: &[GroupResource],
    groups: &[String],
    step: usize,
    options: &PlanOptions,
) -> Vec<Command> {
    let mut commands: Vec<Command> = groups
        .iter()
        .map(|group| everything(by, group, step, options))
        .collect();
    for resource in resources {
        let name = quoted(&resource.to_string());
        let text = match by {
            RewriteBy::Migration => manifest(&resource.group, &resource.resource, step, options),
            RewriteBy::Kubectl => {
                format!("kubectl get {name} --all-namespaces -o json | kubectl replace -f -")
            }
            RewriteBy::Parts => format!(
                "for ns in $(kubectl get namespaces -o name); do kubectl get {name} -n \"${{ns#namespace/}}\" -o json | kubectl replace -f -; done"
            ),
        };
        commands.push(Command::new(ADMIN, text));
    }
    if by == RewriteBy::Migration && !commands.is_empty() {
        commands.push(Command::new(
            ADMIN,
            format!("kubectl wait --for=condition=Succeeded --timeout=24h storageversionmigrations --selector=k8senc-step={step}"),
        ));
    }
    commands
}

/// The API of StorageVersionMigration: alpha in 1.30, beta in 1.35 and off, on since 1.37.
fn api(options: &PlanOptions) -> &'static str {
    match options.version.minor() {
        37.. => "storagemigration.k8s.io/v1",
        35.. => "storagemigration.k8s.io/v1beta1",
        _ => "storagemigration.k8s.io/v1alpha1",
    }
}

fn manifest(group: &str, resource: &str, step: usize, options: &PlanOptions) -> String {
    // The alpha wants a version besides; core resources have one.
    let version = if options.version.minor() < 35 {
        "\n    version: v1"
    } else {
        ""
    };
    let name = match group {
        "" => resource.to_owned(),
        // A shell fills in the whole name.
        "$group" => "$r".to_owned(),
        group => format!("{resource}.{group}"),
    };
    format!(
        "kubectl create -f - <<EOF\napiVersion: {}\nkind: StorageVersionMigration\nmetadata:\n  name: rewrite-{name}-step-{step}\n  labels: {{k8senc-step: \"{step}\"}}\nspec:\n  resource:\n    group: \"{group}\"{version}\n    resource: {resource}\nEOF",
        api(options)
    )
}

/// Names of resources have no dots, so what follows the first one is the group.
fn everything(by: RewriteBy, group: &str, step: usize, options: &PlanOptions) -> Command {
    let each = match by {
        RewriteBy::Migration => {
            let made = manifest("$group", "$resource", step, options);
            format!("resource=${{r%%.*}}; group=${{r#\"$resource\"}}; group=${{group#.}}\n{made}")
        }
        _ => "kubectl get \"$r\" --all-namespaces -o json | kubectl replace -f -".to_owned(),
    };
    let limit = if group == "*" {
        String::new()
    } else {
        format!(" --api-group={}", quoted(group))
    };
    Command::new(
        ADMIN,
        format!(
            "for r in $(kubectl api-resources{limit} --verbs=list,update,patch -o name); do\n{each}\ndone"
        ),
    )
}
