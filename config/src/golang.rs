//! Go's own printing and number rules, where kube-apiserver's texts and verdicts depend on them.

mod base64;
mod duration;
mod ip;
mod number;
mod text;
mod url;

pub(crate) use base64::{decode as base64_decode, encode as base64_encode};
pub(crate) use duration::Duration;
pub(crate) use k8senc::text::quote;
pub(crate) use number::{Number, go_float, json_float, json_int32, key_float, resolve_number};
pub(crate) use text::{fold_equal, has_capital, json_string, quote_byte, quote_bytes};
pub(crate) use url::parse as parse_url;
