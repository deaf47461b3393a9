//! etcd's own content hashes, for asking whether this backup holds what that cluster or backup holds.
//!
//! CRC-32C, so they tell damage and difference, not tampering.

use alloc::vec::Vec;

use crate::bucket::Root;
use crate::page::Body;
use crate::tree::walk;
use crate::{
    Claims, Class, Error, ErrorKind, HashKey, LiveSet, PageSource, Revision, RowKey, Store,
};

static CRC: crc::Crc<u32, crc::Table<16>> =
    crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

/// Continues a finished CRC-32C, as Go's `crc32.Update` does.
pub(crate) fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC.digest_with_initial((!before).reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

impl<S: PageSource> Store<S> {
    /// The hash `etcdctl snapshot status` prints: all buckets, names and content, volatile values included.
    ///
    /// # Errors
    /// Any fault of any page.
    pub fn status_hash(&self) -> Result<u32, Error> {
        let mut hash = 0;
        let mut claims = Claims::new(self.pages.present())?;
        let root = Root::Tree(self.pages.layout.meta.root);
        walk(
            &self.pages,
            &mut claims,
            root,
            &mut |claims, run, index, element| {
                let Body::Value {
                    bucket: true,
                    value,
                } = element.body
                else {
                    return Err(Error::at(ErrorKind::NotEtcd, run.page, index));
                };
                hash = crc32c(hash, element.key);
                let offset = run.offset + (element.end - value.len()) as u64;
                let (bucket, _) = Root::parse(self.pages.endian(), value, offset, run.page, index)?;
                walk(
                    &self.pages,
                    claims,
                    bucket,
                    &mut |_, run, index, element| {
                        let Body::Value {
                            bucket: false,
                            value,
                        } = element.body
                        else {
                            return Err(Error::at(ErrorKind::NestedBucket, run.page, index));
                        };
                        hash = crc32c(crc32c(hash, element.key), value);
                        Ok(())
                    },
                )
            },
        )?;
        Ok(hash)
    }

    /// The hash `etcdctl endpoint hashkv --rev` prints for `revision` (0 for the newest): equal on all members whose
    /// compact revision is the same. `key` needs to be random, see [`HashKey`].
    ///
    /// # Errors
    /// Any fault of bucket `key`; [`ErrorKind::BadKeyValue`] too, because such a row has no name;
    /// [`ErrorKind::FutureRevision`] and [`ErrorKind::Compacted`].
    pub fn hash_kv(&self, revision: i64, key: HashKey) -> Result<u32, Error> {
        let revision = self.info().resolve(revision)?;
        let compact = self.info().compact_revision;
        let (mut kept, any) = self.kept(revision, key)?;
        let mut hash = crc32c(0, b"key");
        let mut claims = self.claims.clone();
        walk(
            &self.pages,
            &mut claims,
            self.rows,
            &mut |_, run, index, element| {
                let Body::Value {
                    bucket: false,
                    value,
                } = element.body
                else {
                    return Err(Error::at(ErrorKind::NestedBucket, run.page, index));
                };
                let bad = Error::at(ErrorKind::BadRevisionKey, run.page, index);
                let row = RowKey::parse(element.key).ok_or(bad)?;
                let main = row.revision.main;
                let keep = kept.pop_if(|r| *r == row.revision).is_some();
                // What compaction has scheduled for removal does not count, removed already or not.
                let doomed = main <= compact
                    && compact > 0
                    && ((any && !keep) || (row.tombstone && main == compact));
                if main <= revision && !doomed {
                    hash = crc32c(crc32c(hash, element.key), value);
                }
                Ok(())
            },
        )?;
        Ok(hash)
    }

    /// The rows at or below the compact revision that are current at `revision`, newest first, and whether any row is.
    fn kept(&self, revision: i64, key: HashKey) -> Result<(Vec<Revision>, bool), Error> {
        let (mut kept, mut any, mut names) = (Vec::new(), false, LiveSet::new());
        let (mut nameless, mut buffer) = (false, Vec::new());
        let mut leaves = self.leaves();
        while let Some(run) = leaves.next_run()? {
            for row in self
                .leaf(&run, &mut buffer)?
                .rows()
                .rev()
                .filter(|r| r.key.revision.main <= revision)
            {
                let current = match names.decide(row.key, key.hash(row.key_value()?.key))? {
                    Class::Live => true,
                    // The server indexes the empty name like any other.
                    Class::Unlisted => {
                        !core::mem::replace(&mut nameless, true) && !row.key.tombstone
                    }
                    Class::Superseded | Class::Tombstone => false,
                };
                any |= current;
                if current && row.key.revision.main <= self.info().compact_revision {
                    kept.push(row.key.revision);
                }
            }
        }
        Ok((kept, any))
    }
}
