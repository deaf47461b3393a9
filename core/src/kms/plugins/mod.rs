//! What the KMS plugins in use store as an encrypted DEK or seed, told apart without a key.
//!
//! Nothing here decides that a ciphertext is genuine: [`recognise`] says which plugins write bytes of that shape, the parts
//! say what a KMS would have to be asked, and where the plugin's cipher is AES under a key one can hold, `open` unwraps.
//!
//! ```text
//! '1' | AWS KMS blob                                      aws-encryption-provider
//! 0a 24 00 ...                                            k8s-cloudkms-plugin
//! base64url(RSA ciphertext), 342, 512 or 683 characters   Azure kubernetes-kms
//! "vault:v" version ":" base64(nonce 12 | ct | tag 16)    Vault and OpenBao Transit, three plugins and more
//! IV 16 | ct | tag 16                                     kubernetes/kms mock, kleidi with PKCS#11
//! IV 16 | AES-CBC, PKCS#7                                 barbican-kms-plugin
//! name ":-:" payload LF, repeated                         trousseau
//! nonce 12 | ct | tag 16, and an annotation               LocalKEKService of k8s.io/kms 0.27 alphas
//! ```

use alloc::{
    borrow::{Cow, ToOwned as _},
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use base64ct::{Base64, Encoding as _};

use super::DekRequest;
use crate::{Error, crypto::Backend, secret::SecretBytes, wire::kmsv2::EncryptedObject};

mod cloud;
mod local;
#[cfg(test)]
mod tests;
mod transit;
mod trousseau;

pub use cloud::{Aws, Azure, AzureAlgorithm, Gcp};
pub use local::{BarbicanCbc, LocalKek, PkcsGcm};
pub use transit::{OpenBaoLabels, Transit, TransitPlugin};
pub use trousseau::{Clear, Line, Payload};

/// What is stored of one encrypted DEK or seed. KMS v1 stores the ciphertext alone: `key_id` and `annotations` are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The encrypted DEK or seed.
    pub ciphertext: &'a [u8],
    /// The key_id beside it.
    pub key_id: &'a str,
    /// The annotations beside it, in any order.
    pub annotations: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Stored<'a> {
    /// A ciphertext without key_id and annotations, as KMS v1 stores it.
    pub fn bare(ciphertext: &'a [u8]) -> Self {
        Self {
            ciphertext,
            ..Self::default()
        }
    }

    /// The value of one annotation.
    pub fn annotation(&self, name: &str) -> Option<&'a [u8]> {
        self.annotations
            .iter()
            .find(|(n, _)| *n == name)
            .map(|&(_, value)| value)
    }
}

impl<'a> From<&'a DekRequest> for Stored<'a> {
    fn from(request: &'a DekRequest) -> Self {
        let annotations = request.annotations.iter();
        Self {
            ciphertext: &request.ciphertext,
            key_id: &request.key_id,
            annotations: annotations
                .map(|(k, v)| (k.as_str(), v.as_slice()))
                .collect(),
        }
    }
}

impl<'a> From<&EncryptedObject<'a>> for Stored<'a> {
    fn from(object: &EncryptedObject<'a>) -> Self {
        Self {
            ciphertext: object.encrypted_dek_source,
            key_id: object.key_id,
            annotations: object.annotations.iter().map(|(&k, &v)| (k, v)).collect(),
        }
    }
}

/// A ciphertext read as what one kind of plugin writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrapped<'a> {
    /// aws-encryption-provider.
    Aws(Aws<'a>),
    /// k8s-cloudkms-plugin.
    Gcp(Gcp<'a>),
    /// Azure kubernetes-kms.
    Azure(Azure<'a>),
    /// A plugin in front of Vault's or OpenBao's Transit engine.
    Transit(Transit<'a>),
    /// The mock of kubernetes/kms, or kleidi with PKCS#11.
    PkcsGcm(PkcsGcm<'a>),
    /// barbican-kms-plugin.
    BarbicanCbc(BarbicanCbc<'a>),
    /// trousseau: any one of the lines opens.
    Trousseau(Vec<Line<'a>>),
    /// The LocalKEKService of the k8s.io/kms alphas, and what was copied from it. Read only: nothing writes it any more.
    LocalKek(LocalKek<'a>),
}

/// What has to be known besides the stored bytes to unwrap them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Need {
    /// AWS credentials for Decrypt in the key's own region. The blob names its key; an expected ARN should be sent along.
    AwsDecrypt,
    /// The `--encryption-context` the plugin ran with; it is stored nowhere.
    AwsEncryptionContext,
    /// Credentials for Decrypt on the CryptoKey that the key_id names.
    GcpDecrypt,
    /// Which CryptoKey: the value does not say.
    GcpCryptoKey,
    /// Decrypt on the one key version whose URL hashes to the key_id ([`Azure::key_id_of`]).
    AzureDecrypt,
    /// Which key version: KMS v1 values do not say.
    AzureKeyVersion,
    /// Mount and name of the Transit key, and either Decrypt or the exported key of that version.
    TransitKey,
    /// The `associated_data` that the OpenBao plugin makes from its own configuration.
    OpenBaoAssociatedData,
    /// The AES key in the token, and that its mechanism may be used; the associated data is the key_id.
    TokenKey,
    /// The payload of the Barbican secret, which is an AES key.
    BarbicanSecret,
    /// Any one of the listed providers.
    AnyLine,
    /// Decrypt of the encrypted KEK by the plugin behind ([`LocalKek::remote`]).
    RemoteKek,
}

impl Need {
    /// A stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwsDecrypt => "aws-decrypt",
            Self::AwsEncryptionContext => "aws-encryption-context",
            Self::GcpDecrypt => "gcp-decrypt",
            Self::GcpCryptoKey => "gcp-crypto-key",
            Self::AzureDecrypt => "azure-decrypt",
            Self::AzureKeyVersion => "azure-key-version",
            Self::TransitKey => "transit-key",
            Self::OpenBaoAssociatedData => "openbao-associated-data",
            Self::TokenKey => "token-key",
            Self::BarbicanSecret => "barbican-secret",
            Self::AnyLine => "any-line",
            Self::RemoteKek => "remote-kek",
        }
    }

    /// What a person has to find.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AwsDecrypt => "AWS credentials for kms:Decrypt in the key's own region",
            Self::AwsEncryptionContext => {
                "the encryption context that the plugin ran with, if it did; it is stored nowhere"
            }
            Self::GcpDecrypt => "Google Cloud credentials for Decrypt on the CryptoKey",
            Self::GcpCryptoKey => "which CryptoKey: the value does not say",
            Self::AzureDecrypt => {
                "Decrypt on the one Key Vault key version whose URL hashes to the key_id"
            }
            Self::AzureKeyVersion => "which Key Vault key version: the value does not say",
            Self::TransitKey => {
                "mount and name of the Transit key, and Decrypt on it or its exported key of that version"
            }
            Self::OpenBaoAssociatedData => {
                "the associated data that the OpenBao plugin makes from its own configuration"
            }
            Self::TokenKey => "the AES key in the PKCS#11 token, with leave to use its mechanism",
            Self::BarbicanSecret => "the payload of the Barbican secret, which is an AES key",
            Self::AnyLine => "any one of the providers that the ciphertext lists",
            Self::RemoteKek => "Decrypt of the encrypted KEK by the plugin behind",
        }
    }
}

impl Wrapped<'_> {
    /// `aws`, `gcp`, `azure`, `transit`, `pkcs11-gcm`, `barbican`, `trousseau` or `local-kek`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Aws(_) => "aws",
            Self::Gcp(_) => "gcp",
            Self::Azure(_) => "azure",
            Self::Transit(_) => "transit",
            Self::PkcsGcm(_) => "pkcs11-gcm",
            Self::BarbicanCbc(_) => "barbican",
            Self::Trousseau(_) => "trousseau",
            Self::LocalKek(_) => "local-kek",
        }
    }

    /// What has to be known besides the stored bytes.
    pub fn needs(&self) -> Vec<Need> {
        match self {
            Self::Aws(_) => vec![Need::AwsDecrypt, Need::AwsEncryptionContext],
            Self::Gcp(gcp) if gcp.crypto_key.is_some() => vec![Need::GcpDecrypt],
            Self::Gcp(_) => vec![Need::GcpDecrypt, Need::GcpCryptoKey],
            Self::Azure(azure) if azure.key_url_hash.is_some() => vec![Need::AzureDecrypt],
            Self::Azure(_) => vec![Need::AzureDecrypt, Need::AzureKeyVersion],
            Self::Transit(transit) if transit.plugin == TransitPlugin::OpenBao => {
                vec![Need::TransitKey, Need::OpenBaoAssociatedData]
            }
            Self::Transit(_) => vec![Need::TransitKey],
            Self::PkcsGcm(_) => vec![Need::TokenKey],
            Self::BarbicanCbc(_) => vec![Need::BarbicanSecret],
            Self::Trousseau(_) => vec![Need::AnyLine],
            Self::LocalKek(_) => vec![Need::RemoteKek],
        }
    }

    /// True if changed bytes are refused when unwrapped. Barbican's CBC has no tag, and a line of trousseau may be the DEK
    /// in the clear. A tag made under a public key (Azure) shows that nothing was changed, not who made it.
    pub fn is_authenticated(&self) -> bool {
        match self {
            Self::BarbicanCbc(_) | Self::Azure(_) => false,
            Self::Trousseau(lines) => !lines.iter().any(|l| matches!(l.payload, Payload::Clear(_))),
            Self::Aws(_)
            | Self::Gcp(_)
            | Self::Transit(_)
            | Self::PkcsGcm(_)
            | Self::LocalKek(_) => true,
        }
    }
}

impl<'a> Wrapped<'a> {
    /// What the bytes and their key_id say, by name: `backingKeyHint` (base64) and `versioned` for `aws`, `cryptoKey` and
    /// `keyVersion` for `gcp`, `keyUrlHash`, `rsaBits` and `algorithm` for `azure`, `keyVersion` and `writer` for `transit`,
    /// `providers` for `trousseau`. What is not known is left out.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        let mut say = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
        match self {
            Self::Aws(aws) => {
                let hint = aws.backing_key_hint;
                say(
                    "backingKeyHint",
                    hint.map(|hint| Base64::encode_string(hint)),
                );
                say("versioned", Some(aws.versioned.to_string()));
            }
            Self::Gcp(gcp) => {
                say("cryptoKey", gcp.crypto_key.map(str::to_owned));
                say("keyVersion", gcp.key_version.map(str::to_owned));
            }
            Self::Azure(azure) => {
                say("keyUrlHash", azure.key_url_hash.map(str::to_owned));
                say("rsaBits", Some(azure.rsa_bits.to_string()));
                say("algorithm", Some(azure.algorithm.name().to_owned()));
            }
            Self::Transit(transit) => {
                say("keyVersion", Some(transit.key_version.to_string()));
                say("writer", transit.plugin.name().map(str::to_owned));
            }
            Self::Trousseau(lines) => {
                let names: Vec<&str> = lines.iter().map(|line| line.provider).collect();
                say("providers", Some(names.join(" ")));
            }
            Self::PkcsGcm(_) | Self::BarbicanCbc(_) | Self::LocalKek(_) => {}
        }
        facts
    }

    /// What the KMS is to decrypt, where one call to it does: the blob of `aws`, the ciphertext of `gcp`, the text of
    /// `azure` and `transit`.
    pub fn to_kms(&self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Aws(aws) => Some(aws.blob.into()),
            Self::Gcp(gcp) => Some(gcp.ciphertext.into()),
            Self::Azure(azure) => Some(azure.text.as_bytes().into()),
            Self::Transit(transit) => Some(transit.text.as_bytes().into()),
            Self::PkcsGcm(_) | Self::BarbicanCbc(_) | Self::Trousseau(_) | Self::LocalKek(_) => {
                None
            }
        }
    }

    /// Unwraps with an AES key that one holds. `None` for plugins whose KEK nobody can hold. `associated_data` is what
    /// openbao-kubernetes-kms sent, and empty for all others.
    ///
    /// # Errors
    /// [`Error::KeySize`], [`Error::Authentication`], and for Barbican's CBC those of its padding.
    pub fn open(
        &self,
        backend: &dyn Backend,
        key: &[u8],
        associated_data: &[u8],
    ) -> Option<Result<SecretBytes, Error>> {
        match self {
            Self::Transit(it) => Some(it.open(backend, key, associated_data)),
            Self::PkcsGcm(it) => Some(it.open(key)),
            Self::BarbicanCbc(it) => Some(it.open(backend, key)),
            Self::LocalKek(it) => Some(it.open(backend, key)),
            Self::Aws(_) | Self::Gcp(_) | Self::Azure(_) | Self::Trousseau(_) => None,
        }
    }
}

/// Everything that `stored` can be read as, the likeliest first; nothing if no plugin known here writes such bytes.
///
/// Annotations that only one plugin writes decide alone; then the start of the ciphertext; then its length. A ciphertext of
/// 64 bytes may be GCM or CBC: GCM comes first because its tag says when the guess was wrong.
pub fn recognise<'a>(stored: &Stored<'a>) -> Vec<Wrapped<'a>> {
    if let Some(kek) = LocalKek::parse(stored) {
        return vec![Wrapped::LocalKek(kek)];
    }
    let ciphertext = stored.ciphertext;
    if let Some(aws) = Aws::parse(ciphertext) {
        return vec![Wrapped::Aws(aws)];
    }
    if let Some(transit) = Transit::parse(stored) {
        return vec![Wrapped::Transit(transit)];
    }
    if let Some(gcp) = Gcp::parse(stored) {
        return vec![Wrapped::Gcp(gcp)];
    }
    if let Some(lines) = trousseau::parse(ciphertext) {
        return vec![Wrapped::Trousseau(lines)];
    }
    if let Some(azure) = Azure::parse(stored) {
        return vec![Wrapped::Azure(azure)];
    }
    let mut found = Vec::new();
    if let Some(gcm) = PkcsGcm::parse(stored) {
        let sure = gcm.annotated;
        found.push(Wrapped::PkcsGcm(gcm));
        if sure {
            return found;
        }
    }
    found.extend(BarbicanCbc::parse(stored).map(Wrapped::BarbicanCbc));
    found
}
