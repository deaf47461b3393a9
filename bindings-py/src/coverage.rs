//! Which chain each resource gets, what an outage does to it, and how two configurations differ.

use k8senc_config::{Moment, NamedKey, Outcome, Provider, Version};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::config::Config;
use crate::verdict::release;

/// One resource of a release and its chain.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Coverage {
    resource: String,
    reason: &'static str,
    rule: Option<String>,
    providers: Vec<String>,
    encrypted: bool,
}

/// A provider in a few words: kind and names.
fn describe(provider: &Provider) -> String {
    let keys = |keys: &[NamedKey]| {
        let names: Vec<&str> = keys.iter().map(|k| k.name.as_str()).collect();
        format!("{} {}", provider.kind(), names.join(", "))
    };
    match provider {
        Provider::Aescbc(list) | Provider::Aesgcm(list) | Provider::Secretbox(list) => keys(list),
        Provider::Kms(block) => {
            let version = match block.version {
                k8senc_config::KmsVersion::V1 => "v1",
                k8senc_config::KmsVersion::V2 => "v2",
            };
            format!("kms {version} {}", block.name)
        }
        _ => provider.kind().to_owned(),
    }
}

/// Every built-in resource of a release with the chain that it gets.
#[pyfunction]
#[pyo3(signature = (config, *, version = None))]
pub fn coverage<'py>(
    py: Python<'py>,
    config: &Bound<'py, Config>,
    version: Option<&str>,
) -> PyResult<Bound<'py, PyTuple>> {
    let version = version.map_or(Ok(Version::LATEST), release)?;
    let config = &config.get().0;
    let made = config.coverage(version).map(|c| {
        let resource = c.resource.resource.to_owned();
        let group = c.resource.group;
        let mut providers: Vec<String> = c.found.providers.iter().map(|p| describe(p)).collect();
        if providers.is_empty() {
            providers.push("identity".to_owned());
        }
        Coverage {
            resource: if group.is_empty() {
                resource
            } else {
                format!("{resource}.{group}")
            },
            reason: c.found.reason.text(),
            rule: c.found.rule.as_ref().map(ToString::to_string),
            providers,
            encrypted: c.encrypts(),
        }
    });
    PyTuple::new(py, made.collect::<Vec<_>>())
}

/// The names in a configuration that match no resource of a release, each with what was probably meant.
#[pyfunction]
#[pyo3(signature = (config, *, version = None))]
pub fn unreached(
    config: &Bound<'_, Config>,
    version: Option<&str>,
) -> PyResult<Vec<(String, Option<String>)>> {
    let version = version.map_or(Ok(Version::LATEST), release)?;
    let found = config.get().0.unreached(version).into_iter();
    Ok(found.map(|u| (u.name, u.meant)).collect())
}

/// What requests under one rule do while one KMS is down.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct FailureMode {
    rule: String,
    kms: String,
    moment: &'static str,
    writes: &'static str,
    known_reads: &'static str,
    other_reads: &'static str,
}

const fn moment(moment: Moment) -> &'static str {
    match moment {
        Moment::OneMinute => "1-minute",
        Moment::FourMinutes => "4-minutes",
        Moment::Reload => "reload",
        Moment::Restart => "restart",
    }
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Works => "works",
        Outcome::ForThreeMinutes => "for-3-minutes",
        Outcome::Fails => "fails",
    }
}

/// What reads and writes of each rule do while each of its KMS plugins is down.
#[pyfunction]
pub fn failure_modes<'py>(
    py: Python<'py>,
    config: &Bound<'py, Config>,
) -> PyResult<Bound<'py, PyTuple>> {
    let made = config
        .get()
        .0
        .failure_modes()
        .into_iter()
        .map(|m| FailureMode {
            rule: m.rule.to_string(),
            kms: m.kms,
            moment: moment(m.moment),
            writes: outcome(m.writes),
            known_reads: outcome(m.known_reads),
            other_reads: outcome(m.other_reads),
        });
    PyTuple::new(py, made.collect::<Vec<_>>())
}

/// What the newer configuration does differently, one line each; empty when both do the same.
#[pyfunction]
pub fn changes(older: &Bound<'_, Config>, newer: &Bound<'_, Config>) -> Vec<String> {
    let found = older.get().0.changes(&newer.get().0);
    found.iter().map(ToString::to_string).collect()
}

/// A local key, told by what can be shared.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct KeyMark {
    provider: &'static str,
    name: String,
    bits: usize,
    fingerprint: Option<String>,
    resources: Vec<String>,
}

/// The local keys in file order. A key that could be guessed has no fingerprint: it would confirm the guess.
#[pyfunction]
pub fn key_marks<'py>(
    py: Python<'py>,
    config: &Bound<'py, Config>,
) -> PyResult<Bound<'py, PyTuple>> {
    let mut made = Vec::new();
    for entry in config.get().0.entries() {
        let resources: Vec<String> = entry.resources.iter().map(ToString::to_string).collect();
        for provider in &entry.providers {
            let (Provider::Aescbc(keys) | Provider::Aesgcm(keys) | Provider::Secretbox(keys)) =
                provider
            else {
                continue;
            };
            made.extend(keys.iter().map(|key| KeyMark {
                provider: provider.kind(),
                name: key.name.clone(),
                bits: key.secret().len() * 8,
                fingerprint: key.fingerprint().map(|f| f.to_string()),
                resources: resources.clone(),
            }));
        }
    }
    PyTuple::new(py, made)
}
