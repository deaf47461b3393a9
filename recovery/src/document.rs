//! An object written down, in memory that is wiped.

use core::fmt;

use k8s_object::{Form, Kind, Types, Unrendered, classify, render};
use zeroize::{Zeroize, Zeroizing};

/// How objects are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As kubectl's YAML.
    Yaml,
    /// As kubectl's JSON.
    Json,
    /// The plaintext as it was stored, byte for byte.
    Raw,
}

/// Text that never leaves a copy behind when it grows.
#[derive(Default)]
pub(crate) struct Text(Zeroizing<Vec<u8>>);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let need = self.0.len() + text.len();
        if need > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(
                need.max(self.0.capacity() * 2).max(4096),
            ));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Text {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn clear(&mut self) {
        // Wipes and keeps the room.
        self.0.zeroize();
    }
}

/// What a plaintext became.
pub(crate) struct Written<'t> {
    pub bytes: &'t [u8],
    /// Of the file: `yaml`, `json`, `pb`, `cbor` or `bin`.
    pub extension: &'static str,
    /// Why it is raw where text was asked for.
    pub raw_because: Option<Unrendered>,
    pub unknown_fields: u64,
}

/// Writes an object down, raw where it has no other form.
pub(crate) fn write<'t>(
    plaintext: &'t [u8],
    types: &Types,
    format: Format,
    text: &'t mut Text,
) -> Written<'t> {
    text.clear();
    let (form, extension) = match format {
        Format::Yaml => (Form::Yaml, "yaml"),
        Format::Json => (Form::Json, "json"),
        Format::Raw => return raw(plaintext, None),
    };
    match render(plaintext, types, form, text) {
        Ok(rendered) => Written {
            bytes: text.bytes(),
            extension,
            raw_because: None,
            unknown_fields: rendered.unknown_fields,
        },
        Err(why) => raw(plaintext, Some(why)),
    }
}

fn raw(plaintext: &[u8], raw_because: Option<Unrendered>) -> Written<'_> {
    let extension = match classify(plaintext) {
        Kind::Protobuf(_) => "pb",
        Kind::Json(_) => "json",
        Kind::Cbor => "cbor",
        Kind::Yaml => "yaml",
        _ => "bin",
    };
    Written {
        bytes: plaintext,
        extension,
        raw_because,
        unknown_fields: 0,
    }
}
