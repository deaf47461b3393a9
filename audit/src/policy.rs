//! What an operator demands, applied to a finished report.

use core::fmt;

use serde_json::Value;

use crate::catalogue::{ABSENT, PRESET, REQUIRED, STATEMENTS};
use crate::findings::{are, finding, some};
use crate::report::{Finding, Report, Severity, count};

/// `RESOURCE=PROVIDER`: all live values of a resource must be written by one of these providers. Or the name of a preset,
/// which is such a requirement and says in a finding of its own what was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    resource: String,
    provider: String,
    preset: Option<&'static Preset>,
}

/// What a benchmark asks of stored values.
#[derive(Debug, PartialEq, Eq)]
struct Preset {
    name: &'static str,
    items: &'static str,
    resource: &'static str,
    provider: &'static str,
    words: &'static str,
}

const PRESETS: [Preset; 2] = [
    Preset {
        name: "cis-kubernetes",
        items: "CIS Kubernetes Benchmark 1.2.27 and 1.2.28, as v1.9 to v1.12 number them",
        resource: "secrets",
        provider: "cis",
        words: "aescbc, secretbox or a KMS",
    },
    Preset {
        name: "cis-kms",
        items: "item 5.3.1 of the CIS benchmarks for EKS and GKE",
        resource: "secrets",
        provider: "kms",
        words: "a KMS",
    },
];

/// What a requirement may name, and what it stands for.
const PROVIDERS: [(&str, &[&str]); 9] = [
    (
        "encrypted",
        &["aescbc", "aesgcm", "secretbox", "kms-v1", "kms-v2"],
    ),
    ("kms", &["kms-v1", "kms-v2"]),
    ("kms-v1", &["kms-v1"]),
    ("kms-v2", &["kms-v2"]),
    ("aescbc", &["aescbc"]),
    ("aesgcm", &["aesgcm"]),
    ("secretbox", &["secretbox"]),
    ("cis", &["aescbc", "secretbox", "kms-v1", "kms-v2"]),
    (
        "authenticated",
        &["aesgcm", "secretbox", "kms-v1", "kms-v2"],
    ),
];

/// A policy that cannot be read; holds one clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

impl core::str::FromStr for Requirement {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if let Some(preset) = PRESETS.iter().find(|preset| preset.name == text) {
            return Ok(Self {
                resource: preset.resource.to_owned(),
                provider: preset.provider.to_owned(),
                preset: Some(preset),
            });
        }
        let (resource, provider) = text
            .split_once('=')
            .filter(|(r, p)| !r.is_empty() && !p.is_empty())
            .ok_or_else(|| {
                let presets = PRESETS.map(|preset| preset.name).join(", ");
                PolicyError(format!(
                    "{text:?} is neither RESOURCE=PROVIDER nor one of {presets}"
                ))
            })?;
        if !PROVIDERS.iter().any(|(name, _)| *name == provider) {
            let known: Vec<&str> = PROVIDERS.iter().map(|(name, _)| *name).collect();
            return Err(PolicyError(format!(
                "{provider:?} is none of {}",
                known.join(", ")
            )));
        }
        Ok(Self {
            resource: resource.to_owned(),
            provider: provider.to_owned(),
            preset: None,
        })
    }
}

impl Preset {
    /// What the stored values show, and what they cannot.
    fn says(&self, live: u64, otherwise: u64) -> Finding {
        let (items, words) = (self.items, self.words);
        let values = format!("{} of {}", some(live, "live value"), self.resource);
        let message = match (live, otherwise) {
            (0, _) => format!("{items}: nothing is proven, there is no live value"),
            (_, 0) => format!("{items}: met by what is stored, {values} written by {words}"),
            _ => format!(
                "{items}: not met, {} of {} not written by {words}",
                count(otherwise),
                values
            ),
        };
        let mut said = finding(&PRESET, live, message, &[]);
        said.resource = Some(self.resource.to_owned());
        said
    }
}

impl Report {
    /// Adds a finding for each group of live values that a requirement does not allow, and one for a resource that is not
    /// in the snapshot at all, so that a misspelt name proves nothing.
    pub fn require(&mut self, requirements: &[Requirement]) {
        for wanted in requirements {
            let allowed = PROVIDERS
                .iter()
                .find(|(name, _)| *name == wanted.provider)
                .map_or(&[][..], |(_, list)| list);
            let of = |g: &&crate::report::Group| g.resource == wanted.resource && g.counts.live > 0;
            let mut found = Vec::new();
            if !self.groups.iter().any(|g| of(&g)) {
                let name = crate::escape(wanted.resource.as_bytes());
                let message =
                    format!("no live {name} is in the snapshot, so nothing is proven of them");
                let mut absent = finding(&ABSENT, 1, message, &[]);
                absent.resource = Some(name);
                found.push(absent);
            }
            for group in self
                .groups
                .iter()
                .filter(of)
                .filter(|g| !allowed.contains(&g.provider))
            {
                let live = group.counts.live;
                let message = format!(
                    "{} not written by {}, which is required",
                    are(live, "live value"),
                    wanted.provider
                );
                let mut other = finding(&REQUIRED, live, message, &[]);
                other.resource = Some(group.resource.clone());
                other.provider = Some(group.provider);
                other.key.clone_from(&group.key);
                other.key_id.clone_from(&group.key_id);
                found.push(other);
            }
            if let Some(preset) = wanted.preset {
                let live = self.groups.iter().filter(of).map(|g| g.counts.live).sum();
                let other = found.iter().filter(|f| f.code == REQUIRED.code);
                found.push(preset.says(live, other.map(|f| f.count).sum()));
            }
            self.findings.extend(found);
        }
        sort(&mut self.findings);
    }

    /// Takes what an earlier report found already for information only, as far as it has not grown.
    ///
    /// # Errors
    /// When the text is no JSON report of this crate.
    pub fn baseline(&mut self, earlier: &str) -> Result<(), PolicyError> {
        let wrong = |what: &str| {
            PolicyError(format!(
                "the baseline is {what}; a report by --format json is needed"
            ))
        };
        let earlier: Value = serde_json::from_str(earlier).map_err(|_| wrong("no JSON"))?;
        if earlier.get("kind").and_then(Value::as_str) != Some("k8senc-audit") {
            return Err(wrong("no report of k8senc audit"));
        }
        let list = earlier
            .get("findings")
            .and_then(Value::as_array)
            .ok_or_else(|| wrong("without findings"))?;
        for finding in &mut self.findings {
            let same = |old: &&Value| {
                let text = |name: &str| old.get(name).and_then(Value::as_str);
                text("code") == Some(finding.code)
                    && text("resource") == finding.resource.as_deref()
                    && text("provider") == finding.provider
                    && text("key") == finding.key.as_deref()
                    && text("keyId") == finding.key_id.as_deref()
            };
            let known: u64 = list
                .iter()
                .filter(same)
                .filter_map(|old| old.get("count")?.as_u64())
                .sum();
            if known >= finding.count && finding.severity != Severity::Info {
                finding.severity = Severity::Info;
                finding.message = format!("{} (known, in the baseline)", finding.message);
            }
        }
        sort(&mut self.findings);
        Ok(())
    }

    /// The exit code when only findings of this severity, or a worse one, count. `key-ids` and `policy-preset` never do: they state
    /// how it is, and whatever a preset does not find met has findings of its own.
    #[must_use]
    pub fn exit_code_for(&self, least: Severity) -> u8 {
        let mut kept = self.clone();
        for finding in &mut kept.findings {
            if finding.severity <= least && !STATEMENTS.contains(&finding.code) {
                finding.severity = Severity::Error;
            } else {
                finding.severity = Severity::Info;
            }
        }
        kept.exit_code()
    }
}

/// The worst first, then by code and group.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let key = |f: &Finding| {
            (
                f.severity,
                f.code,
                f.resource.clone(),
                f.provider,
                f.key.clone(),
                f.key_id.clone(),
                f.message.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
}
