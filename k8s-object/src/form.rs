//! The forms a stored plaintext can have.
//!
//! ```text
//! 6b 38 73 00                  Kubernetes protobuf: runtime.Unknown around the object
//! d9 d9 f7                     self-described CBOR (custom resources, alpha gate)
//! 7b, after white space        JSON (custom resources; built-ins by a server flag)
//! 6b 38 73 3a 65 6e 63 3a      still encrypted; the provider's name follows
//! other                        YAML by a server flag, otherwise nothing kube-apiserver wrote
//! ```

use alloc::borrow::Cow;

use crate::{json, proto};

pub(crate) const PROTOBUF: &[u8] = b"k8s\0";
const CBOR: &[u8] = &[0xd9, 0xd9, 0xf7];
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// The first two words of every object. A field that the bytes do not hold is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeMeta<'a> {
    /// Group and version, `apps/v1`; the core group has the version only, `v1`.
    pub api_version: Cow<'a, str>,
    /// `Secret`, `Deployment`.
    pub kind: Cow<'a, str>,
}

impl TypeMeta<'_> {
    /// Both words are there, without which no apiserver decodes an object.
    pub fn is_complete(&self) -> bool {
        !self.api_version.is_empty() && !self.kind.is_empty()
    }
}

/// What an object says of itself. A field that the bytes do not hold is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta<'a> {
    /// Group and version, `apps/v1`; the core group has the version only, `v1`.
    pub api_version: Cow<'a, str>,
    /// `Secret`, `Deployment`.
    pub kind: Cow<'a, str>,
    /// Empty for a cluster-scoped object.
    pub namespace: Cow<'a, str>,
    /// `metadata.name`.
    pub name: Cow<'a, str>,
    /// `metadata.creationTimestamp`, in seconds since 1970.
    pub created: Option<i64>,
}

/// What stored or opened bytes are, by [`classify`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// No bytes at all. kube-apiserver never writes that.
    Empty,
    /// Encrypted; holds what follows `k8s:enc:`, the provider's name first.
    Encrypted(&'a [u8]),
    /// Kubernetes protobuf. The words are empty where its envelope is damaged.
    Protobuf(TypeMeta<'a>),
    /// JSON. The words are empty where the text is damaged before they are reached.
    Json(TypeMeta<'a>),
    /// Self-described CBOR.
    Cbor,
    /// UTF-8 text with `apiVersion:` and `kind:` at the start of lines.
    Yaml,
    /// None of these.
    Unknown,
}

impl Kind<'_> {
    /// The name that reports use: `protobuf`, `json`, `cbor`, `yaml`, `encrypted`, `empty`, `unknown`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Encrypted(_) => "encrypted",
            Self::Protobuf(_) => "protobuf",
            Self::Json(_) => "json",
            Self::Cbor => "cbor",
            Self::Yaml => "yaml",
            Self::Unknown => "unknown",
        }
    }
}

/// Names the form of `plaintext`.
///
/// Protobuf costs its envelope (the object's bytes are stepped over), JSON the text up to
/// the later of `apiVersion` and `kind`, YAML the whole text, everything else the first bytes.
pub fn classify(plaintext: &[u8]) -> Kind<'_> {
    if plaintext.is_empty() {
        Kind::Empty
    } else if let Some(rest) = plaintext.strip_prefix(ENCRYPTED) {
        Kind::Encrypted(rest)
    } else if let Some(envelope) = plaintext.strip_prefix(PROTOBUF) {
        Kind::Protobuf(
            proto::Unknown::parse(envelope).map_or_else(TypeMeta::default, |u| u.type_meta()),
        )
    } else if plaintext.starts_with(CBOR) {
        Kind::Cbor
    } else if let Some(text) = json::object_text(plaintext) {
        Kind::Json(json::type_meta(text))
    } else if is_yaml_object(plaintext) {
        Kind::Yaml
    } else {
        Kind::Unknown
    }
}

/// Whether these bytes are something kube-apiserver could have stored as an object.
///
/// A wrong aescbc key opens one value in 256: the padding happens to fit and random bytes
/// come out. Those answer `false`, as does a `k8s\0` envelope whose lengths do not add up.
/// It is not a decode: damage inside the object's own bytes is not seen.
pub fn looks_like_object(plaintext: &[u8]) -> bool {
    match classify(plaintext) {
        Kind::Protobuf(words) | Kind::Json(words) => words.is_complete(),
        // After the tag, a map: major type 5 in the upper three bits.
        Kind::Cbor => plaintext.get(CBOR.len()).is_some_and(|head| head >> 5 == 5),
        Kind::Yaml => true,
        Kind::Empty | Kind::Encrypted(_) | Kind::Unknown => false,
    }
}

/// Reads type and name of a protobuf or JSON object.
///
/// `None` for the other forms and for bytes that are damaged on the way to these fields.
pub fn metadata(plaintext: &[u8]) -> Option<Meta<'_>> {
    if let Some(envelope) = plaintext.strip_prefix(PROTOBUF) {
        return proto::Unknown::parse(envelope)?.metadata();
    }
    json::metadata(json::object_text(plaintext)?)
}

fn is_yaml_object(plaintext: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(plaintext) else {
        return false;
    };
    let has = |field: &str| text.lines().any(|line| line.starts_with(field));
    has("apiVersion:") && has("kind:")
}
