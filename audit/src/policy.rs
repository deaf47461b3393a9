//! What an operator demands, applied to a finished report.

use core::fmt;

use serde_json::Value;

use crate::report::{Class, Finding, Report, Severity};

/// `RESOURCE=PROVIDER`: all live values of a resource must be written by one of these providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    resource: String,
    provider: String,
}

/// What a requirement may name, and what it stands for.
const PROVIDERS: [(&str, &[&str]); 8] = [
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
        let (resource, provider) = text
            .split_once('=')
            .filter(|(r, p)| !r.is_empty() && !p.is_empty())
            .ok_or_else(|| PolicyError(format!("{text:?} is not RESOURCE=PROVIDER")))?;
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
        })
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
                found.push(Finding {
                    code: "required-resource-absent",
                    severity: Severity::Warning,
                    resource: Some(crate::escape(wanted.resource.as_bytes())),
                    count: 1,
                    message: format!("no live {} is in the snapshot, so nothing is proven of them", crate::escape(wanted.resource.as_bytes())),
                    advice: "check the name of the resource: an EncryptionConfiguration's, such as secrets or deployments.apps",
                    ..Finding::default()
                });
            }
            for group in self
                .groups
                .iter()
                .filter(of)
                .filter(|g| !allowed.contains(&g.provider))
            {
                found.push(Finding {
                    code: "required-provider",
                    severity: Severity::Error,
                    class: Class::Current,
                    resource: Some(group.resource.clone()),
                    provider: Some(group.provider),
                    key: group.key.clone(),
                    key_id: group.key_id.clone(),
                    count: group.counts.live,
                    message: format!("{} not written by {}, which is required", crate::findings::are(group.counts.live, "live value"), wanted.provider),
                    advice: "make the required provider the first one of the resource's rule, and rewrite its objects through the API server",
                    examples: Vec::new(),
                });
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

    /// The exit code when only findings of this severity, or a worse one, count.
    #[must_use]
    pub fn exit_code_for(&self, least: Severity) -> u8 {
        let mut kept = self.clone();
        for finding in &mut kept.findings {
            if finding.severity <= least {
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
