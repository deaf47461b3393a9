//! What a KMS v2 provider writes with: the seed or DEK, and what stands beside the data in every value.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::EncryptAnswer;
use crate::{
    Error,
    crypto::{Backend, Expander, Gcm},
    secret::{Filling, SecretBytes},
    wire::{
        aesgcm,
        kmsv2::{self, EncryptedObject, SourceType},
    },
};

/// What a KMS v2 provider writes with, as kube-apiserver holds it between two rotations.
///
/// It is valid by construction: what the plugin answered has passed [`EncryptAnswer::check`].
pub struct WriteSource {
    form: Form,
    answer: EncryptAnswer,
    /// All of the message behind the encrypted data, which is its first field.
    tail: Vec<u8>,
}

enum Form {
    Seed(Box<dyn Expander>),
    Key { cipher: Box<dyn Gcm>, counter: u64 },
}

impl WriteSource {
    /// Seed form, as kube-apiserver writes since 1.29. It draws seeds of 32 bytes and reads longer ones.
    ///
    /// # Errors
    /// [`Error::SeedTooShort`] under 32 bytes, and those of [`EncryptAnswer::check`].
    pub fn seed(
        backend: &dyn Backend,
        seed: &SecretBytes,
        answer: EncryptAnswer,
    ) -> Result<Self, Error> {
        if seed.len() < 32 {
            return Err(Error::SeedTooShort { got: seed.len() });
        }
        Self::new(Form::Seed(backend.expander(seed.expose())), answer)
    }

    /// Key form, as 1.27 and 1.28 wrote by default: `counter` is the last one used,
    /// [`COUNTER_START`](kmsv2::COUNTER_START) for a fresh DEK.
    ///
    /// A DEK must be written with in one place only, and by a counter that never goes back: a nonce used twice gives
    /// away both plaintexts.
    ///
    /// # Errors
    /// [`Error::DekSize`] unless the DEK is 16, 24 or 32 bytes, and those of [`EncryptAnswer::check`].
    pub fn key(
        backend: &dyn Backend,
        dek: &SecretBytes,
        counter: u64,
        answer: EncryptAnswer,
    ) -> Result<Self, Error> {
        let cipher = backend
            .gcm(dek.expose())
            .ok_or(Error::DekSize { got: dek.len() })?;
        Self::new(Form::Key { cipher, counter }, answer)
    }

    fn new(form: Form, answer: EncryptAnswer) -> Result<Self, Error> {
        answer.check()?;
        let mut tail = Vec::new();
        EncryptedObject {
            key_id: &answer.key_id,
            encrypted_dek_source: &answer.ciphertext,
            annotations: answer
                .annotations
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_slice()))
                .collect(),
            source_type: i32::from(matches!(form, Form::Seed(_))),
            ..EncryptedObject::default()
        }
        .encode(&mut tail);
        Ok(Self { form, answer, tail })
    }

    /// What the plugin's Encrypt answered for the seed or DEK.
    pub fn answer(&self) -> &EncryptAnswer {
        &self.answer
    }

    /// Seed form or key form.
    pub fn source_type(&self) -> SourceType {
        match self.form {
            Form::Seed(_) => SourceType::Seed,
            Form::Key { .. } => SourceType::Key,
        }
    }

    /// Key form only: the last counter used.
    pub fn counter(&self) -> Option<u64> {
        match self.form {
            Form::Seed(_) => None,
            Form::Key { counter, .. } => Some(counter),
        }
    }

    /// Random bytes a write draws.
    pub fn random_len(&self) -> usize {
        match self.form {
            Form::Seed(_) => kmsv2::SEED_RANDOM_LEN,
            Form::Key { .. } => kmsv2::KEY_RANDOM_LEN,
        }
    }

    /// Bytes of a message beyond its plaintext, at most.
    pub(crate) fn overhead(&self) -> usize {
        // A tag and a length of at most 10 bytes stand before the data.
        self.data_overhead()
            .saturating_add(11)
            .saturating_add(self.tail.len())
    }

    fn data_overhead(&self) -> usize {
        match self.form {
            Form::Seed(_) => kmsv2::SEED_OVERHEAD,
            Form::Key { .. } => aesgcm::OVERHEAD,
        }
    }

    /// Appends the message to `out`. Key form counts up by one.
    pub(crate) fn seal(
        &mut self,
        backend: &dyn Backend,
        plain: &[u8],
        aad: &[u8],
        random: &[u8],
        out: &mut Filling<'_>,
    ) -> Result<(), Error> {
        let short = Error::RandomTooShort {
            need: self.random_len(),
            got: random.len(),
        };
        let len = plain.len().saturating_add(self.data_overhead());
        kmsv2::start_data(out, len);
        match &mut self.form {
            Form::Seed(seed) => {
                // Upstream panics on an empty etcd key before it draws the nonce.
                if aad.is_empty() {
                    return Err(Error::AadEmpty);
                }
                let (info, rest) = random.split_first_chunk().ok_or(short.clone())?;
                let nonce = rest.first_chunk().ok_or(short)?;
                kmsv2::seal_seed_to(backend, &**seed, plain, aad, (info, nonce), out)?;
            }
            Form::Key { cipher, counter } => {
                let nonce = kmsv2::next_nonce(counter, random.first_chunk().ok_or(short)?)?;
                aesgcm::seal_to(&**cipher, plain, aad, &nonce, out);
            }
        }
        out.put(&self.tail);
        Ok(())
    }
}

impl fmt::Debug for WriteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "WriteSource({:?}, key_id {:?}, redacted)",
            self.source_type(),
            self.answer.key_id
        )
    }
}
