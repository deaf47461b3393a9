//! KMS blocks: version, cache, timeouts, and what depends on a single plugin.

use super::context::{Context, KmsFact, is_identity};
use super::fix::{Edit, Fix, Safety, line_start, remove_field};
use super::identity::listed;
use super::{Needs, Rule, Severity};
use crate::span::Span;
use crate::version::Version;

const KMS_PAGE: &str = "kubernetes.io, Using a KMS provider for data encryption";

/// `apiVersion: v2` before the first field of a block that has fields.
fn add_version(c: &Context<'_>, block: &KmsFact<'_>) -> Option<Fix> {
    if !block.kms.version_defaulted || block.kms.api_version.span.is_some() {
        return None;
    }
    let text = &c.text;
    let at = block.kms.span.start;
    let insert = if text.get(at..)?.starts_with('{') {
        Edit::new(Span::new(at + 1, at + 1), "apiVersion: v2, ")
    } else {
        let indent = text.get(line_start(text, at)..at)?;
        let indent: String = indent.chars().map(|_| ' ').collect();
        Edit::new(Span::new(at, at), format!("apiVersion: v2\n{indent}"))
    };
    Some(Fix::new(
        "say apiVersion: v2",
        Safety::NeedsReview,
        vec![insert],
    ))
}

pub(crate) static KMS_V1: Rule = Rule {
    code: "K8E016",
    name: "kms-v1",
    severity: Severity::Error,
    fixable: true,
    needs: Needs::Text,
    finds: "a kms block of version v1, or without apiVersion, which means v1.",
    why: "KMS v1 is deprecated since 1.28 and off since 1.29 unless the feature gate KMSv1 is on: the API server does not start. \
          It also calls the plugin for every write.",
    fix: "If the plugin speaks v2 and nothing was written through v1, say apiVersion: v2. If something was, turn the gate on, \
          add a v2 block with another name in front, roll out, rewrite, then remove the v1 block: the stored prefixes differ.",
    upstream: "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.  Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature.",
    source: "kubernetes.io, Using a KMS provider for data encryption; KEP-3299",
    check: |c, report| {
        for block in c.kms.iter().filter(|b| b.v1) {
            let span = block.kms.api_version.span.unwrap_or(block.kms.key_span);
            let fix = add_version(c, block);
            let message = if block.kms.version_defaulted {
                "without apiVersion this block is KMS v1"
            } else {
                "KMS v1 is deprecated"
            };
            let finding = report.add(&KMS_V1, span, message.to_owned());
            finding.fix = fix;
            finding.upstream = c.upstream_at("kms-v1-gate", span);
            let off = c.version() >= Version::new(29) && c.options.server.kmsv1 != Some(true);
            if !off {
                finding.severity = Severity::Warning;
            }
        }
    },
};

pub(crate) static CACHESIZE_ON_V2: Rule = Rule {
    code: "K8E017",
    name: "cachesize-on-v2",
    severity: Severity::Error,
    fixable: true,
    needs: Needs::Text,
    finds: "cachesize in a block that is not v1.",
    why: "The API server does not start. Many how-to pages show it.",
    fix: "Take the field out: KMS v2 has its own cache of decrypted seeds.",
    upstream: "cachesize is not supported in v2",
    source: "kubernetes.io, Using a KMS provider for data encryption: cachesize is for v1",
    check: |c, report| {
        for block in c.kms.iter().filter(|b| !b.v1) {
            let Some(span) = block
                .kms
                .cachesize_span
                .filter(|_| block.kms.cachesize.is_some())
            else {
                continue;
            };
            let edit = remove_field(&c.text, "cachesize", span);
            let upstream = c.upstream_at("kms-cachesize-v2", span);
            let finding = report.add(
                &CACHESIZE_ON_V2,
                span,
                "KMS v2 does not take cachesize".to_owned(),
            );
            finding.upstream = upstream;
            finding.fix = edit.map(|edit| Fix::new("take cachesize out", Safety::Safe, vec![edit]));
        }
    },
};

pub(crate) static V1_CACHE_SMALL: Rule = Rule {
    code: "K8E018",
    name: "v1-cache-small",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "a KMS v1 block with a negative cachesize, or with fewer than 100 places.",
    why: "Every read that misses the cache calls the plugin; listing secrets then makes one call for each.",
    fix: "Leave the default of 1000, or more than there are objects.",
    upstream: "Nothing: negative means no cache.",
    source: KMS_PAGE,
    check: |c, report| {
        for block in c.kms.iter().filter(|b| b.v1) {
            let size = block.kms.cachesize.unwrap_or(1000);
            let Some(span) = block.kms.cachesize_span.filter(|_| size < 100 && size != 0) else {
                continue;
            };
            let message = if size < 0 {
                "no cache: every read calls the plugin".to_owned()
            } else {
                format!("a cache of {size}: most reads call the plugin")
            };
            report.add(&V1_CACHE_SMALL, span, message);
        }
    },
};

pub(crate) static SINGLE_READER: Rule = Rule {
    code: "K8E019",
    name: "single-kms",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "an entry whose only encrypting provider is one KMS block.",
    why: "While the plugin is down, v2 writes stop after three minutes and an API server that restarts cannot read these objects at all. \
          A local key as a later reader does not help: what the KMS wrapped needs the KMS.",
    fix: "Have a plan for an outage, and do not restart API servers or reload the configuration during one.",
    upstream: "Nothing: the file is accepted.",
    source: "kubernetes.io, Using a KMS provider for data encryption; KEP-3299",
    check: |c, report| {
        for entry in c.entries {
            let mut encrypting = entry.providers().iter().filter(|p| !is_identity(p));
            if let (Some(kms), None) = (
                encrypting.next().and_then(|p| p.kms.as_ref()),
                encrypting.next(),
            ) {
                let message = format!(
                    "{} depend on the KMS {} alone",
                    listed(entry),
                    kms.name.text.as_str()
                );
                report.add(&SINGLE_READER, kms.key_span, message);
            }
        }
    },
};

pub(crate) static TIMEOUT: Rule = Rule {
    code: "K8E020",
    name: "kms-timeout",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "a timeout under one second or over ten.",
    why: "Too short: short pauses of the plugin fail requests. Too long: an unhealthy v2 block delays the start by its timeout, requests pile up, \
          and old connections stay open after a reload for twice the sum (four times for v1).",
    fix: "Leave the default of 3s, or stay between 1s and 10s.",
    upstream: "Nothing: any positive duration is accepted.",
    source: "kubernetes.io, Using a KMS provider for data encryption: default 3s; k8s.io/apiserver, encryptionconfig/config.go",
    check: |c, report| {
        for block in &c.kms {
            let ms = block.timeout_ms();
            if (1..1000).contains(&ms) || (ms == 0 && block.kms.timeout.is_some_and(|t| t.0 > 0)) {
                report.add(
                    &TIMEOUT,
                    block.timeout_span(),
                    "a timeout under one second fails on short pauses".to_owned(),
                );
            } else if ms > 10_000 {
                report.add(
                    &TIMEOUT,
                    block.timeout_span(),
                    format!("a timeout of {} s makes outages worse", ms / 1000),
                );
            }
        }
    },
};

pub(crate) static TIMEOUT_SUM: Rule = Rule {
    code: "K8E021",
    name: "kms-timeout-sum",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "timeouts that add up to more than 15 seconds while all KMS health checks run in one request.",
    why: "The combined check kms-providers asks one plugin after the other; a kubelet probe with a shorter timeout then fails and restarts the API server.",
    fix: "Shorten the timeouts, or give the probes more time.",
    upstream: "Nothing: the file is accepted.",
    source: "k8s.io/apiserver, encryptionconfig/config.go: kmsHealthChecker.Check",
    check: |c, report| {
        let combined = c.options.server.reload || c.kms.iter().all(|b| !b.v1);
        let sum: i64 = c
            .kms
            .iter()
            .map(|b| b.timeout_ms() * if b.v1 { 2 } else { 1 })
            .sum();
        if let Some(last) = c.kms.last().filter(|_| combined && sum > 15_000) {
            let span = last.timeout_span();
            report.add(
                &TIMEOUT_SUM,
                span,
                format!("one health request may take {} s", sum / 1000),
            );
        }
    },
};

pub(crate) static MANY_BLOCKS: Rule = Rule {
    code: "K8E023",
    name: "many-kms-blocks",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "more than four KMS v2 blocks.",
    why: "Each has its own status calls, seed and cache, and each that is unhealthy delays the start by its timeout.",
    fix: "Name several resources in one entry.",
    upstream: "Nothing: the file is accepted.",
    source: "k8s.io/apiserver, encryptionconfig/config.go: primeAndProbeKMSv2",
    check: |c, report| {
        let v2 = c.kms.iter().filter(|b| !b.v1).count();
        if let Some(fifth) = c.kms.iter().filter(|b| !b.v1).nth(4) {
            report.add(
                &MANY_BLOCKS,
                fifth.kms.key_span,
                format!("{v2} KMS v2 blocks, each with its own seed and status calls"),
            );
        }
    },
};

pub(crate) static MIXED_VERSIONS: Rule = Rule {
    code: "K8E034",
    name: "kms-v1-and-v2",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "KMS v1 and v2 blocks in one file.",
    why: "Without reload the health checks are then numbered (kms-provider-0, ...) instead of kms-providers, so alerts and probes on that name stop working.",
    fix: "Watch both names while you migrate.",
    upstream: "Nothing: the file is accepted.",
    source: "k8s.io/apiserver, encryptionconfig/config.go: LoadEncryptionConfig",
    check: |c, report| {
        let v1 = c.kms.iter().find(|b| b.v1);
        let v2 = c.kms.iter().find(|b| !b.v1);
        if let (Some(v1), Some(v2)) = (v1, v2)
            && !c.options.server.reload
        {
            let other = v2.kms.key_span;
            let finding = report.add(
                &MIXED_VERSIONS,
                v1.kms.key_span,
                "the health check kms-providers does not exist while v1 and v2 are mixed"
                    .to_owned(),
            );
            finding.related.push((other, "v2 here".to_owned()));
        }
    },
};

pub(crate) static V2_THEN_V1: Rule = Rule {
    code: "K8E035",
    name: "kms-name-shared",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "a KMS v1 block with the name of an earlier block.",
    why: "It loads now, but is refused as soon as automatic reload is switched on, and one name in two prefixes confuses audits.",
    fix: "Give the new block of the two another name.",
    upstream: "Nothing now; with reload: duplicate KMS provider name, names must be unique",
    source: "k8s.io/apiserver, validation_encryption.go: validateKMSConfigName",
    check: |c, report| {
        if c.options.server.reload {
            return;
        }
        let mut names: std::collections::BTreeMap<&str, Span> = std::collections::BTreeMap::new();
        for block in &c.kms {
            let name = block.kms.name.text.as_str();
            if let Some(first) = names.get(name).filter(|_| block.v1) {
                let message =
                    format!("{name} is the name of an earlier kms block; reload would refuse this");
                let finding = report.add(&V2_THEN_V1, block.name_span(), message);
                finding
                    .related
                    .push((*first, "the earlier block".to_owned()));
            }
            names.entry(name).or_insert(block.name_span());
        }
    },
};

pub(crate) static AUTHORITY: Rule = Rule {
    code: "K8E039",
    name: "kms-authority",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "a KMS v2 block for kube-apiserver 1.25 to 1.31 with a socket path.",
    why: "Those releases send an :authority header made from the path (%2Fvar%2F...), which servers on the h2 library, such as most Rust plugins, refuse with PROTOCOL_ERROR.",
    fix: "With such a plugin use 1.32 or later, or an abstract socket behind a proxy that accepts the header.",
    upstream: "rpc error: code = Unavailable or Internal, from the plugin's side",
    source: "kubernetes/kubernetes commit 9c8c6ccc4 (1.32); hyperium/h2#487",
    check: |c, report| {
        if !(Version::new(25)..=Version::new(31)).contains(&c.version()) {
            return;
        }
        for block in c
            .kms
            .iter()
            .filter(|b| !b.v1 && b.socket.first() == Some(&b'/'))
        {
            let message = format!(
                "{} sends an :authority that some plugins refuse",
                c.version()
            );
            report.add(&AUTHORITY, block.endpoint_span(), message);
        }
    },
};
