//! What Python callers may pass where bytes are needed.

use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};

/// `str` (as UTF-8) or `bytes`, `bytearray`. Borrowed from immutable objects, so it can be read without the GIL.
#[derive(FromPyObject)]
pub enum Text {
    /// A `str`.
    #[pyo3(transparent, annotation = "str")]
    Str(PyBackedStr),
    /// `bytes` or `bytearray`.
    #[pyo3(transparent, annotation = "bytes")]
    Bytes(PyBackedBytes),
}

impl Text {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Str(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}
