//! The steps of loading, in kube-apiserver's order: decode, default, validate, build.

use std::collections::BTreeMap;

use crate::decode::{self, Form, Strict, StrictKind};
use crate::golang::quote;
use crate::kind::{self, Kind};
use crate::model::Model;
use crate::resource::{Masked, Rules as MaskRules};
use crate::span::Span;
use crate::tree::{self, Field, Tree, Value};
use crate::validate::{Rules, validate as validate_model};
use crate::verdict::{Options, Problem, Stage, Verdict};

/// A file that was read, whatever the verdict on it.
pub(crate) struct Loaded {
    pub verdict: Verdict,
    /// Present when decoding succeeded.
    pub model: Option<Model>,
    pub tree: Option<Tree>,
}

/// What the given kube-apiserver says of a file.
#[must_use]
pub fn validate(text: &[u8], options: &Options) -> Verdict {
    load(text, options).verdict
}

/// Loads a file as far as kube-apiserver would.
pub(crate) fn load(text: &[u8], options: &Options) -> Loaded {
    let path = quote(&options.path);
    if text.is_empty() {
        let upstream = format!("encryption provider configuration file {path} is empty");
        let problem = Problem::new(
            "file-empty",
            "",
            upstream,
            "the file is empty",
            Span::default(),
        );
        let wrap = "error while parsing file: error while loading file: ";
        let verdict = Verdict::refused(Stage::Load, wrap, true, vec![problem]);
        return Loaded {
            verdict,
            model: None,
            tree: None,
        };
    }
    let wrap = format!(
        "error while parsing file: error decoding encryption provider configuration file {path}: "
    );
    let decoded = read(text, options, &wrap);
    let (tree, decoded) = match decoded {
        Ok(done) => done,
        Err(refused) => {
            let (verdict, tree) = *refused;
            return Loaded {
                verdict,
                model: None,
                tree,
            };
        }
    };
    let mut model = decoded.model;
    let mut verdict = strict_verdict(&decoded.strict, &tree, options, &wrap);
    if decoded.form == Form::V1 {
        model.kms_mut().for_each(crate::model::Kms::set_defaults);
    }
    if verdict.is_none() && decoded.form == Form::Internal {
        verdict = crash(&model);
    }
    let verdict = verdict.unwrap_or_else(|| judge(&model, options));
    Loaded {
        verdict,
        model: Some(model),
        tree: Some(tree),
    }
}

struct Decoded {
    model: Model,
    strict: Vec<Strict>,
    form: Form,
}

/// A verdict, with the tree if there was one.
type Refused = (Verdict, Option<Tree>);

/// Everything up to a decoded object; the error is the verdict, with the tree if there was one.
fn read(text: &[u8], options: &Options, wrap: &str) -> Result<(Tree, Decoded), Box<Refused>> {
    let refuse = |exact, problem| Verdict::refused(Stage::Decode, wrap, exact, vec![problem]);
    if let Some(protobuf) = text.strip_prefix(b"k8s\0") {
        // An Unknown message; a file of nothing but the prefix and a newline ends within a tag.
        let exact = protobuf == b"\n";
        let ours = "the file begins as Kubernetes protobuf, which is not a configuration";
        let problem = Problem::new(
            "protobuf",
            "",
            "unexpected EOF".to_owned(),
            ours,
            Span::new(0, 4),
        );
        return Err(Box::new((refuse(exact, problem), None)));
    }
    let tree = tree::read(text).map_err(|error| {
        let from_json = tree::is_json(text);
        let upstream = if from_json {
            format!(
                "couldn't get version/kind; json parse error: {}",
                error.upstream
            )
        } else {
            error.upstream.clone()
        };
        let ours = if from_json {
            "not JSON; a file that begins with { is read as JSON alone"
        } else {
            "not YAML as kube-apiserver reads it"
        };
        let mut problem = Problem::new("syntax", "", upstream, ours, error.span);
        problem.redacted = error.redacted;
        Box::new((refuse(error.exact, problem), None))
    })?;
    let kind = match kind::find(&tree.root, options.version) {
        Ok(kind) => kind,
        Err(error) => {
            let mut problem = Problem::new(error.code, "", error.upstream, &error.ours, error.span);
            problem.redacted = error.redacted;
            return Err(Box::new((refuse(error.exact, problem), Some(tree))));
        }
    };
    let form = match kind {
        Kind::Configuration(form) => form,
        Kind::Other { known, shown } => {
            let verdict = other_kind(&tree, known, &shown, options, wrap);
            return Err(Box::new((verdict, Some(tree))));
        }
    };
    match decode::decode(&tree.root, form) {
        Ok(decoded) => Ok((
            tree,
            Decoded {
                model: decoded.model,
                strict: decoded.strict,
                form,
            },
        )),
        Err(fatal) => {
            let problem = Problem::new(
                "field-type",
                "",
                fatal.upstream,
                "a value of the wrong type",
                fatal.span,
            );
            Err(Box::new((refuse(true, problem), Some(tree))))
        }
    }
}

/// Another type of the scheme: its own unknown fields first, then its name. Not exact once it has a field that is known.
fn other_kind(
    tree: &Tree,
    known: &'static [&'static str],
    shown: &str,
    options: &Options,
    wrap: &str,
) -> Verdict {
    let fields: &[Field] = match &tree.root.value {
        Value::Map(fields) => fields,
        _ => &[],
    };
    let strict = top_level_problems(fields, known);
    let mut verdict = strict_verdict(&strict, tree, options, wrap).unwrap_or_else(|| {
        let upstream = format!("got unexpected config type: {shown}");
        let problem = Problem::new(
            "kind-other",
            "",
            upstream,
            "this is the configuration of something else",
            tree.root.span,
        );
        Verdict::refused(
            Stage::Decode,
            "error while parsing file: ",
            true,
            vec![problem],
        )
    });
    // What its known fields hold may be of the wrong type, which upstream says first.
    verdict.exact &= fields
        .iter()
        .map(|field| field.key.as_str())
        .all(|name| matches!(name, "kind" | "apiVersion") || !known.contains(&name));
    verdict
}

/// Unknown and repeated fields of an object whose inside is not looked at; a name is reported once.
fn top_level_problems(fields: &[Field], known: &'static [&'static str]) -> Vec<Strict> {
    let mut first = BTreeMap::new();
    let mut strict: Vec<Strict> = Vec::new();
    for field in fields {
        let name = field.key.as_str();
        let before = first.insert(name, field.key_span);
        let kind = if !known.contains(&name) {
            StrictKind::Unknown
        } else if before.is_some() {
            StrictKind::Duplicate
        } else {
            continue;
        };
        if strict.len() < decode::MAX_STRICT && strict.iter().all(|s| s.path != name) {
            strict.push(Strict {
                kind,
                path: name.to_owned(),
                span: field.key_span,
                first: before,
                known,
            });
        }
    }
    strict
}

fn strict_verdict(
    strict: &[Strict],
    tree: &Tree,
    options: &Options,
    wrap: &str,
) -> Option<Verdict> {
    if !options.version.is_strict() || (strict.is_empty() && tree.duplicates.is_empty()) {
        return None;
    }
    let mut problems = Vec::new();
    let mut parts = Vec::new();
    if !tree.duplicates.is_empty() {
        let mut yaml = String::from("yaml: unmarshal errors:");
        for duplicate in &tree.duplicates {
            let line = format!(
                "line {}: key {} already set in map",
                duplicate.line, duplicate.shown
            );
            yaml.push_str("\n  ");
            yaml.push_str(&line);
            let mut problem = Problem::new(
                "duplicate-field",
                "",
                line,
                "the key is given twice in one mapping",
                duplicate.second,
            );
            problem.related.push(duplicate.first);
            problems.push(problem);
        }
        parts.push(yaml);
    }
    for strict in strict {
        let upstream = strict.upstream();
        parts.push(upstream.clone());
        let (code, ours) = match strict.kind {
            StrictKind::Unknown => ("unknown-field", unknown_field(strict)),
            StrictKind::Duplicate => (
                "duplicate-field",
                "the field is given twice in one object".to_owned(),
            ),
        };
        let mut problem = Problem::new(code, &strict.path, upstream, &ours, strict.span);
        problem.related.extend(strict.first);
        problems.push(problem);
    }
    let text = format!("{wrap}strict decoding error: {}", parts.join(", "));
    let mut verdict = Verdict::refused(Stage::Decode, wrap, true, problems);
    verdict.upstream = Some(text);
    Some(verdict)
}

fn unknown_field(strict: &Strict) -> String {
    let name = strict.path.rsplit('.').next().unwrap_or(&strict.path);
    match crate::suggest::closest(name, strict.known) {
        Some(near) => format!("no such field here; did you mean {near}? Case counts"),
        None if strict.known.is_empty() => "no such field here; this object has none".to_owned(),
        None => format!("no such field here; known are {}", strict.known.join(", ")),
    }
}

/// The internal form is not defaulted, and the real code follows pointers that are nil then.
fn crash(model: &Model) -> Option<Verdict> {
    let kms = model
        .entries()
        .iter()
        .flat_map(|e| e.providers())
        .filter_map(|p| p.kms.as_ref())
        .find(|k| {
            k.timeout.is_none() || (k.api_version.text.as_str() == "v1" && k.cachesize.is_none())
        })?;
    let ours = "kube-apiserver crashes here: the internal version is not defaulted; write apiVersion: apiserver.config.k8s.io/v1";
    let problem = Problem::new("upstream-panics", "", String::new(), ours, kms.span);
    let mut verdict = Verdict::refused(Stage::Panic, "", false, vec![problem]);
    verdict.upstream = None;
    Some(verdict)
}

fn judge(model: &Model, options: &Options) -> Verdict {
    // Texts of older releases were not recorded.
    let exact = options.version.is_strict();
    let problems = validate_model(
        model,
        Rules {
            reload: options.reload,
            version: options.version,
        },
    );
    if !problems.is_empty() {
        return Verdict::refused(
            Stage::Validate,
            "error while parsing file: ",
            exact,
            problems,
        );
    }
    match build(model, options) {
        Some(problem) => Verdict::refused(
            Stage::Build,
            "error while building transformers: ",
            exact,
            vec![problem],
        ),
        None => Verdict::loads(),
    }
}

const KMS_V1_OFF: &str = "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.  Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature.";

/// What fails while transformers are made, entry by entry: its providers first, then its names.
fn build(model: &Model, options: &Options) -> Option<Problem> {
    let mut rules = MaskRules::default();
    for (i, entry) in model.entries().iter().enumerate() {
        for (j, provider) in entry.providers().iter().enumerate() {
            let Some(kms) = &provider.kms else { continue };
            let field = format!("resources[{i}].providers[{j}].kms.apiVersion");
            let span = kms.api_version.span.unwrap_or(kms.key_span);
            let v1 = kms.api_version.text.as_str() == "v1" || !options.version.has_kms_v2();
            if v1 && !options.kmsv1_on() {
                let ours = if kms.version_defaulted {
                    "without apiVersion the block is KMS v1, which is off; write apiVersion: v2"
                } else {
                    "KMS v1 is off in this release"
                };
                return Some(Problem::new(
                    "kms-v1-gate",
                    &field,
                    KMS_V1_OFF.to_owned(),
                    ours,
                    span,
                ));
            }
            if !v1 && !options.version.kms_v2_on_by_default() {
                let upstream = format!(
                    "could not configure KMSv2 plugin {}, KMSv2 feature is not enabled",
                    quote(&kms.name.text)
                );
                return Some(Problem::new(
                    "kms-v2-gate",
                    &field,
                    upstream,
                    "KMS v2 is off in this release",
                    span,
                ));
            }
        }
        if !options.version.has_wildcards() {
            continue;
        }
        if let Err(masked) = rules.add(i, entry.names().iter().map(|n| n.text.as_str())) {
            return Some(masked_problem(&masked, model));
        }
    }
    None
}

fn masked_problem(masked: &Masked, model: &Model) -> Problem {
    let leaf = |entry: usize, index: usize| {
        let entry = model.entries().get(entry)?;
        Some(entry.names().get(index)?.span.unwrap_or(entry.span))
    };
    let field = format!("resources[{}].resources[{}]", masked.entry, masked.index);
    let span = leaf(masked.entry, masked.index).unwrap_or_default();
    let ours = format!(
        "{} of entry {} already takes every request for this name; put the exact name first",
        masked.by, masked.by_entry
    );
    let mut problem = Problem::new("resource-masked", &field, masked.upstream(), &ours, span);
    let by = masked.by.to_string();
    problem
        .related
        .extend(model.entries().get(masked.by_entry).and_then(|entry| {
            entry
                .names()
                .iter()
                .find(|n| crate::resource::GroupResource::parse(&n.text).to_string() == by)
                .and_then(|n| n.span)
        }));
    problem
}
