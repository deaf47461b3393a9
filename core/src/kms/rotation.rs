//! What kube-apiserver says when it could not get a new seed.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
};
use core::time::Duration;

use super::time::rfc3339;
use crate::{Error, text::quote};

/// Why a seed was not replaced; the old one, if any, stays in use until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationFailure {
    /// The uid that went with Encrypt.
    pub uid: String,
    /// Whether a seed was to be had, or in key form a DEK.
    pub uses_seed: bool,
    /// What was wrong with Encrypt or its answer; `None` if only the key_ids of Status and Encrypt differ.
    pub cause: Option<Box<Error>>,
    /// [Hash](super::contract::key_id_hash) of the key_id that Status reported.
    pub status_key_id: String,
    /// Hash of the key_id that Encrypt answered; empty if its answer was of no use.
    pub encrypt_key_id: String,
    /// Hash of the key_id still in use; empty without one.
    pub state_key_id: String,
    /// When the seed still in use expires, since the Unix epoch; `None` without one.
    pub expires: Option<Duration>,
}

impl RotationFailure {
    /// kube-apiserver's text.
    pub(crate) fn upstream(&self) -> String {
        let nil = || String::from("<nil>");
        let state = match self.expires {
            Some(_) => nil(),
            None => Error::KmsNeverHealthy.upstream().unwrap_or_else(nil),
        };
        let cause = self
            .cause
            .as_ref()
            .map_or_else(nil, |e| e.upstream().unwrap_or_else(|| e.to_string()));
        // Go's zero time.
        let expires = self
            .expires
            .map_or_else(|| "0001-01-01T00:00:00Z".into(), rfc3339);
        format!(
            "failed to rotate DEK uid={}, useSeed={}, errState={state}, errGen={cause}, statusKeyIDHash={}, \
             encryptKeyIDHash={}, stateKeyIDHash={}, expirationTimestamp={expires}",
            quote(&self.uid),
            self.uses_seed,
            quote(&self.status_key_id),
            quote(&self.encrypt_key_id),
            quote(&self.state_key_id),
        )
    }
}
