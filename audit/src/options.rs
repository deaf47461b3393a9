//! What a caller may choose.

use core::fmt;
use core::hash::{BuildHasher, Hasher};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::hash::RandomState;

use etcd_store::HashKey;
use k8senc::crypto::Backend;
use k8senc_config::Config;

use crate::{AuditError, LogFile};

/// Called with the bytes done and the bytes in all, from any thread.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// How to audit. [`Options::new`] sets the defaults.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options<'a> {
    /// Who decrypts.
    pub backend: &'static dyn Backend,
    /// Threads that read and judge; 0 is as many as the machine offers. With 1 nothing runs beside the caller's thread.
    pub threads: usize,
    /// Whether the file is hashed and compared with its trailer.
    pub hash: bool,
    /// Whether free pages are searched for what rows no longer hold.
    pub residue: bool,
    /// Most examples kept of one kind in one group.
    pub examples: usize,
    /// The cluster's `--etcd-prefix`, where it is not one of the usual.
    pub etcd_prefix: Option<Vec<u8>>,
    /// Sixteen random bytes against crafted names; drawn from the operating system when absent.
    pub hash_key: Option<[u8; 16]>,
    /// The name of the configuration, where there are several.
    pub config_name: String,
    /// Further configurations, by name: which of them opens which value. At most 31.
    pub also: Vec<(String, &'a Config)>,
    /// The files of the member's write-ahead log.
    pub logs: Vec<LogFile<'a>>,
    /// The time that ages count from, in seconds since 1970, and the age in seconds from which a key is old.
    pub max_key_age: Option<(i64, i64)>,
    /// Told about every MiB or so.
    pub progress: Option<Progress<'a>>,
    /// Looked at between batches; `true` ends with [`AuditError::Cancelled`].
    pub cancel: Option<&'a AtomicBool>,
}

impl Options<'_> {
    /// All threads, with hash, three examples.
    #[must_use]
    pub fn new(backend: &'static dyn Backend) -> Self {
        Self {
            backend,
            threads: 0,
            hash: true,
            residue: true,
            examples: 3,
            etcd_prefix: None,
            hash_key: None,
            config_name: String::new(),
            also: Vec::new(),
            logs: Vec::new(),
            max_key_age: None,
            progress: None,
            cancel: None,
        }
    }

    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => some.min(64),
        }
    }

    pub(crate) fn hash_key(&self) -> HashKey {
        HashKey::new(self.hash_key.unwrap_or_else(|| {
            let random = RandomState::new();
            let draw = |n: u8| {
                let mut hasher = random.build_hasher();
                hasher.write_u8(n);
                u128::from(hasher.finish())
            };
            (draw(0) << 64 | draw(1)).to_ne_bytes()
        }))
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("backend", &self.backend.name())
            .field("threads", &self.threads)
            .field("hash", &self.hash)
            .field("examples", &self.examples)
            .field("etcd_prefix", &self.etcd_prefix)
            .finish_non_exhaustive()
    }
}

/// Bytes done by all threads, and whether to go on.
pub(crate) struct Pace<'a> {
    done: AtomicU64,
    total: u64,
    progress: Option<Progress<'a>>,
    cancel: Option<&'a AtomicBool>,
    failed: AtomicBool,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(options: &Options<'a>, total: u64) -> Self {
        Self {
            done: AtomicU64::new(0),
            total,
            progress: options.progress,
            cancel: options.cancel,
            failed: AtomicBool::new(false),
        }
    }

    /// Adds work done, and says whether the caller wants no more of it.
    pub(crate) fn step(&self, bytes: u64) -> Result<(), AuditError> {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(progress) = self.progress {
            progress(done.min(self.total), self.total);
        }
        if self.cancelled() {
            return Err(AuditError::Cancelled);
        }
        Ok(())
    }

    /// Tells how far a source of rows is, which knows better than a sum of bytes.
    pub(crate) fn at(&self, done: u64, total: u64) -> Result<(), AuditError> {
        if let Some(progress) = self.progress {
            progress(done, total.max(done));
        }
        if self.cancelled() {
            return Err(AuditError::Cancelled);
        }
        Ok(())
    }

    pub(crate) fn finish(&self) {
        if let Some(progress) = self.progress {
            progress(self.total, self.total);
        }
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.cancel.is_some_and(|c| c.load(Ordering::Relaxed))
    }

    /// Nothing further is worth doing: the pass has failed elsewhere.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stopped(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.cancelled()
    }
}
