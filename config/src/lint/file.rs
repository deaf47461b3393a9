//! The file as a whole.

use super::fix::{Edit, Fix, Safety};
use super::{Needs, Rule, Severity};
use crate::span::Span;
use crate::tree::{Syntax, Value};
use crate::version::Version;

pub(crate) static MORE_DOCUMENTS: Rule = Rule {
    code: "K8E032",
    name: "more-documents",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "a second YAML document in the file.",
    why: "Only the first is read, whatever the others hold.",
    fix: "Put all entries into one document and take out the --- between them.",
    upstream: "Nothing: later documents are ignored.",
    source: "go-yaml's Unmarshal, as used by k8s.io/apimachinery",
    check: |c, report| {
        if let Some(at) = c.tree.and_then(|t| t.second_document) {
            let message = "everything from here on is ignored".to_owned();
            report.add(&MORE_DOCUMENTS, Span::new(at, at + 3), message);
        }
    },
};

pub(crate) static LEGACY_KIND: Rule = Rule {
    code: "K8E033",
    name: "legacy-kind",
    severity: Severity::Info,
    fixable: true,
    needs: Needs::Text,
    finds: "kind: EncryptionConfig with apiVersion: v1.",
    why: "It is the form of releases before 1.13. It is still read and means the same.",
    fix: "Write apiVersion: apiserver.config.k8s.io/v1 and kind: EncryptionConfiguration.",
    upstream: "Nothing: both forms are accepted.",
    source: "k8s.io/apiserver, apis/apiserver/v1/register.go",
    check: |c, report| {
        let Some(Value::Map(fields)) = c.tree.map(|t| &t.root.value) else {
            return;
        };
        let value = |key: &str| {
            fields
                .iter()
                .find(|f| f.key.as_str() == key)
                .map(|f| &f.node)
        };
        let text = |key: &str| match value(key).map(|n| &n.value) {
            Some(Value::String(text)) => Some(text.as_str()),
            _ => None,
        };
        if (
            text("kind"),
            text("apiVersion").map(|v| v.trim_start_matches('/')),
        ) != (Some("EncryptionConfig"), Some("v1"))
        {
            return;
        }
        let (Some(kind), Some(version)) = (value("kind"), value("apiVersion")) else {
            return;
        };
        let json = c.tree.is_some_and(|t| t.syntax == Syntax::Json);
        let edit = |span: Span, word: &str| {
            let raw = span.of(&c.text).unwrap_or("");
            let quoted = json || raw.starts_with(['"', '\'']);
            let text = if quoted {
                format!("\"{word}\"")
            } else {
                word.to_owned()
            };
            Edit::new(span, text)
        };
        let edits = vec![
            edit(kind.span, "EncryptionConfiguration"),
            edit(version.span, "apiserver.config.k8s.io/v1"),
        ];
        let finding = report.add(
            &LEGACY_KIND,
            kind.span,
            "the form from before 1.13".to_owned(),
        );
        if c.options.server.version.has_config_group() {
            finding.fix = Some(Fix::new("write the current kind", Safety::Safe, edits));
        }
    },
};

pub(crate) static FILE_MODE: Rule = Rule {
    code: "K8E036",
    name: "file-mode",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::FileFacts,
    finds: "a file that others than its owner can write, or can read although it holds keys; one that the API server's user does not own; a directory others can write to.",
    why: "The keys stand in it in the clear. Who can write it can make the API server write plain text.",
    fix: "chmod 600 the file, chown it to the API server's user, and keep its directory closed.",
    upstream: "Nothing: permissions are not looked at.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: caution on permissions; CIS Kubernetes Benchmark 1.1",
    check: |c, report| {
        let facts = c.options.file;
        let whole = Span::new(0, 0);
        // A file without keys is no secret, but nobody else may change it.
        let open = if c.keys.is_empty() { 0o022 } else { 0o077 };
        if let Some(mode) = facts.mode.filter(|m| m & open != 0) {
            report.add(
                &FILE_MODE,
                whole,
                format!(
                    "the file has mode {:04o}, which lets others in; 0600 is enough",
                    mode & 0o7777
                ),
            );
        }
        if facts.owned_by_server == Some(false) {
            report.add(
                &FILE_MODE,
                whole,
                "the file does not belong to the API server's user".to_owned(),
            );
        }
        if facts.directory_writable_by_others == Some(true) {
            report.add(
                &FILE_MODE,
                whole,
                "others can write to the directory, so they can replace the file".to_owned(),
            );
        }
    },
};

pub(crate) static FILE_SHARED: Rule = Rule {
    code: "K8E037",
    name: "file-shared",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::FileFacts,
    finds: "a file with keys in version control, in a ConfigMap, or in a path that pods can read.",
    why: "Whoever can read that has the keys, for as long as the history is kept.",
    fix: "Take the keys out, rotate them, and bring the file to the control plane some other way.",
    upstream: "Nothing: it cannot know.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: Protection for encryption keys",
    check: |c, report| {
        if c.options.file.shared == Some(true)
            && let Some(key) = c.keys.iter().find(|k| k.bytes.is_some())
        {
            report.add(
                &FILE_SHARED,
                key.span(),
                "keys in a place that others can read".to_owned(),
            );
        }
    },
};

pub(crate) static RELEASE: Rule = Rule {
    code: "K8E038",
    name: "release",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "something the chosen release does not have: wildcards before 1.27, custom resources before 1.26, KMS v2 before 1.29, a KMS before 1.10.",
    why: "Older releases ignore what they do not know, so the objects stay plain text, or refuse the file.",
    fix: "Upgrade first, or leave it out.",
    upstream: "Before 1.31 unknown fields are ignored in silence.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: Before you begin; KEP-3299",
    check: |c, report| {
        let version = c.version();
        let mut add = |span: Span, message: String, severity: Severity| {
            report.add(&RELEASE, span, message).severity = severity;
        };
        for entry in c.entries {
            for (name, span) in c.names(entry) {
                if name.is_wildcard() && !version.has_wildcards() {
                    add(
                        span,
                        format!(
                            "{version} takes {name} for the name of a resource; wildcards came in 1.27"
                        ),
                        Severity::Error,
                    );
                } else if name.group.contains('.')
                    && version < Version::new(26)
                    && matches!(
                        crate::builtin::what_matches(&name.to_string(), version),
                        crate::builtin::Matches::Custom
                    )
                {
                    add(
                        span,
                        format!("{version} does not encrypt custom resources; that came in 1.26"),
                        Severity::Error,
                    );
                }
            }
        }
        for block in &c.kms {
            let span = block.kms.api_version.span.unwrap_or(block.kms.key_span);
            if !version.has_kms() {
                add(
                    block.kms.key_span,
                    format!("{version} has no KMS provider; it came in 1.10"),
                    Severity::Error,
                );
            } else if !block.v1 && !version.has_kms_v2() {
                add(
                    span,
                    format!("{version} knows no apiVersion here and takes the block for KMS v1"),
                    Severity::Error,
                );
            } else if !block.v1 && !version.kms_v2_on_by_default() {
                add(
                    span,
                    format!("KMS v2 is alpha in {version}: it needs --feature-gates=KMSv2=true"),
                    Severity::Error,
                );
            } else if !block.v1 && version < Version::new(29) {
                add(
                    span,
                    format!("KMS v2 is beta in {version}, stable from 1.29 on"),
                    Severity::Warning,
                );
            }
        }
    },
};

pub(crate) static AMBIGUOUS_KEY: Rule = Rule {
    code: "K8E041",
    name: "ambiguous-key",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "two mapping keys that are different in YAML and the same in JSON, such as 1 and '1', or true and 'true'.",
    why: "Which of the two wins changes from one start of the API server to the next.",
    fix: "Take one of them out.",
    upstream: "Nothing certain: the order of a Go map decides.",
    source: "sigs.k8s.io/yaml: convertToJSONableObject",
    check: |c, report| {
        for span in c.tree.map(|t| t.ambiguous.as_slice()).unwrap_or_default() {
            report.add(
                &AMBIGUOUS_KEY,
                *span,
                "another key of this mapping becomes the same name".to_owned(),
            );
        }
    },
};
