//! What two files and an inventory say of a change.

use std::collections::BTreeMap;

use super::procedure;
pub use super::procedure::{Replacement, RewriteBy, refused};
use super::reading::{Link, Readers, kind, name, resources, words};
use super::{Count, Inventory};
use crate::config::{Config, KmsBlock, KmsVersion, Reason};
use crate::lint::Severity;
use crate::resource::GroupResource;

/// What is known besides the two files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Facts {
    /// API servers that share the etcd. 2 unless set.
    pub servers: usize,
    /// Whether the new file is used with automatic reload. Off unless set.
    pub reload: bool,
    /// The change is meant to switch encryption off. Not meant unless set.
    pub decrypting: bool,
    /// What is stored; none when nobody looked.
    pub stored: Option<Inventory>,
    /// Server to the hash of its file, as `apiserver_encryption_config_controller_last_config_info` has it.
    pub hashes: BTreeMap<String, String>,
    /// KMS v2 key_ids whose KEK is to be disabled.
    pub disabled_key_ids: Vec<String>,
    /// Seconds between the change of a KEK, or the end of the rollout, and the rewrite.
    pub rewrite_after_seconds: Option<u64>,
    /// Seconds that KMS plugins take to see a new KEK. 0 unless set.
    pub plugin_delay_seconds: u64,
    /// How objects are rewritten.
    pub rewrite_by: Option<RewriteBy>,
    /// How the file is put in place.
    pub replacement: Option<Replacement>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            servers: 2,
            reload: false,
            decrypting: false,
            stored: None,
            hashes: BTreeMap::new(),
            disabled_key_ids: Vec::new(),
            rewrite_after_seconds: None,
            plugin_delay_seconds: 0,
            rewrite_by: None,
            replacement: None,
        }
    }
}

/// One thing that is wrong with a change, or good to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hazard {
    /// `K8D01` to `K8D20`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// The resource or rule, unless it concerns all.
    pub resource: Option<GroupResource>,
    /// What was found.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
    /// Where in the old file, such as `resources[0].providers[1].aescbc.keys[0]`.
    pub old: Vec<String>,
    /// Where in the new file.
    pub new: Vec<String>,
}

/// What is wrong with a change from one file to another, or to none; worst first.
#[must_use]
pub fn hazards(old: &Config, new: Option<&Config>, facts: &Facts) -> Vec<Hazard> {
    let mut found = Vec::new();
    if facts
        .hashes
        .values()
        .any(|h| Some(h) != facts.hashes.values().next())
    {
        let servers: Vec<&str> = facts.hashes.keys().map(String::as_str).collect();
        found.push(Hazard::new(
            "K8D12",
            Severity::Error,
            format!("servers {} do not have the same file", servers.join(", ")),
            "Finish the rollout that was begun before another one.",
        ));
    }
    if let Some(new) = new {
        for resource in resources(old, Some(new), facts.stored.as_ref()) {
            let pair = Pair {
                from: Readers::new(old, &resource),
                to: Readers::new(new, &resource),
                own_entry: new.matching(&resource).reason == Reason::Exact
                    && !matches!(
                        old.matching(&resource).reason,
                        Reason::Exact | Reason::Unmatched
                    ),
                old,
                new,
                facts,
                resource,
            };
            pair.readers(&mut found);
            pair.writer(&mut found);
        }
        blocks(old, new, facts, &mut found);
    } else {
        found.push(no_file(old, facts));
    }
    procedure::hazards(old, new, facts, &mut found);
    found.sort_by_key(|hazard| core::cmp::Reverse(hazard.severity));
    found
}

/// K8D11: nothing but plain text is read without a file.
fn no_file(old: &Config, facts: &Facts) -> Hazard {
    let places = (0..old.entries().len()).map(|i| format!("resources[{i}]"));
    // An encrypting writer writes until the last server is without the file, whatever was counted before.
    let writes = old.rules().any(|(rule, _)| {
        let readers = Readers::new(old, rule);
        readers
            .writer()
            .is_some_and(|link| !link.reader.prefix.is_empty())
    });
    let encrypted = facts.stored.as_ref().map(|stored| {
        let all = stored.resources().flat_map(|r| stored.prefixes(r));
        all.filter(|(prefix, _)| !prefix.is_empty())
            .fold(0_u64, |sum, (_, count)| sum.saturating_add(count.live))
    });
    let (severity, message, advice) = if !writes && encrypted == Some(0) {
        (
            Severity::Warning,
            "without a file nothing that older snapshots hold encrypted can be read".to_owned(),
            "Keep the file as long as the snapshots that need it.",
        )
    } else {
        (
            Severity::Error,
            match encrypted {
                Some(live) if live > 0 => {
                    format!("without a file {live} live objects cannot be read")
                }
                _ => "without a file nothing that is encrypted can be read".to_owned(),
            },
            "Put identity first, roll out, rewrite every object, and take the file away after that.",
        )
    };
    Hazard {
        old: places.collect(),
        ..Hazard::new("K8D11", severity, message, advice)
    }
}

impl Hazard {
    pub(super) const fn new(
        code: &'static str,
        severity: Severity,
        message: String,
        advice: &'static str,
    ) -> Self {
        Self {
            code,
            severity,
            resource: None,
            message,
            advice,
            old: Vec::new(),
            new: Vec::new(),
        }
    }
}

/// One resource under both files.
struct Pair<'c> {
    resource: GroupResource,
    from: Readers,
    to: Readers,
    /// Only the new file names the resource; a wildcard of the old one took it.
    own_entry: bool,
    old: &'c Config,
    new: &'c Config,
    facts: &'c Facts,
}

impl Pair<'_> {
    fn count(&self, link: &Link) -> Option<Count> {
        let stored = self.facts.stored.as_ref()?;
        Some(stored.count(&self.resource, &link.reader.prefix))
    }

    fn hazard(
        &self,
        (code, severity, advice): (&'static str, Severity, &'static str),
        message: &str,
        old: Option<&Link>,
        new: Option<&Link>,
    ) -> Hazard {
        let place = |link: Option<&Link>| {
            let place = link.map(|l| l.place.clone());
            place.into_iter().filter(|p| !p.is_empty()).collect()
        };
        Hazard {
            resource: Some(self.resource.clone()),
            old: place(old),
            new: place(new),
            ..Hazard::new(
                code,
                severity,
                format!("{}: {message}", self.resource),
                advice,
            )
        }
    }

    /// Readers that the new file does not have.
    fn readers(&self, found: &mut Vec<Hazard>) {
        for (i, link) in self.from.links.iter().enumerate() {
            if self.to.holds(&link.reader) {
                continue;
            }
            let count = self.count(link);
            // The old file's writer writes until the last server has the new one, whatever was counted before.
            let unused = count.is_some_and(|c| c.live == 0) && i != 0;
            let (rule, what, new) = if unused {
                (
                    BACKUPS,
                    "is removed, and no live object needs it".to_owned(),
                    None,
                )
            } else {
                let same_name = self.to.with_prefix(&link.reader.prefix);
                let (rule, what, new) = self.gone(i, link, same_name);
                let objects = match count {
                    Some(c) => format!("; {} live objects need it", c.live),
                    None => "; what is stored was not counted".to_owned(),
                };
                (rule, what + &objects, new)
            };
            if rule == BACKUPS && link.reader.prefix.is_empty() {
                continue;
            }
            let message = format!("{} {what}", words(&link.reader));
            found.push(self.hazard(rule, &message, Some(link), new));
        }
    }

    fn gone<'l>(
        &self,
        index: usize,
        link: &Link,
        same_name: Option<&'l Link>,
    ) -> (Rule, String, Option<&'l Link>) {
        if same_name.is_some() {
            return (
                OTHER_BYTES,
                "has other bytes under its name".to_owned(),
                same_name,
            );
        }
        if self.to.bare && kind(&link.reader) != "identity" {
            return (
                RULE_GONE,
                "is gone with the rule, and only plain text is read".to_owned(),
                None,
            );
        }
        if self.own_entry {
            let text = "is not among the readers of the resource's own entry".to_owned();
            return (OWN_ENTRY, text, None);
        }
        match kind(&link.reader) {
            "identity" => return (IDENTITY_GONE, "is gone".to_owned(), None),
            "kms v1" | "kms v2" => {
                if let Some((to, renamed)) = self.successor(link) {
                    let rule = if renamed { KMS_RENAMED } else { V1_TO_V2 };
                    return (rule, format!("became {to}"), None);
                }
            }
            _ => {}
        }
        let rule = if index == 0 || self.count(link).is_some() {
            WRITER_GONE
        } else {
            BACKUPS
        };
        (rule, "is removed".to_owned(), None)
    }

    /// The block of the new file that took the place of a KMS block, and whether it is of the same version.
    fn successor(&self, link: &Link) -> Option<(String, bool)> {
        let v1 = kind(&link.reader) == "kms v1";
        let version = if v1 { KmsVersion::V1 } else { KmsVersion::V2 };
        let is = |block: &&KmsBlock| block.name == name(&link.reader) && block.version == version;
        let before = self.old.kms_blocks().find(is)?;
        let fresh = |block: &&KmsBlock| {
            self.to
                .with_prefix(&format!(
                    "k8s:enc:kms:v{}:{}:",
                    if block.version == KmsVersion::V1 {
                        1
                    } else {
                        2
                    },
                    block.name
                ))
                .is_some()
        };
        let after = self.new.kms_blocks().filter(fresh).find(|block| {
            block.endpoint == before.endpoint
                || (block.name == before.name && block.version != version)
        })?;
        let shown = if after.version == KmsVersion::V1 {
            "kms v1"
        } else {
            "kms v2"
        };
        Some((
            format!("{shown} block {}", after.name),
            after.version == version,
        ))
    }

    /// What becomes of writes.
    fn writer(&self, found: &mut Vec<Hazard>) {
        let (Some(from), Some(to)) = (self.from.writer(), self.to.writer()) else {
            return;
        };
        if from.reader == to.reader {
            return;
        }
        let plain = kind(&to.reader) == "identity";
        let (now, before) = (words(&to.reader), words(&from.reader));
        if plain && !self.facts.decrypting && !self.to.bare {
            let message =
                format!("{now} writes in place of {before}: new objects are not encrypted");
            found.push(self.hazard(ENCRYPTION_OFF, &message, Some(from), Some(to)));
        }
        // That another server reads plain text is K8D09's matter.
        if self.from.read(&to.reader).is_err() {
            if self.from.with_prefix(&to.reader.prefix).is_some() {
                return;
            }
            let (code, mut severity, advice) = PROMOTED_EARLY;
            if self.facts.servers < 2 {
                severity = Severity::Warning;
            }
            let message =
                format!("{now} writes at once, and servers with the old file cannot read it");
            found.push(self.hazard((code, severity, advice), &message, Some(from), Some(to)));
        } else {
            let message = format!(
                "{now} writes in place of {before}: older objects are stale until they are rewritten"
            );
            found.push(self.hazard(PROMOTED, &message, Some(from), Some(to)));
        }
    }
}

fn blocks(old: &Config, new: &Config, facts: &Facts, found: &mut Vec<Hazard>) {
    let place = |b: &KmsBlock| format!("resources[{}].providers[{}].kms", b.entry, b.provider);
    let mut names: BTreeMap<&str, Vec<&KmsBlock>> = BTreeMap::new();
    for block in new.kms_blocks() {
        names.entry(&block.name).or_default().push(block);
        let before = old.kms_blocks().find(|b| {
            (&b.name, b.version, KmsVersion::V2) == (&block.name, block.version, block.version)
        });
        if let Some(before) = before
            .filter(|b| (&b.endpoint, b.timeout_nanos) != (&block.endpoint, block.timeout_nanos))
        {
            found.push(Hazard {
                old: vec![place(before)],
                new: vec![place(block)],
                ..Hazard::new(
                    "K8D20",
                    Severity::Info,
                    format!(
                        "kms v2 block {} has other settings: a new seed and an empty cache",
                        block.name
                    ),
                    "Expect a burst of Decrypt calls.",
                )
            });
        }
    }
    for (name, same) in names
        .into_iter()
        .filter(|(_, same)| facts.reload && same.len() > 1)
    {
        found.push(Hazard {
            new: same.into_iter().map(place).collect(),
            ..Hazard::new(
                "K8D19",
                Severity::Error,
                format!("with automatic reload, KMS blocks cannot share the name {name}"),
                "Keep automatic reload off until no object needs more than one of them.",
            )
        });
    }
}

type Rule = (&'static str, Severity, &'static str);

const WRITER_GONE: Rule = (
    "K8D01",
    Severity::Error,
    "Keep it as a later reader until every object is rewritten; what only it reads is lost without it.",
);
const OTHER_BYTES: Rule = (
    "K8D02",
    Severity::Error,
    "Give the new bytes a new name, and keep the old key as a later reader.",
);
const PROMOTED_EARLY: Rule = (
    "K8D03",
    Severity::Error,
    "Add it as a later reader first, roll out to every server, and promote it in a second rollout.",
);
const PROMOTED: Rule = (
    "K8D04",
    Severity::Info,
    "Rewrite every object once all servers have the new file.",
);
const KMS_RENAMED: Rule = (
    "K8D05",
    Severity::Error,
    "The name is part of what is stored. Keep the old block and add the new one beside it.",
);
const V1_TO_V2: Rule = (
    "K8D06",
    Severity::Error,
    "Keep the v1 block as a later reader, and add the v2 block as one of its own.",
);
const RULE_GONE: Rule = (
    "K8D07",
    Severity::Error,
    "Keep the rule with identity first until every object is rewritten.",
);
const OWN_ENTRY: Rule = (
    "K8D08",
    Severity::Error,
    "List the readers of the wildcard's entry in the new entry as well.",
);
const IDENTITY_GONE: Rule = (
    "K8D09",
    Severity::Error,
    "Rewrite every object first; plain text cannot be read without identity.",
);
const ENCRYPTION_OFF: Rule = (
    "K8D10",
    Severity::Error,
    "Keep identity last, unless encryption is to be switched off.",
);
const BACKUPS: Rule = (
    "K8D13",
    Severity::Warning,
    "Make sure that every object was rewritten, and keep the key as long as the snapshots that need it.",
);
