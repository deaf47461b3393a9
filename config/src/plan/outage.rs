//! A KMS is down: what makes it worse, what helps, and in which order.

use super::commands::{ADMIN, SERVER, ask, quoted, snapshot};
use super::planner::{Planner, Told};
use super::{Command, PlanError, Sign};
use crate::config::{Config, KmsBlock, KmsVersion};
use crate::transition::Rollout;

pub(super) fn plan(planner: &mut Planner<'_>, kms: Option<&str>) -> Result<(), PlanError> {
    let blocks: Vec<KmsBlock> = planner
        .config
        .kms_blocks()
        .filter(|block| kms.is_none_or(|name| name == block.name))
        .cloned()
        .collect();
    if blocks.is_empty() {
        let known: Vec<&str> = planner
            .config
            .kms_blocks()
            .map(|b| b.name.as_str())
            .collect();
        return Err(PlanError::new(
            "goal-unfit",
            match kms {
                Some(name) if !known.is_empty() => format!(
                    "the file has no KMS block named {name:?}; it has {}",
                    known.join(", ")
                ),
                _ => "the file has no KMS block, so no KMS can be down".to_owned(),
            },
        ));
    }
    let down: Vec<String> = blocks.iter().map(|b| b.name.clone()).collect();
    leave_alone(planner, &blocks, &down);
    read_while_possible(planner, &blocks);
    repair(planner, &blocks);
    if_lost(planner);
    planner.notes.push(
        "a local key behind the KMS block helps no object that is stored under the KMS; it helps writes only if every server had it before the outage".to_owned(),
    );
    Ok(())
}

/// What a restart of a server does now, by the model.
fn story(config: &Config, next: &Config, down: &[String], reload: bool) -> Option<String> {
    let mut rollout = Rollout::new(config, next);
    rollout.down = down;
    rollout.reload = reload;
    rollout.check().err().map(|story| story.to_string())
}

fn leave_alone(planner: &mut Planner<'_>, blocks: &[KmsBlock], down: &[String]) {
    let v2 = blocks.iter().any(|b| b.version == KmsVersion::V2);
    let v1 = blocks.iter().any(|b| b.version == KmsVersion::V1);
    let writes = match (v1, v2) {
        (false, true) => {
            "Writes go on for three minutes after the plugin's last good Status, then they fail."
        }
        (true, false) => "Writes fail at once: KMS v1 asks the plugin for each of them.",
        _ => {
            "Writes under KMS v1 fail at once, those under KMS v2 three minutes after the plugin's last good Status."
        }
    };
    let found = story(&planner.config, &planner.config, down, false);
    let worse = match found {
        Some(found) => format!("What a restart does, by the model: {found}."),
        None => "No resource needs this KMS to be read.".to_owned(),
    };
    let told = Told::new(
        "leave-alone",
        "Restart no API server and no control-plane node, and change no configuration",
        format!(
            "A running server reads whatever it has the DEK or seed of in memory, and a restart empties that. {worse} {writes}"
        ),
    );
    let commands = vec![Command::new(
        ADMIN,
        "kubectl get nodes   # stop upgrades, node repair and autoscaling of the control plane by hand",
    )];
    planner.step(
        told,
        commands,
        vec![Sign::seen(
            "no kube-apiserver has started since the outage began",
        )],
        "nothing was changed",
    );
    let told = Told::new(
        "no-reload",
        "Do not count on automatic reload",
        "A new file is taken only when every KMS in it is healthy, so a file that still has this block is not taken at all; \
         a file without it is taken, and then nothing stored under the KMS can be read. A restart into a file with a local key \
         first lets that one server write again and read nothing of the KMS, and the other servers cannot read what it writes.",
    );
    planner.step(
        told,
        Vec::new(),
        Vec::new(),
        "put the old file back before any server restarts",
    );
}

fn read_while_possible(planner: &mut Planner<'_>, blocks: &[KmsBlock]) {
    let names: Vec<String> = planner
        .config
        .rules()
        .filter(|(_, providers)| {
            let kms = providers.iter().filter_map(|p| match p {
                crate::config::Provider::Kms(block) => Some(&block.name),
                _ => None,
            });
            kms.into_iter()
                .any(|name| blocks.iter().any(|b| b.name == *name))
        })
        .map(|(rule, _)| rule.to_string())
        .collect();
    let told = Told::new(
        "export",
        "Save what can still be read, from every server",
        "Each server has other seeds in memory, so one may read what another cannot. This is the last copy if the KEK is gone. \
         The files hold everything in the clear: an encrypted disk, and deleted afterwards.",
    );
    let commands = names.iter().filter(|name| !name.starts_with('*')).map(|name| {
        Command::new(
            ADMIN,
            format!("umask 077; kubectl --server=https://SERVER:6443 get {} --all-namespaces -o json > SERVER-{}.json", quoted(name), quoted(name)),
        )
    });
    let mut commands: Vec<Command> = commands.collect();
    if names.iter().any(|name| name.starts_with('*')) {
        commands.push(Command::new(ADMIN, "umask 077; for r in $(kubectl api-resources --verbs=list -o name); do kubectl --server=https://SERVER:6443 get \"$r\" --all-namespaces -o json > \"SERVER-$r.json\"; done"));
    }
    let checks = vec![Sign::seen(
        "a list that fails at one object fails as a whole: get the others by name",
    )];
    planner.step(told, commands, checks, "delete the files");
    let told = Told::new(
        "snapshot",
        "Back up etcd as it is",
        "The values are all there, encrypted. With the KEK they can be opened later, here or offline.",
    );
    let checks = vec![Sign::of(
        "the key_ids that have to come back are listed",
        "k8senc audit outage.db --config CURRENT-FILE",
    )];
    planner.step(told, snapshot("outage.db"), checks, "nothing was changed");
}

fn repair(planner: &mut Planner<'_>, blocks: &[KmsBlock]) {
    let told = Told::new(
        "repair",
        "Bring the plugin back: socket, process, credentials, remote KMS, in this order",
        "It must have the KEK of every key_id that is stored, not only a new one. A plugin that runs as a pod may wait for the API server that waits for it: start it outside the cluster then.",
    );
    let mut commands = Vec::new();
    for block in blocks {
        if !block.socket.is_empty() && !block.socket.starts_with('@') {
            commands.push(Command::new(
                SERVER,
                format!("ls -l {}", quoted(&block.socket)),
            ));
        }
        if block.version == KmsVersion::V2 {
            commands.push(Command::new(
                SERVER,
                format!("k8senc kms check {}", quoted(&block.endpoint)),
            ));
        }
    }
    let checks = vec![Sign::seen(
        "the plugin answers Status with healthz ok and a key_id, and Decrypt for what is stored",
    )];
    planner.step(told, commands, checks, "nothing was changed in the cluster");
    let told = Told::new(
        "recovered",
        "Let the servers find it; they ask every ten seconds",
        "Nothing has to be restarted. Only after this are restarts and reloads safe again.",
    );
    let checks = planner.config.health_checks(planner.options.reload);
    let ready = |check: &String| {
        Sign::of(
            "it passes on every server",
            ask(&format!("/readyz/{check}")),
        )
    };
    let checks = checks.iter().map(ready).collect();
    planner.step(told, Vec::new(), checks, "nothing was changed");
}

fn if_lost(planner: &mut Planner<'_>) {
    let told = Told::new(
        "if-the-kek-is-lost",
        "Only if the KEK is gone for ever: write the saved objects again under a new provider",
        "Nothing opens the stored values then but servers that still run and what was exported. Export first, from all of them: \
         the new file takes restarts, and each of them forgets what it knew.",
    );
    let mut commands = Vec::new();
    if planner.options.version.minor() >= 37 {
        commands.push(Command::new(
            ADMIN,
            "kubectl delete --raw '/api/v1/namespaces/NAMESPACE/secrets/NAME?ignoreStoreReadErrorWithClusterBreakingPotential=true'   # an object that cannot be read; needs the verb unsafe-delete-ignore-read-errors",
        ));
    } else {
        commands.push(Command::new(
            "an etcd member",
            "etcdctl del /registry/secrets/NAMESPACE/NAME   # an object that cannot be read",
        ));
    }
    commands.push(Command::new(
        ADMIN,
        "kubectl create -f SERVER-secrets.json   # without resourceVersion and uid",
    ));
    let checks = vec![Sign::seen(
        "k8senc audit of a new snapshot finds nothing unreadable",
    )];
    planner.step(
        told,
        commands,
        checks,
        "there is no way back from deleting: the snapshot is the last copy",
    );
}
