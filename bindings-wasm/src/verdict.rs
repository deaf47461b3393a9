//! What kube-apiserver says of a configuration.

use k8senc_config::{Span, Verdict};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::{Places, Range, json};
use crate::failure::Failure;
use crate::options::{ServerOptions, read};

/// A verdict as it is answered.
#[derive(Debug, Serialize)]
pub struct VerdictAnswer {
    ok: bool,
    stage: Option<&'static str>,
    upstream: Option<String>,
    exact: bool,
    redacted: bool,
    problems: Vec<ProblemAnswer>,
}

#[derive(Debug, Serialize)]
struct ProblemAnswer {
    code: &'static str,
    field: String,
    message: String,
    upstream: String,
    redacted: bool,
    range: Option<Range>,
    related: Vec<Range>,
}

impl VerdictAnswer {
    /// Copies a verdict on `text`.
    pub fn new(text: &[u8], verdict: &Verdict) -> Self {
        Self::placed(text, verdict, |span| span)
    }

    /// Copies a verdict whose spans `outer` finds in `text`.
    pub fn placed(text: &[u8], verdict: &Verdict, outer: impl Fn(Span) -> Span) -> Self {
        let places = Places::new(text);
        let problems = verdict.problems.iter().map(|problem| ProblemAnswer {
            code: problem.code,
            field: problem.field.clone(),
            message: problem.ours.clone(),
            upstream: problem.upstream.clone(),
            redacted: problem.redacted,
            range: places.range(outer(problem.span)),
            related: problem
                .related
                .iter()
                .filter_map(|span| places.range(outer(*span)))
                .collect(),
        });
        Self {
            ok: verdict.ok,
            stage: verdict.stage.map(|stage| stage.name()),
            upstream: verdict.upstream.clone(),
            exact: verdict.exact,
            redacted: verdict.redacted,
            problems: problems.collect(),
        }
    }
}

/// What a kube-apiserver of the given release says of the file's text.
///
/// # Errors
/// Options that do not exist.
#[wasm_bindgen]
pub fn validate(text: Vec<u8>, options: &str) -> Result<String, Failure> {
    let options = read::<ServerOptions>(options)?.server()?;
    let verdict = k8senc_config::validate(&text, &options);
    Ok(json(&VerdictAnswer::new(&text, &verdict)))
}
