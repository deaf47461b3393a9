//! A plaintext as YAML or JSON, for people and for `kubectl apply`.

use core::fmt::{self, Write};

use crate::decode::Decoder;
use crate::emit::{Emit, JsonOut};
use crate::form::{Kind, classify};
use crate::json;
use crate::mask::Masked;
use crate::proto::Unknown;
use crate::replay;
use crate::types::Types;
use crate::yaml::YamlOut;

/// How an object is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As `kubectl get -o yaml` lays it out, keys sorted.
    Yaml,
    /// As `kubectl get -o json`, keys sorted.
    Json,
}

/// What [`render`] has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Fields left out because the table of types does not have them: a newer Kubernetes wrote the object. Kubernetes
    /// itself drops what it does not know; only the raw bytes keep it.
    pub unknown_fields: u64,
    /// The message and number of the first of them.
    pub first_unknown: Option<(&'static str, u64)>,
}

/// Why a plaintext has no YAML or JSON form here. Its raw bytes lose nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unrendered {
    /// Protobuf of a kind that is not in the table of built-in types.
    UnknownKind,
    /// Self-described CBOR.
    Cbor,
    /// No form that kube-apiserver stores.
    NoObject,
    /// The object's bytes do not add up; holds what is wrong.
    Damaged(&'static str),
    /// The output took no more.
    Output,
}

impl Unrendered {
    /// A stable name.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownKind => "unknown-kind",
            Self::Cbor => "cbor",
            Self::NoObject => "not-an-object",
            Self::Damaged(_) => "damaged-object",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for Unrendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind => {
                f.write_str("protobuf of a kind that is no built-in type of Kubernetes")
            }
            Self::Cbor => f.write_str("stored as CBOR, which is not decoded"),
            Self::NoObject => f.write_str("no object of Kubernetes"),
            Self::Damaged(what) => write!(f, "the object is damaged: {what}"),
            Self::Output => f.write_str("the output took no more"),
        }
    }
}

impl core::error::Error for Unrendered {}

impl From<fmt::Error> for Unrendered {
    fn from(_: fmt::Error) -> Self {
        Self::Output
    }
}

/// Writes an object as one document that ends with a newline. After an error `out` holds a part of it.
///
/// # Errors
/// See [`Unrendered`].
pub fn render(
    plaintext: &[u8],
    types: &Types,
    form: Form,
    out: &mut dyn Write,
) -> Result<Rendered, Unrendered> {
    match form {
        Form::Yaml => hand_on(plaintext, types, &mut YamlOut::new(out)),
        Form::Json => hand_on(plaintext, types, &mut JsonOut::new(out)),
    }
}

/// As [`render`], with every value replaced by its size but those that say what the object is: `apiVersion`, `kind`, `type`
/// and `metadata` without its annotations. Keys are shown.
///
/// # Errors
/// See [`Unrendered`].
pub fn render_masked(
    plaintext: &[u8],
    types: &Types,
    form: Form,
    out: &mut dyn Write,
) -> Result<Rendered, Unrendered> {
    match form {
        Form::Yaml => hand_on(plaintext, types, &mut Masked::new(&mut YamlOut::new(out))),
        Form::Json => hand_on(plaintext, types, &mut Masked::new(&mut JsonOut::new(out))),
    }
}

fn hand_on(plaintext: &[u8], types: &Types, out: &mut dyn Emit) -> Result<Rendered, Unrendered> {
    match classify(plaintext) {
        Kind::Protobuf(_) => {
            let envelope = Unknown::of(plaintext)
                .ok_or(Unrendered::Damaged("its envelope's lengths do not add up"))?;
            if envelope.is_encoded() {
                return Err(Unrendered::Damaged("its envelope names another encoding"));
            }
            let (api_version, kind) = envelope.words();
            let message = types
                .message_of(api_version, kind)
                .ok_or(Unrendered::UnknownKind)?;
            let mut decoder = Decoder {
                types,
                rendered: Rendered::default(),
            };
            decoder.object(message, api_version, kind, envelope.raw(), out)?;
            Ok(decoder.rendered)
        }
        Kind::Json(words) if words.is_complete() => {
            let text = json::object_text(plaintext).ok_or(Unrendered::NoObject)?;
            replay::replay(text, out)?;
            Ok(Rendered::default())
        }
        Kind::Cbor => Err(Unrendered::Cbor),
        _ => Err(Unrendered::NoObject),
    }
}
