//! What Python callers may pass where bytes are needed.

use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyString;

/// `str` (as UTF-8) or `bytes`, `bytearray`. Borrowed from immutable objects, so it can be read without the GIL.
pub enum Text {
    /// A `str`.
    Str(PyBackedStr),
    /// `bytes` or `bytearray`, or a `str` that stands for a file's name in no UTF-8.
    Bytes(PyBackedBytes),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Text {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Ok(text) = given.cast::<PyString>() else {
            return Ok(Self::Bytes(given.extract()?));
        };
        if let Ok(text) = text.extract() {
            return Ok(Self::Str(text));
        }
        // Python's own way to keep a file name whose bytes are no UTF-8.
        let bytes = text.call_method1("encode", ("utf-8", "surrogateescape"))?;
        Ok(Self::Bytes(bytes.extract()?))
    }
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
