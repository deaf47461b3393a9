//! Why a value does not open, found by trying: every key under every name the value may carry.

use k8s_object::{EtcdName, looks_like_object, metadata};
use k8senc::chain::{Chain, How, NamedKey, Outcome, ProviderSpec};
use k8senc::crypto::Backend;
use k8senc::inspect::{Format, Inspection};
use k8senc::kms::DekTable;
use k8senc::secret::{Plaintext, SecretBytes};
use k8senc_config::{Config, Provider};
use serde::Serialize;

use crate::encodings::variants;
pub use crate::encodings::{SIZES, decode, unhex};
use crate::escape;

/// What would have opened a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hint {
    /// `right-key-other-name`, `key-encoded-otherwise`, `other-etcd-key`, `trailing-newline`, `given-key` or `truncated`.
    pub code: &'static str,
    /// The same in a sentence.
    pub text: String,
}

/// A key to try, and where it is from.
#[derive(Debug)]
pub struct Trial {
    /// `aescbc key "key1"`, or what the caller called it.
    pub from: String,
    /// Whether it was given without a configuration.
    pub loose: bool,
    /// The key itself.
    pub secret: SecretBytes,
}

/// Every local key of a configuration.
#[must_use]
pub fn keys_of(config: &Config) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (rule, providers) in config.rules() {
        for provider in providers {
            let (Provider::Aescbc(keys) | Provider::Aesgcm(keys) | Provider::Secretbox(keys)) =
                provider
            else {
                continue;
            };
            for key in keys {
                let from = format!(
                    "{} key {:?} of {}",
                    provider.kind(),
                    escape(key.name.as_bytes()),
                    escape(rule.to_string().as_bytes())
                );
                trials.push(Trial {
                    from,
                    loose: false,
                    secret: SecretBytes::from_slice(key.secret()),
                });
            }
        }
    }
    trials
}

/// A form of the value to try: its bytes, its etcd key, and what is said if it opens.
type Shape<'v> = (&'v [u8], Vec<u8>, Option<(&'static str, String)>);

/// The etcd prefixes that a value may have been bound to before a restore under another one.
const PREFIXES: [&str; 3] = ["/registry", "/kubernetes.io", "/openshift.io"];

/// Tries everything on one value; what opens it is left in `scratch`.
#[must_use]
pub fn near_miss(
    stored: &[u8],
    etcd_key: &[u8],
    object: Option<&EtcdName<'_>>,
    trials: &[Trial],
    backend: &'static dyn Backend,
    scratch: &mut Plaintext,
) -> Option<(Hint, How)> {
    let mut shapes: Vec<Shape<'_>> = vec![(stored, etcd_key.to_vec(), None)];
    if let [cut @ .., b'\n'] = stored {
        let text = "the value has a line end too many: it was printed, not copied byte for byte"
            .to_owned();
        shapes.push((cut, etcd_key.to_vec(), Some(("trailing-newline", text))));
    }
    for (from, to) in PREFIXES
        .iter()
        .flat_map(|from| PREFIXES.map(|to| (*from, to)))
    {
        if let Some(rest) = etcd_key
            .strip_prefix(from.as_bytes())
            .filter(|_| from != to)
        {
            let text = format!(
                "the value is bound to an etcd key below {to}, not {from}: it was moved by a restore or a copy"
            );
            shapes.push((
                stored,
                [to.as_bytes(), rest].concat(),
                Some(("other-etcd-key", text)),
            ));
        }
    }
    for (bytes, key, shape) in &shapes {
        for trial in trials {
            for (secret, how_encoded) in variants(trial.secret.expose()) {
                for name in Inspection::candidates(bytes) {
                    let Some(how) = opens(bytes, key, name, &secret, backend, scratch) else {
                        continue;
                    };
                    if how.unauthenticated && !is_object_at(scratch, object) {
                        continue;
                    }
                    return Some((hint(trial, name, shape.as_ref(), how_encoded), how));
                }
            }
        }
    }
    None
}

fn hint(
    trial: &Trial,
    name: &[u8],
    shape: Option<&(&'static str, String)>,
    how_encoded: Option<&str>,
) -> Hint {
    let shown = escape(name);
    let from = &trial.from;
    if let Some((code, text)) = shape {
        return Hint {
            code,
            text: format!("{text}; {from} opens it"),
        };
    }
    match how_encoded {
        Some(text) => Hint {
            code: "key-encoded-otherwise",
            text: format!("{from}: {text}"),
        },
        None if trial.loose => Hint {
            code: "given-key",
            text: format!("{from} opens it; the value names its key {shown:?}"),
        },
        None => Hint {
            code: "right-key-other-name",
            text: format!(
                "{from} opens it, but the value says {shown:?}: add the same secret under that name to the rule of this resource"
            ),
        },
    }
}

/// Opens the value as if the configuration held one provider of its format, with this name and key.
fn opens(
    stored: &[u8],
    etcd_key: &[u8],
    name: &[u8],
    secret: &SecretBytes,
    backend: &'static dyn Backend,
    scratch: &mut Plaintext,
) -> Option<How> {
    let name = core::str::from_utf8(name).ok()?.to_owned();
    let key = || {
        vec![NamedKey {
            name: name.clone(),
            secret: SecretBytes::from_slice(secret.expose()),
        }]
    };
    let (spec, kms) = match Format::of(stored).0 {
        Format::AesCbc => (ProviderSpec::AesCbc(key()), false),
        Format::AesGcm => (ProviderSpec::AesGcm(key()), false),
        Format::Secretbox => (ProviderSpec::Secretbox(key()), false),
        Format::KmsV1 => (ProviderSpec::KmsV1 { name }, true),
        Format::KmsV2 => (ProviderSpec::KmsV2 { name }, true),
        _ => return None,
    };
    let chain = Chain::new(vec![spec], backend).ok()?;
    let mut deks = DekTable::with_backend(backend);
    if kms {
        // The key as the DEK or seed itself.
        for request in chain.requests(stored) {
            deks.supply(&request, SecretBytes::from_slice(secret.expose()));
        }
    }
    match chain.open_in(stored, etcd_key, &deks, scratch) {
        Ok(Outcome::Opened(how)) => Some(how),
        _ => None,
    }
}

/// Whether an unauthenticated plaintext is the object of its etcd key: chance makes no such thing.
fn is_object_at(scratch: &Plaintext, object: Option<&EtcdName<'_>>) -> bool {
    scratch.judge(|plain| {
        looks_like_object(plain)
            && object.is_none_or(|name| metadata(plain).is_none_or(|meta| name.may_hold(&meta)))
    })
}

/// What the lengths alone say.
#[must_use]
pub fn truncated(code: &str, stored: &[u8]) -> Option<Hint> {
    let text = match code {
        "not-block-aligned" => {
            "its length is no multiple of the cipher's block: bytes are missing at its end or beginning"
        }
        "stored-too-short" => "it is shorter than its own header: bytes are missing",
        "kmsv2-malformed" => "its protobuf message does not add up: bytes are missing or changed",
        _ => return None,
    };
    Some(Hint {
        code: "truncated",
        text: format!("{text} ({} bytes)", stored.len()),
    })
}
