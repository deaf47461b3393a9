//! What is thrown: JSON text with the class of the error, its code, our words and kube-apiserver's.

use serde::Serialize;
use wasm_bindgen::JsValue;

use crate::{answer::json, verdict::VerdictAnswer};

/// An error on its way to JavaScript.
#[derive(Debug, Serialize)]
pub struct Failure {
    class: &'static str,
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Box<VerdictAnswer>>,
}

impl Failure {
    fn new(class: &'static str, code: &str, message: String) -> Self {
        Self {
            class,
            code: code.to_owned(),
            message,
            upstream: None,
            verdict: None,
        }
    }

    /// A call that asks for something that does not exist.
    pub fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new("UsageError", code, message.into())
    }

    /// A value that is not what the call needs.
    pub fn value(code: &str, message: String) -> Self {
        Self::new("StoredValueError", code, message)
    }

    /// A configuration that is refused.
    pub fn config(text: &[u8], error: &k8senc_config::ConfigError) -> Self {
        let verdict = VerdictAnswer::new(text, &error.verdict);
        let code = error.verdict.problems.first().map_or("config", |p| p.code);
        Self {
            upstream: error.verdict.upstream.clone(),
            verdict: Some(Box::new(verdict)),
            ..Self::new("ConfigError", code, error.to_string())
        }
    }

    /// A snapshot that cannot be read.
    #[cfg(feature = "snapshot")]
    pub fn snapshot(error: &k8senc_audit::AuditError) -> Self {
        Self::new("SnapshotError", error.code(), error.to_string())
    }
}

impl From<k8senc::Error> for Failure {
    fn from(error: k8senc::Error) -> Self {
        Self {
            upstream: error.upstream(),
            ..Self::new("StoredValueError", error.code(), error.to_string())
        }
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        Self::from_str(&json(&failure))
    }
}
