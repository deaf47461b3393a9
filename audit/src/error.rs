//! Why there is no report.

use core::fmt;
use std::io;

/// Why a file could not be audited at all. A fault of a single value is never one of these: it is part of the report.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuditError {
    /// The file is no etcd backend, or is damaged where it cannot be skipped.
    Store(etcd_store::Error),
    /// A file of the write-ahead log is none, or damaged where it cannot be skipped.
    Log {
        /// The file's name, escaped.
        name: String,
        /// What is wrong with it.
        error: etcd_store::Error,
    },
    /// A source of rows stopped: a code that bindings share, and one clause.
    Rows(&'static str, String),
    /// The path names a directory, a pipe or a device.
    NotAFile,
    /// Others than its owner may write the file, so it is not mapped.
    NotPrivate,
    /// The file could not be opened or its length not be told.
    Open(io::Error),
    /// The configuration asks for a provider that core refuses.
    Configuration(k8senc::Error),
    /// The operating system gave no thread.
    Thread(io::Error),
    /// The caller asked to stop.
    Cancelled,
}

impl AuditError {
    /// The name that bindings share; for a damaged file the one of `etcd-store`. Never reworded.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(e) | Self::Log { error: e, .. } => e.code(),
            Self::Rows(code, _) => code,
            Self::NotAFile => "not-a-file",
            Self::NotPrivate => "not-private",
            Self::Open(_) => "open",
            Self::Configuration(_) => "configuration",
            Self::Thread(_) => "thread",
            Self::Cancelled => "cancelled",
        }
    }

    /// The exit code that a command gives it: 130 when cancelled, else 3, input unreadable or corrupt.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Cancelled => 130,
            _ => 3,
        }
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(e) => e.fmt(f),
            Self::Log { name, error } => write!(f, "write-ahead log {name}: {error}"),
            Self::Rows(_, text) => f.write_str(text),
            Self::NotAFile => {
                f.write_str("not a regular file: an etcd snapshot or a member's db file is needed")
            }
            Self::NotPrivate => f.write_str(
                "others than the owner may write the file, it can be read but not mapped",
            ),
            Self::Open(e) => write!(f, "the file cannot be opened: {e}"),
            Self::Configuration(e) => write!(f, "the configuration gives no chain: {e}"),
            Self::Thread(e) => write!(f, "no thread could be started: {e}"),
            Self::Cancelled => f.write_str("the audit was cancelled"),
        }
    }
}

impl std::error::Error for AuditError {}

impl From<etcd_store::Error> for AuditError {
    fn from(error: etcd_store::Error) -> Self {
        Self::Store(error)
    }
}
