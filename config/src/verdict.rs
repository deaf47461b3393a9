//! What kube-apiserver says of a file: start, or refuse with this text.

use crate::span::Span;
use crate::version::Version;

/// The server that is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// `--encryption-provider-config`, as upstream prints it in its errors.
    pub path: String,
    /// `--encryption-provider-config-automatic-reload`.
    pub reload: bool,
    /// The release of kube-apiserver.
    pub version: Version,
    /// The feature gate `KMSv1`; `None` is the release's default.
    pub kmsv1: Option<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: "/etc/kubernetes/encryption-config.yaml".to_owned(),
            reload: false,
            version: Version::LATEST,
            kmsv1: None,
        }
    }
}

impl Options {
    pub(crate) fn kmsv1_on(&self) -> bool {
        self.kmsv1
            .unwrap_or_else(|| self.version.kms_v1_on_by_default())
    }
}

/// The step of loading that refused the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reading the file: it is empty.
    Load,
    /// YAML, JSON, kind, fields and their types.
    Decode,
    /// The field rules.
    Validate,
    /// Making transformers: masked rules, feature gates.
    Build,
    /// The real code crashes on this file.
    Panic,
}

impl Stage {
    /// The stage's name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Decode => "decode",
            Self::Validate => "validate",
            Self::Build => "build",
            Self::Panic => "panic",
        }
    }
}

/// One thing that is wrong, in kube-apiserver's words and in ours.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Problem {
    /// A stable name, such as `key-secret-length`.
    pub code: &'static str,
    /// The field, such as `resources[0].providers[1].aescbc.keys[0].secret`; empty for the whole file.
    pub field: String,
    /// This error alone as kube-apiserver prints it, secrets replaced by `REDACTED`.
    pub upstream: String,
    /// Our words: what was found and what was needed.
    pub ours: String,
    /// Where it is in the file.
    pub span: Span,
    /// Other places that belong to it, such as the first of two equal fields.
    pub related: Vec<Span>,
    /// Whether kube-apiserver prints a secret where `upstream` has `REDACTED`.
    pub redacted: bool,
}

impl Problem {
    pub(crate) fn new(
        code: &'static str,
        field: &str,
        upstream: String,
        ours: &str,
        span: Span,
    ) -> Self {
        let (field, ours) = (field.to_owned(), ours.to_owned());
        Self {
            code,
            field,
            upstream,
            ours,
            span,
            related: Vec::new(),
            redacted: false,
        }
    }
}

/// The answer for one file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether this server starts with the file.
    pub ok: bool,
    /// The step that refused, if one did.
    pub stage: Option<Stage>,
    /// The whole text kube-apiserver prints, secrets replaced by `REDACTED`; `None` when it starts or crashes.
    pub upstream: Option<String>,
    /// Whether `upstream` is byte-exact but for what was redacted. Not so for go-yaml's own wording, for the
    /// source line that names a scheme, and for releases older than 1.31.
    pub exact: bool,
    /// Whether kube-apiserver would print key material here.
    pub redacted: bool,
    /// Each problem by itself, in upstream's order.
    pub problems: Vec<Problem>,
}

impl Verdict {
    pub(crate) fn loads() -> Self {
        Self {
            ok: true,
            stage: None,
            upstream: None,
            exact: true,
            redacted: false,
            problems: Vec::new(),
        }
    }

    pub(crate) fn refused(stage: Stage, wrap: &str, exact: bool, problems: Vec<Problem>) -> Self {
        let mut cause = problems
            .iter()
            .map(|p| p.upstream.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        if problems.len() > 1 && stage == Stage::Validate {
            cause = format!("[{cause}]");
        }
        Self {
            ok: false,
            stage: Some(stage),
            upstream: Some(format!("{wrap}{cause}")),
            exact,
            redacted: problems.iter().any(|p| p.redacted),
            problems,
        }
    }
}
