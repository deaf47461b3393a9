//! Sources that give rows instead of pages: a live etcd, and kine's table.

use etcd_store::RowKey;
use k8senc::kms::DekTable;
use k8senc_config::Config;

use crate::chains::Chains;
use crate::examine::{Context, Examiner};
use crate::options::Pace;
use crate::report::Snapshot;
use crate::scan::Worker;
use crate::starts::Starts;
use crate::tally::Tally;
use crate::{AuditError, DekSurvey, Options, Report, UNCHECKED, also, assemble, survey};

/// One stored value, wherever it is from.
#[derive(Clone, Copy)]
pub struct StoredRow<'a> {
    /// Its revision, and whether it is a deletion.
    pub key: RowKey,
    /// The etcd key.
    pub etcd_key: &'a [u8],
    /// The value as it is stored.
    pub value: &'a [u8],
    /// The revision at which its name was created; 0 when the source does not say.
    pub create_revision: i64,
    /// How often the name was written since; 0 when the source does not say.
    pub version: i64,
    /// No row of the source: a copy of an older one that was kept beside another, such as kine's `old_value`.
    pub leftover: bool,
}

impl core::fmt::Debug for StoredRow<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StoredRow")
            .field("key", &self.key)
            .field("len", &self.value.len())
            .finish_non_exhaustive()
    }
}

/// What a source of rows says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsAbout {
    /// `etcd` or `kine`.
    pub source: &'static str,
    /// The revision that was read.
    pub revision: i64,
    /// Compacted up to here; 0 when unknown.
    pub compact_revision: i64,
    /// Bytes of the source, as far as it is a file.
    pub bytes: u64,
    /// Whether superseded rows come too.
    pub history: bool,
}

/// What a source hands on.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// A row, or a copy of one.
    Row(StoredRow<'a>),
    /// A page of the file that holds the rows, to be searched for plaintext that is in no row; all rows come before.
    Page(&'a [u8]),
}

/// Gives rows, newest first where a name has several.
pub trait RowSource {
    /// Hands on some rows; `false` when there are no more.
    ///
    /// # Errors
    /// [`AuditError::Rows`] for whatever stopped the source.
    fn next_rows(&mut self, take: &mut dyn FnMut(Piece<'_>)) -> Result<bool, AuditError>;

    /// Rows given so far, and an estimate of how many there are.
    fn progress(&self) -> (u64, u64);

    /// What it is; asked after the last row.
    fn about(&self) -> RowsAbout;
}

/// As [`audit`](crate::audit), of rows: on the caller's thread, as they come.
///
/// # Errors
/// When the source stops, or the caller cancels.
pub fn audit_rows(
    source: &mut dyn RowSource,
    config: Option<&Config>,
    deks: &DekTable,
    options: &Options<'_>,
) -> Result<Report, AuditError> {
    let hash_key = options.hash_key();
    let chains = config
        .map(|c| Chains::new(c, options, &hash_key))
        .transpose()?;
    let also = also(options, &hash_key)?;
    let shared = Context {
        chains: chains.as_ref(),
        also: &also,
        logged: None,
        deks,
        etcd_prefix: options.etcd_prefix.as_deref(),
        hash_key,
        survey: false,
    };
    let mut tally = Tally::new(options.examples);
    tally.several = !also.is_empty();
    tally.leftovers.wanted = true;
    let mut starts = Starts::default();
    each_part(source, &shared, options, &mut starts, |part, left| {
        for (key, etcd_key, value) in left {
            tally.leftovers.add(key, &etcd_key, &value, &shared);
        }
        tally.add(part)
    })?;
    tally.end_rows();
    tally.leftovers.fragments = starts.beyond_rows().unwrap_or_default();
    let about = source.about();
    let snapshot = Snapshot {
        source: about.source,
        bytes: about.bytes,
        revision: about.revision,
        compact_revision: about.compact_revision,
        compaction_pending: false,
        consistent_index: None,
        term: None,
        storage_version: None,
        etcd_version: about.source,
        live_keys: tally.live_keys,
        rows: tally.rows,
        tombstones: tally.tombstones,
        deleted_keys: tally.deleted_keys,
        damaged_rows: 0,
        sha256: UNCHECKED,
    };
    let residue = about.history && options.residue;
    Ok(assemble(
        tally,
        config,
        options,
        snapshot,
        &[],
        residue,
        None,
    ))
}

/// As [`dek_requests`](crate::dek_requests), of rows.
///
/// # Errors
/// As [`audit_rows`].
pub fn dek_requests_of_rows(
    source: &mut dyn RowSource,
    config: &Config,
    deks: &DekTable,
    options: &Options<'_>,
) -> Result<DekSurvey, AuditError> {
    let hash_key = options.hash_key();
    let chains = Chains::new(config, options, &hash_key)?;
    let shared = Context {
        chains: Some(&chains),
        also: &[],
        logged: None,
        deks,
        etcd_prefix: options.etcd_prefix.as_deref(),
        hash_key,
        survey: true,
    };
    let mut collector = survey::Collector::default();
    let mut starts = Starts::default();
    each_part(source, &shared, options, &mut starts, |part, _| {
        collector.add(part)
    })?;
    Ok(collector.finish())
}

type Left = Vec<(RowKey, Vec<u8>, Vec<u8>)>;

fn each_part(
    source: &mut dyn RowSource,
    shared: &Context<'_>,
    options: &Options<'_>,
    starts: &mut Starts,
    mut merge: impl FnMut(crate::part::Part, Left) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let pace = Pace::new(options, 0);
    let mut examiner = Examiner::new(shared);
    loop {
        let (mut part, mut left) = (examiner.begin(), Left::new());
        let more = source.next_rows(&mut |piece| match piece {
            Piece::Page(_) if shared.survey => {}
            Piece::Page(bytes) => starts.page(bytes, &shared.hash_key),
            Piece::Row(row) => {
                starts.row(row.value, &shared.hash_key);
                if row.leftover {
                    left.push((row.key, row.etcd_key.to_vec(), row.value.to_vec()));
                } else {
                    examiner.see(&row, &mut part);
                }
            }
        })?;
        merge(part, left)?;
        let (done, total) = source.progress();
        pace.at(done, total)?;
        if !more {
            return Ok(());
        }
    }
}
