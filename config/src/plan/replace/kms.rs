//! Steps that are taken at a KMS and its plugin, not in a file.

use super::super::commands::{ADMIN, KEY_ID_METRIC, SERVER, metric, quoted};
use super::super::draft::DraftKms;
use super::super::planner::{Planner, Told};
use super::super::{Command, Sign};
use crate::config::KmsVersion;

pub(super) fn check_plugin(planner: &mut Planner<'_>, kms: &DraftKms) {
    let told = Told::new(
        "check-plugin",
        format!("Play kube-apiserver against the plugin {}", kms.name),
        "A server that starts with a block whose plugin does not answer is slow to start and not ready, and cannot read through it.",
    );
    let check = if kms.version == KmsVersion::V2 {
        format!("k8senc kms check {}", quoted(&kms.endpoint))
    } else {
        format!(
            "ls -l {}",
            quoted(kms.endpoint.trim_start_matches("unix://"))
        )
    };
    let checks = vec![Sign::seen(
        "it answers on every server, with the same key_id",
    )];
    planner.step(
        told,
        vec![Command::new(SERVER, check)],
        checks,
        "nothing was changed",
    );
}

pub(super) fn rotate_kek(planner: &mut Planner<'_>, name: &str) {
    let told = Told::new(
        "rotate-kek",
        format!("Make a new KEK version in the KMS behind {name}; keep the old one enabled"),
        "The file stays as it is: the plugin reports a new key_id, and every server makes a new seed under it. Everything stored before is stale then, and still needs the old KEK.",
    );
    let shown = Command::new(
        ADMIN,
        format!(
            "{} | grep {}",
            metric(KEY_ID_METRIC),
            quoted(&format!("provider_name=\"{name}\""))
        ),
    );
    let checks = vec![Sign::seen(
        "the newest key_id_hash is another than before, and the same on every server",
    )];
    planner.step(
        told,
        vec![shown],
        checks,
        "make the old KEK version the primary one again",
    );
}

pub(super) fn disable_kek(planner: &mut Planner<'_>, name: &str) {
    let told = Told::new(
        "disable-kek",
        format!("Disable the old KEK version behind {name}, and do not destroy it yet"),
        "Nothing live needs it. Every older snapshot does.",
    );
    let checks = vec![Sign::of(
        "no object names it",
        "k8senc plan FILE FILE --snapshot after.db --disable-key-id OLD-KEY-ID",
    )];
    planner.step(told, Vec::new(), checks, "enable it again");
}
