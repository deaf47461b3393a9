//! Stored values back to Kubernetes objects, with the keys that are left.
//!
//! ```text
//! Opener::new(Some(&config), backend)              and add_key for keys without a configuration
//! survey(source, &opener, &selection, &options)   what the KMS must be asked; the caller asks, and fills opener.deks
//! recover(source, &mut opener, &selection, &types, format, &options, &mut sink)
//! ```
//!
//! This is the crate whose purpose is to reveal plaintext: it goes to the caller's [`Sink`] and nowhere else. Everything
//! in the file is taken for hostile, names of files included ([`Folder`]).

mod document;
mod entry;
mod folder;
mod keys;
mod names;
mod open;
mod pasted;
mod run;
mod selection;
mod walk;

use core::fmt;
use std::io;
use std::path::PathBuf;

pub use document::Format;
pub use entry::{Entry, Outcome, Reason, Summary};
pub use folder::Folder;
pub use k8senc_audit::trial::Hint;
pub use keys::parse_key;
pub use names::file_name;
pub use open::{Opened, Opener, Refused, Verdict};
pub use pasted::{Form, Pasted, pasted, pasted_as};
pub use run::{Place, Sink, Survey, recover, survey, value};
pub use selection::Selection;
pub use walk::{Options, Source};

use k8senc_audit::AuditError;

/// Why nothing more is recovered. A value that does not open is never one of these: it is an [`Entry`].
#[derive(Debug)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The snapshot cannot be read, or the caller cancelled.
    Source(AuditError),
    /// The folder exists and holds something.
    NotEmpty(PathBuf),
    /// The output takes no more.
    Output(PathBuf, io::Error),
    /// The caller's own sink refused; holds its words.
    Sink(String),
}

impl RecoveryError {
    /// A stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            Self::NotEmpty(_) => "folder-not-empty",
            Self::Output(..) => "output",
            Self::Sink(_) => "sink",
        }
    }
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::NotEmpty(path) => write!(
                f,
                "{} exists and is not an empty folder: plaintext is never written over or among other files",
                path.display()
            ),
            Self::Output(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
            Self::Sink(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for RecoveryError {}

impl From<AuditError> for RecoveryError {
    fn from(error: AuditError) -> Self {
        Self::Source(error)
    }
}

impl From<etcd_store::Error> for RecoveryError {
    fn from(error: etcd_store::Error) -> Self {
        Self::Source(error.into())
    }
}
