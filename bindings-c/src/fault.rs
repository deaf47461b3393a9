//! Why a call failed, inside and as the caller sees it.

use std::ffi::c_char;
use std::ptr;

use serde::Serialize;

use crate::owned::{self, Shown, Text};
use crate::requests::DekRequest;
use crate::status::Status;

/// Why a call failed. The caller reads it and frees it with `k8senc_error_free`; all pointers live that long, and none of
/// the texts ever holds a secret. Fields may be added at the end.
#[repr(C)]
pub struct Error {
    /// The same number that the function returned.
    pub status: Status,
    /// Stable name of the reason, such as `authentication` or `key-secret-length`. Ends with a NUL, as all texts here.
    pub code: *const c_char,
    /// What was found and what was needed: one clause.
    pub text: *const c_char,
    /// Its length without the NUL.
    pub text_len: usize,
    /// What kube-apiserver says in this place; NULL where it says nothing comparable.
    pub upstream: *const c_char,
    /// Its length without the NUL.
    pub upstream_len: usize,
    /// Details as JSON, where the function says so; NULL otherwise.
    pub json: *const c_char,
    /// Its length without the NUL.
    pub json_len: usize,
    /// What to ask the KMS, with `K8SENC_STATUS_DEK_NEEDED` only; NULL otherwise.
    pub request: *const DekRequest,
}

/// What [`Error`] points into.
pub(crate) struct Texts {
    _code: Text,
    _text: Text,
    _upstream: Option<Text>,
    _json: Option<Text>,
    _request: Vec<Shown<DekRequest, crate::requests::Parts>>,
}

/// Why a call failed.
pub(crate) enum Fault {
    /// The call itself is wrong.
    Call(Status, String),
    /// One of core's errors.
    Core(k8senc::Error),
    /// Several of core's errors, of which the first gives the status.
    Faults(Vec<k8senc::Error>),
    /// A question for the KMS.
    Needs(Box<k8senc::kms::DekRequest>),
    /// Something with a code of its own.
    Other {
        status: Status,
        code: &'static str,
        text: String,
        upstream: Option<String>,
        json: Option<String>,
    },
}

impl From<k8senc::Error> for Fault {
    fn from(error: k8senc::Error) -> Self {
        Self::Core(error)
    }
}

/// One of core's errors in a JSON list.
#[derive(Serialize)]
pub(crate) struct ErrorJson {
    status: i32,
    code: &'static str,
    text: String,
    upstream: Option<String>,
}

impl From<&k8senc::Error> for ErrorJson {
    fn from(error: &k8senc::Error) -> Self {
        Self {
            status: Status::of(error) as i32,
            code: error.code(),
            text: error.to_string(),
            upstream: error.upstream(),
        }
    }
}

impl Fault {
    pub(crate) fn call(status: Status, text: impl Into<String>) -> Self {
        Self::Call(status, text.into())
    }

    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self::Call(Status::BadArgument, text.into())
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Call(status, _) | Self::Other { status, .. } => *status,
            Self::Core(error) => Status::of(error),
            Self::Faults(errors) => errors.first().map_or(Status::Unlisted, Status::of),
            Self::Needs(_) => Status::DekNeeded,
        }
    }

    pub(crate) fn into_error(self) -> *mut Error {
        let status = self.status();
        let mut request = Vec::new();
        let (code, text, upstream, json) = match self {
            Self::Call(status, text) => (status.call_code(), text, None, None),
            Self::Core(error) => (error.code(), error.to_string(), error.upstream(), None),
            Self::Faults(errors) => {
                let listed: Vec<ErrorJson> = errors.iter().map(ErrorJson::from).collect();
                let first = errors.first();
                (
                    first.map_or("several", k8senc::Error::code),
                    first.map(ToString::to_string).unwrap_or_default(),
                    first.and_then(k8senc::Error::upstream),
                    serde_json::to_string(&listed).ok(),
                )
            }
            Self::Needs(needed) => {
                let text = format!(
                    "the value needs an answer of KMS provider {:?}",
                    needed.provider
                );
                request.push(DekRequest::shown(*needed, (0, 0)));
                (Status::DekNeeded.call_code(), text, None, None)
            }
            Self::Other {
                code,
                text,
                upstream,
                json,
                ..
            } => (code, text, upstream, json),
        };
        let (code, text) = (Text::new(code), Text::new(&text));
        let (upstream, json) = (
            upstream.as_deref().map(Text::new),
            json.as_deref().map(Text::new),
        );
        let pointer = |text: &Option<Text>| text.as_ref().map_or(ptr::null(), Text::pointer);
        let length = |text: &Option<Text>| text.as_ref().map_or(0, Text::len);
        let view = Error {
            status,
            code: code.pointer(),
            text: text.pointer(),
            text_len: text.len(),
            upstream: pointer(&upstream),
            upstream_len: length(&upstream),
            json: pointer(&json),
            json_len: length(&json),
            request: request.first().map_or(ptr::null(), |r| &raw const r.view),
        };
        owned::give(Shown {
            view,
            parts: Texts {
                _code: code,
                _text: text,
                _upstream: upstream,
                _json: json,
                _request: request,
            },
        })
    }
}

/// The argument, or [`Status::NullPointer`].
pub(crate) fn need<T>(argument: Option<T>, name: &str) -> Result<T, Fault> {
    argument.ok_or_else(|| Fault::call(Status::NullPointer, format!("{name} is NULL")))
}
