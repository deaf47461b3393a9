//! The SHA-256 that `etcdctl snapshot save` leaves behind the pages.

use etcd_store::{Layout, PageSource};
use sha2::{Digest, Sha256};

use crate::AuditError;
use crate::options::Pace;
use crate::report::{HashStatus, Sha256Check};

const STRETCH: usize = 1 << 20;

/// Hashes the pages of the file and compares.
pub(crate) fn check(
    source: &(dyn PageSource + Sync),
    layout: &Layout,
    pace: &Pace<'_>,
) -> Result<Sha256Check, AuditError> {
    let io = |e| {
        AuditError::Store(etcd_store::Error {
            kind: etcd_store::ErrorKind::Io(e),
            page: None,
            element: None,
        })
    };
    let (mut hasher, mut buffer, mut at) = (Sha256::new(), Vec::new(), 0);
    while at < layout.db_len {
        let len = usize::try_from(layout.db_len - at).map_or(STRETCH, |left| left.min(STRETCH));
        match source.slice(at, len) {
            Some(bytes) => hasher.update(bytes),
            None => {
                buffer.resize(len, 0);
                source.read_at(at, &mut buffer).map_err(io)?;
                hasher.update(&buffer);
            }
        }
        at += len as u64;
        if pace.stopped() {
            return Err(AuditError::Cancelled);
        }
        pace.step(len as u64)?;
    }
    let computed: [u8; 32] = hasher.finalize().into();
    let mut stored = [0; 32];
    let has_trailer = layout.has_trailer();
    if has_trailer {
        source.read_at(layout.db_len, &mut stored).map_err(io)?;
    }
    let status = match (has_trailer, stored == computed) {
        (false, _) => HashStatus::Absent,
        (true, true) => HashStatus::Match,
        (true, false) => HashStatus::Mismatch,
    };
    Ok(Sha256Check {
        status,
        computed: Some(hex(&computed)),
        stored: has_trailer.then(|| hex(&stored)),
    })
}

/// A key_id as the labels of `apiserver_envelope_encryption_key_id_hash_*` have it (apiserver, `metrics.GetHashIfNotEmpty`).
pub(crate) fn of_key_id(key_id: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(key_id)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
