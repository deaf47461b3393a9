//! Verdicts on many values in one call, without the GIL and without a plaintext.

use k8senc::chain::{How, Outcome, Staleness};
use k8senc::kms::DekRequest;
use k8senc::secret::Plaintext;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyTuple;

use crate::chain::{Chain, Known};
use crate::input::Text;
use crate::kms;

/// Values between two looks for an interrupt.
const CHUNK: usize = 4096;

/// What kube-apiserver would say of one value.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Judged {
    /// Whether it opens.
    opens: bool,
    /// Whether it would be rewritten; `None` if it does not open or nobody knows.
    stale: Option<bool>,
    reasons: Py<PyTuple>,
    provider: Option<&'static str>,
    key: Option<String>,
    authenticated: bool,
    /// Bytes of the plaintext.
    length: Option<usize>,
    code: Option<&'static str>,
    message: Option<String>,
    upstream: Option<String>,
}

#[pymethods]
impl Judged {
    fn __repr__(&self) -> String {
        match self.code {
            Some(code) => format!("Judged({code})"),
            None => format!(
                "Judged({}, {} bytes)",
                self.provider.unwrap_or("identity"),
                self.length.unwrap_or(0)
            ),
        }
    }
}

/// One value, still without Python.
enum Found {
    Opens(How, usize),
    Fails(k8senc::Error),
    Needs(DekRequest),
}

/// Judges all values; each distinct DEK is asked for once. What a plugin refuses now it may do at the next call.
pub fn judge_many(
    py: Python<'_>,
    chain: &Chain,
    values: &[(Text, PyBackedBytes)],
) -> PyResult<Vec<Judged>> {
    let mut found: Vec<Option<Found>> = values.iter().map(|_| None).collect();
    let mut refused = Vec::new();
    let result = rounds(py, chain, values, &mut found, &mut refused);
    py.detach(|| {
        if !refused.is_empty() {
            let mut known = chain.learn();
            refused.iter().for_each(|it| known.table.forget(it));
        }
    });
    result?;
    found
        .into_iter()
        .map(|found| judged(py, chain, found))
        .collect()
}

fn rounds(
    py: Python<'_>,
    chain: &Chain,
    values: &[(Text, PyBackedBytes)],
    found: &mut [Option<Found>],
    refused: &mut Vec<DekRequest>,
) -> PyResult<()> {
    // A value asks each KMS provider of the chain at most once.
    for _ in 0..=chain.core().len() {
        for (values, found) in values.chunks(CHUNK).zip(found.chunks_mut(CHUNK)) {
            py.check_signals()?;
            py.detach(|| look(chain, &chain.known(), values, found));
        }
        let mut asked: Vec<&DekRequest> = found
            .iter()
            .filter_map(|found| match found {
                Some(Found::Needs(request)) => Some(request),
                _ => None,
            })
            .collect();
        asked.sort_unstable();
        asked.dedup();
        let mut learned = false;
        for request in asked {
            let Some(plugin) = chain.plugin(&request.provider) else {
                continue;
            };
            py.check_signals()?;
            learned = true;
            match kms::unwrap(py, plugin.bind(py), request)? {
                Ok(dek) => py.detach(|| chain.learn().table.supply(request, dek)),
                Err(reason) => {
                    py.detach(|| chain.learn().table.refuse(request, reason));
                    refused.push(request.clone());
                }
            }
        }
        if !learned {
            return Ok(());
        }
    }
    Ok(())
}

fn look(
    chain: &Chain,
    known: &Known,
    values: &[(Text, PyBackedBytes)],
    found: &mut [Option<Found>],
) {
    let mut scratch = Plaintext::new();
    for ((etcd_key, stored), found) in values.iter().zip(found) {
        if !matches!(found, None | Some(Found::Needs(_))) {
            continue;
        }
        let opened = chain
            .core()
            .open_in(stored, etcd_key.bytes(), &known.table, &mut scratch);
        *found = Some(match opened {
            Ok(Outcome::Opened(how)) => Found::Opens(how, scratch.len()),
            Ok(Outcome::Needs(request)) => Found::Needs(request),
            Err(error) => Found::Fails(error),
        });
    }
}

fn judged(py: Python<'_>, chain: &Chain, found: Option<Found>) -> PyResult<Judged> {
    let mut out = Judged {
        opens: false,
        stale: None,
        reasons: PyTuple::empty(py).unbind(),
        provider: None,
        key: None,
        authenticated: false,
        length: None,
        code: None,
        message: None,
        upstream: None,
    };
    match found {
        Some(Found::Opens(how, length)) => {
            let told = chain.tell(&how);
            out.opens = true;
            out.stale = how.stale.as_bool();
            if let Staleness::Stale(reasons) = &how.stale {
                out.reasons = PyTuple::new(py, reasons.codes().collect::<Vec<_>>())?.unbind();
            }
            out.provider = Some(told.provider);
            out.key = told.key;
            out.authenticated = told.authenticated;
            out.length = Some(length);
        }
        Some(Found::Fails(error)) => {
            out.code = Some(error.code());
            out.message = Some(error.to_string());
            out.upstream = error.upstream();
        }
        Some(Found::Needs(request)) => {
            out.code = Some("dek-needed");
            let name = request.provider;
            out.message = Some(format!(
                "the value needs an answer of KMS provider {name:?}, for which no kms object was given"
            ));
        }
        None => {}
    }
    Ok(out)
}
