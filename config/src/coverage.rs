//! Which chain each resource gets, and what becomes of it when a KMS is down.

use crate::builtin::{ApiResource, Matches, resources, what_matches};
use crate::config::{Config, KmsVersion, Match, Provider, Reason};
use crate::resource::GroupResource;
use crate::version::Version;

/// One built-in resource and the rule that takes it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Coverage<'c> {
    /// The resource.
    pub resource: &'static ApiResource,
    /// Its chain and the reason.
    pub found: Match<'c>,
}

impl Coverage<'_> {
    /// Whether new objects are encrypted.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        self.found
            .providers
            .first()
            .is_some_and(|p| !matches!(p, Provider::Identity))
    }
}

/// A name of the file that reaches no object of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreached {
    /// The entry.
    pub entry: usize,
    /// The name.
    pub name: String,
    /// The name that was probably meant.
    pub meant: Option<String>,
}

impl Config {
    /// Every built-in resource of a release with its chain.
    pub fn coverage(&self, version: Version) -> impl Iterator<Item = Coverage<'_>> {
        resources(version).map(|resource| {
            let name = GroupResource {
                group: resource.group.to_owned(),
                resource: resource.resource.to_owned(),
            };
            Coverage {
                resource,
                found: self.matching(&name),
            }
        })
    }

    /// The names of the file that match no resource.
    #[must_use]
    pub fn unreached(&self, version: Version) -> Vec<Unreached> {
        let mut unreached = Vec::new();
        for (i, entry) in self.entries().iter().enumerate() {
            for name in &entry.resources {
                let name = name.to_string();
                match what_matches(&name, version) {
                    Matches::Nothing(meant) => unreached.push(Unreached {
                        entry: i,
                        name,
                        meant,
                    }),
                    Matches::OtherRelease(_) => unreached.push(Unreached {
                        entry: i,
                        name,
                        meant: None,
                    }),
                    _ => {}
                }
            }
        }
        unreached
    }

    /// What reads and writes of each rule do while each of its KMS plugins is down.
    #[must_use]
    pub fn failure_modes(&self) -> Vec<FailureMode> {
        let mut modes = Vec::new();
        for (rule, providers) in self.rules() {
            for (i, provider) in providers.iter().enumerate() {
                let Provider::Kms(block) = provider else {
                    continue;
                };
                for moment in Moment::ALL {
                    modes.push(FailureMode {
                        rule: rule.clone(),
                        kms: block.name.clone(),
                        moment,
                        writes: if i == 0 {
                            writes(block.version, moment)
                        } else {
                            Outcome::Works
                        },
                        known_reads: known_reads(block.version, block.cache_size, moment),
                        other_reads: Outcome::Fails,
                    });
                }
            }
        }
        modes
    }
}

/// How long a KMS has been down, or what was done meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// For a minute.
    OneMinute,
    /// For four minutes: longer than a KMS v2 seed may write.
    FourMinutes,
    /// After a changed configuration was put in place, with automatic reload.
    Reload,
    /// After a restart of the API server.
    Restart,
}

impl Moment {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [
        Self::OneMinute,
        Self::FourMinutes,
        Self::Reload,
        Self::Restart,
    ];

    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::OneMinute => "down for 1 minute",
            Self::FourMinutes => "down for 4 minutes",
            Self::Reload => "down, and the configuration is reloaded",
            Self::Restart => "down, and the API server restarts",
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As always.
    Works,
    /// Until three minutes after the plugin's last good Status.
    ForThreeMinutes,
    /// An error.
    Fails,
}

/// One row of the table of failure modes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureMode {
    /// The rule.
    pub rule: GroupResource,
    /// The KMS block that is down.
    pub kms: String,
    /// When.
    pub moment: Moment,
    /// Writes under this rule.
    pub writes: Outcome,
    /// Reads of objects whose DEK or seed this API server has in memory.
    pub known_reads: Outcome,
    /// Reads of other objects of this KMS. Objects of other providers read as always.
    pub other_reads: Outcome,
}

/// A v1 write calls the plugin; a v2 write uses the seed for three minutes after the last good Status. A reload
/// is refused while a plugin is down and leaves all as it was, so the clock goes on.
const fn writes(version: KmsVersion, moment: Moment) -> Outcome {
    match (version, moment) {
        (KmsVersion::V2, Moment::OneMinute) => Outcome::Works,
        (KmsVersion::V2, Moment::Reload) => Outcome::ForThreeMinutes,
        _ => Outcome::Fails,
    }
}

/// Memory outlives an outage and a refused reload, but no restart. A v1 block may have no cache at all.
fn known_reads(version: KmsVersion, cache_size: Option<i32>, moment: Moment) -> Outcome {
    let no_cache = version == KmsVersion::V1 && cache_size.is_some_and(|n| n < 0);
    if no_cache || moment == Moment::Restart {
        Outcome::Fails
    } else {
        Outcome::Works
    }
}

impl Reason {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Exact => "named in the file",
            Self::Group => "taken by the wildcard of its group",
            Self::All => "taken by *.*",
            Self::Unmatched => "no rule: plain text",
        }
    }
}
