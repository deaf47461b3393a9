//! Findings, rules and lines of a file that are fit to be shown, as Python objects.

use k8senc_config::{Lines, Snippet, Span};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::input::Text;

/// A line of a file in three parts. Whatever could be a key is masked, and control characters are escaped.
#[pyclass(name = "Snippet", module = "k8senc", frozen, get_all)]
pub struct Shown {
    before: String,
    marked: String,
    after: String,
}

/// The line of a place, if it lies in the text.
pub fn snippet(py: Python<'_>, lines: &Lines<'_>, span: Span) -> PyResult<Option<Py<Shown>>> {
    Snippet::new(lines, span)
        .map(|s| {
            Py::new(
                py,
                Shown {
                    before: s.before,
                    marked: s.marked,
                    after: s.after,
                },
            )
        })
        .transpose()
}

/// A line of any origin, fit to be shown.
#[pyfunction]
pub fn mask(line: &str) -> String {
    let lines = Lines::new(line);
    Snippet::new(&lines, Span::default())
        .map(|s| s.before + &s.marked + &s.after)
        .unwrap_or_default()
}

/// A change that cures a finding.
#[pyclass(module = "k8senc", frozen)]
pub struct Fix {
    fix: k8senc_config::Fix,
}

#[pymethods]
impl Fix {
    /// What it does.
    #[getter]
    fn title(&self) -> &str {
        &self.fix.title
    }

    /// Whether it may be applied without asking.
    #[getter]
    fn safe(&self) -> bool {
        self.fix.safety == k8senc_config::Safety::Safe
    }

    /// The text with this change made. One change at a time: lint the result again.
    fn apply(&self, text: &str) -> PyResult<String> {
        let applied = self.fix.apply(text);
        applied.ok_or_else(|| {
            crate::errors::usage("fix", "the change does not fit this text".to_owned())
        })
    }

    fn __repr__(&self) -> String {
        format!("Fix({})", self.fix.title)
    }
}

/// One finding in one file. It holds no secret.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Finding {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    message: String,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    snippet: Option<Py<Shown>>,
    related: Py<PyTuple>,
    upstream: Option<String>,
    fix: Option<Py<Fix>>,
}

#[pymethods]
impl Finding {
    fn __repr__(&self) -> String {
        format!("Finding({} {})", self.code, self.name)
    }
}

/// Findings on a text. Without a place when the text is no UTF-8.
pub fn findings<'py>(
    py: Python<'py>,
    text: &[u8],
    found: Vec<k8senc_config::Finding>,
) -> PyResult<Bound<'py, PyTuple>> {
    let lines = core::str::from_utf8(text).ok().map(Lines::new);
    let made = found.into_iter().map(|f| {
        let place = |at| lines.as_ref().map(|l| l.position(at));
        let (start, end) = (place(f.span.start), place(f.span.end));
        let related = f.related.iter().filter_map(|(span, text)| {
            let at = place(span.start)?;
            Some((at.line, at.column, text.clone()))
        });
        let shown = lines.as_ref().map(|l| snippet(py, l, f.span)).transpose()?;
        let finding = Finding {
            code: f.code,
            name: f.name,
            severity: f.severity.name(),
            line: start.map(|p| p.line),
            column: start.map(|p| p.column),
            end_line: end.map(|p| p.line),
            end_column: end.map(|p| p.column),
            snippet: shown.flatten(),
            related: PyTuple::new(py, related.collect::<Vec<_>>())?.unbind(),
            upstream: f.upstream,
            fix: f.fix.map(|fix| Py::new(py, Fix { fix })).transpose()?,
            message: f.message,
        };
        Py::new(py, finding)
    });
    PyTuple::new(py, made.collect::<PyResult<Vec<_>>>()?)
}

/// A rule of the linter, with what there is to say of it.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Rule {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    fixable: bool,
    finds: &'static str,
    why: &'static str,
    fix: &'static str,
    upstream: &'static str,
    source: &'static str,
}

/// All rules, by code.
#[pyfunction]
pub fn rules(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let made = k8senc_config::rules().iter().map(|r| Rule {
        code: r.code,
        name: r.name,
        severity: r.severity.name(),
        fixable: r.fixable,
        finds: r.finds,
        why: r.why,
        fix: r.fix,
        upstream: r.upstream,
        source: r.source,
    });
    PyTuple::new(py, made.collect::<Vec<_>>())
}

/// What to do about a text of kube-apiserver's log.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Advice {
    text: &'static str,
    cause: &'static str,
    check: &'static str,
    cure: &'static str,
}

impl From<&'static k8senc_config::ErrorAdvice> for Advice {
    fn from(a: &'static k8senc_config::ErrorAdvice) -> Self {
        Self {
            text: a.text,
            cause: a.cause,
            check: a.check,
            cure: a.cure,
        }
    }
}

/// The advice for a line of kube-apiserver's log, the most specific first.
#[pyfunction]
pub fn explain_error<'py>(py: Python<'py>, line: Text) -> PyResult<Bound<'py, PyTuple>> {
    let line = String::from_utf8_lossy(line.bytes());
    let found = k8senc_config::explain_error(&line).into_iter();
    PyTuple::new(py, found.map(Advice::from).collect::<Vec<_>>())
}

/// Every text of kube-apiserver that has advice.
#[pyfunction]
pub fn error_texts(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let all = k8senc_config::error_texts().map(Advice::from);
    PyTuple::new(py, all.collect::<Vec<_>>())
}

/// Codes of errors: code, meaning, and advice if there is some.
#[pyfunction]
pub fn error_codes(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let all = k8senc_config::ERROR_CODES
        .iter()
        .map(|c| (c.code, c.meaning, c.advice().map(Advice::from)));
    PyTuple::new(py, all.collect::<Vec<_>>())
}

/// Codes of hazards of a change: code, what is found, why it matters, what to do.
#[pyfunction]
pub fn hazard_codes(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let all = k8senc_config::HAZARD_CODES
        .iter()
        .map(|h| (h.code, h.finds, h.why, h.fix));
    PyTuple::new(py, all.collect::<Vec<_>>())
}
