//! The rules for annotations: keys are fully qualified domain names, and their total size is bounded.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use super::MAX_ANNOTATIONS;
use crate::{Error, text::quote};

const NAME_TOO_LONG: &str = "must be no more than 253 characters";
const NOT_A_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

pub(super) fn check(annotations: &BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
    let mut texts: Vec<String> = Vec::new();
    let mut total = 0usize;
    for (key, value) in annotations {
        total = total.saturating_add(key.len()).saturating_add(value.len());
        if let Some(text) = fault(key).filter(|text| !texts.contains(text)) {
            texts.push(text);
        }
    }
    if total > MAX_ANNOTATIONS {
        texts.push(format!(
            "total size of annotations is {total}, which exceeds the max size of {MAX_ANNOTATIONS}"
        ));
    }
    if texts.is_empty() {
        Ok(())
    } else {
        Err(Error::KmsV2Annotations(texts))
    }
}

/// kube-apiserver's `IsFullyQualifiedDomainName`: its text for the first rule that `key` breaks.
fn fault(key: &str) -> Option<String> {
    let invalid = |value: &str, text: &str| {
        Some(format!(
            "annotations: Invalid value: {}: {text}",
            quote(value)
        ))
    };
    if key.is_empty() {
        return Some("annotations: Required value".into());
    }
    let name = key.strip_suffix('.').unwrap_or(key);
    let too_long = name.len() > 253;
    let bad_shape = !name.split('.').all(is_label);
    match (too_long, bad_shape) {
        (true, true) => return invalid(name, &format!("{NAME_TOO_LONG},{NOT_A_SUBDOMAIN}")),
        (true, false) => return invalid(name, NAME_TOO_LONG),
        (false, true) => return invalid(name, NOT_A_SUBDOMAIN),
        (false, false) => {}
    }
    if !name.contains('.') {
        return invalid(
            name,
            "should be a domain with at least two segments separated by dots",
        );
    }
    let label = name.split('.').find(|label| label.len() > 63)?;
    invalid(label, "must be no more than 63 characters")
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(alnum)
        && bytes.last().is_some_and(alnum)
        && bytes.iter().all(|b| alnum(b) || *b == b'-')
}
