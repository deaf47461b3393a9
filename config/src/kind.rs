//! Which type the file says it is, and what kube-apiserver's scheme makes of that.

use crate::decode::Form;
use crate::golang::{fold_equal, quote};
use crate::span::Span;
use crate::tree::{Node, Value};
use crate::version::Version;

const GROUP: &str = "apiserver.config.k8s.io";
const INTERNAL: &str = "__internal";

/// What a file that names its type is taken for.
#[derive(Debug)]
pub(crate) enum Kind {
    Configuration(Form),
    /// Another type of the same scheme: decoded, then refused. With the fields it knows and its printed name.
    Other {
        known: &'static [&'static str],
        shown: String,
    },
}

/// Why no type was found.
#[derive(Debug)]
pub(crate) struct KindError {
    pub code: &'static str,
    pub upstream: String,
    pub ours: String,
    pub span: Span,
    pub exact: bool,
    /// Upstream prints the whole file here.
    pub redacted: bool,
}

impl KindError {
    fn new(code: &'static str, upstream: String, ours: &str, span: Span) -> Self {
        Self {
            code,
            upstream,
            ours: ours.to_owned(),
            span,
            exact: true,
            redacted: false,
        }
    }
}

struct TypeMeta<'n> {
    api_version: &'n str,
    api_version_span: Span,
    kind: &'n str,
    kind_span: Span,
}

/// Reads `apiVersion` and `kind`, names in any case, later ones winning, as encoding/json does.
fn type_meta(root: &Node) -> Result<TypeMeta<'_>, KindError> {
    let refuse = |upstream: String, span| {
        let upstream = format!("couldn't get version/kind; json parse error: {upstream}");
        Err(KindError::new(
            "not-an-object",
            upstream,
            "the file is not a mapping with apiVersion and kind as text",
            span,
        ))
    };
    let mut meta = TypeMeta {
        api_version: "",
        api_version_span: root.span,
        kind: "",
        kind_span: root.span,
    };
    let fields = match &root.value {
        Value::Map(fields) => fields,
        Value::Null => return Ok(meta),
        other => {
            let go_struct = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
            return refuse(
                format!(
                    "json: cannot unmarshal {} into Go value of type {go_struct}",
                    other.kind()
                ),
                root.span,
            );
        }
    };
    for field in fields {
        let (name, text, span) = if fold_equal(&field.key, "apiVersion") {
            (
                "apiVersion",
                &mut meta.api_version,
                &mut meta.api_version_span,
            )
        } else if fold_equal(&field.key, "kind") {
            ("kind", &mut meta.kind, &mut meta.kind_span)
        } else {
            continue;
        };
        match &field.node.value {
            Value::String(value) => {
                *text = value.as_str();
                *span = field.node.span;
            }
            Value::Null => {}
            other => {
                let kind = other.kind();
                return refuse(
                    format!(
                        "json: cannot unmarshal {kind} into Go struct field .{name} of type string"
                    ),
                    field.node.span,
                );
            }
        }
    }
    Ok(meta)
}

/// Finds the type of a file.
pub(crate) fn find(root: &Node, version: Version) -> Result<Kind, KindError> {
    let meta = type_meta(root)?;
    let api_version = meta.api_version;
    let (group, api) = match api_version.split_once('/') {
        None => ("", api_version),
        Some((_, rest)) if rest.contains('/') => {
            let upstream = format!("unexpected GroupVersion string: {api_version}");
            return Err(KindError::new(
                "api-version-malformed",
                upstream,
                "apiVersion has more than one slash",
                meta.api_version_span,
            ));
        }
        Some((group, api)) => (group, api),
    };
    for (missing, name, span) in [
        (meta.kind.is_empty(), "Kind", meta.kind_span),
        (api.is_empty(), "apiVersion", meta.api_version_span),
    ] {
        if missing {
            let code = if name == "Kind" {
                "kind-missing"
            } else {
                "api-version-missing"
            };
            let upstream = format!("Object '{name}' is missing in 'REDACTED'");
            let ours = "the first document of the file does not say what it is; kube-apiserver prints the whole file here, keys included";
            return Err(KindError {
                redacted: true,
                ..KindError::new(code, upstream, ours, span)
            });
        }
    }
    registered(group, api, meta.kind, version).ok_or_else(|| {
        let scheme = "in scheme \"k8s.io/apiserver/pkg/server/options/encryptionconfig/config.go\"";
        let kind = quote(meta.kind);
        let upstream =
            if api == INTERNAL || (group == GROUP && is_meta_options(meta.kind) && api == "v1") {
                format!(
                    "no kind {kind} is registered for the internal version of group {} {scheme}",
                    quote(group)
                )
            } else {
                let shown = if group.is_empty() {
                    api.to_owned()
                } else {
                    format!("{group}/{api}")
                };
                format!(
                    "no kind {kind} is registered for version {} {scheme}",
                    quote(&shown)
                )
            };
        let ours = if version.has_config_group() {
            "write apiVersion: apiserver.config.k8s.io/v1 and kind: EncryptionConfiguration"
        } else {
            "before 1.13 the only form is apiVersion: v1 and kind: EncryptionConfig"
        };
        let span = if meta.kind == "EncryptionConfiguration" {
            meta.api_version_span
        } else {
            meta.kind_span
        };
        KindError {
            exact: false,
            ..KindError::new("kind-unknown", upstream, ours, span)
        }
    })
}

fn is_meta_options(kind: &str) -> bool {
    matches!(
        kind,
        "ListOptions"
            | "GetOptions"
            | "DeleteOptions"
            | "CreateOptions"
            | "UpdateOptions"
            | "PatchOptions"
    )
}

fn registered(group: &str, api: &str, kind: &str, version: Version) -> Option<Kind> {
    if (group, api, kind) == ("", "v1", "EncryptionConfig") {
        return Some(Kind::Configuration(Form::V1));
    }
    if group == GROUP && kind == "EncryptionConfiguration" && version.has_config_group() {
        match api {
            "v1" => return Some(Kind::Configuration(Form::V1)),
            INTERNAL => return Some(Kind::Configuration(Form::Internal)),
            _ => {}
        }
    }
    let known: &'static [&'static str] = match (group, api, kind) {
        (GROUP, "v1", "AdmissionConfiguration") => &["kind", "apiVersion", "plugins"],
        (GROUP, "v1", "AuthorizationConfiguration") => &["kind", "apiVersion", "authorizers"],
        (GROUP, "v1", "AuthenticationConfiguration") => &["kind", "apiVersion", "jwt", "anonymous"],
        (GROUP, "v1", "TracingConfiguration") => {
            &["kind", "apiVersion", "endpoint", "samplingRatePerMillion"]
        }
        (GROUP | "apiserver.k8s.io", INTERNAL, "AdmissionConfiguration") => {
            &["kind", "apiVersion", "Plugins"]
        }
        (GROUP, INTERNAL, "AuthorizationConfiguration") => &["kind", "apiVersion", "Authorizers"],
        (GROUP, INTERNAL, "AuthenticationConfiguration") => {
            &["kind", "apiVersion", "JWT", "Anonymous"]
        }
        (GROUP, INTERNAL, "TracingConfiguration") => {
            &["kind", "apiVersion", "endpoint", "samplingRatePerMillion"]
        }
        (GROUP | "apiserver.k8s.io", INTERNAL, "EgressSelectorConfiguration") => {
            &["kind", "apiVersion", "EgressSelections"]
        }
        // Known under every group and version.
        (_, _, "Status") => &[
            "kind",
            "apiVersion",
            "metadata",
            "status",
            "message",
            "reason",
            "details",
            "code",
        ],
        (_, _, "APIVersions") => &[
            "kind",
            "apiVersion",
            "versions",
            "serverAddressByClientCIDRs",
        ],
        (_, _, "APIGroupList") => &["kind", "apiVersion", "groups"],
        (_, _, "APIGroup") => &[
            "kind",
            "apiVersion",
            "name",
            "versions",
            "preferredVersion",
            "serverAddressByClientCIDRs",
        ],
        (_, _, "APIResourceList") => &["kind", "apiVersion", "groupVersion", "resources"],
        _ => return None,
    };
    Some(Kind::Other {
        known,
        shown: format!("{group}/{api}, Kind={kind}"),
    })
}
