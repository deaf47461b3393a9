//! What is encrypted in an etcd file, with which provider and key; what is stale, what cannot be read, and what still
//! lies there in plaintext.
//!
//! ```text
//! FileSource::open(path)                              any etcd_store::PageSource will do
//! dek_requests(&source, &config, &deks, &options)     what the KMS must be asked; the caller asks, and fills the DekTable
//! audit(&source, Some(&config), &deks, &options)      one pass in parallel, hash included -> Report
//! ```
//!
//! Plaintext never leaves the one function that looks whether it is an object. Everything in the file is taken for hostile:
//! a fault of a value is counted, a fault of the file is an [`AuditError`], and tables that a crafted file could fill are bounded.

mod chains;
mod digest;
mod drill;
mod error;
mod escape;
mod examine;
mod findings;
mod inventory;
mod judge;
mod key_use;
mod log;
#[cfg(unix)]
mod mapped;
mod names;
mod options;
mod part;
mod policy;
pub mod report;
mod residue;
mod scan;
mod source;
mod survey;
mod tally;

use etcd_store::{PageSource, Store};
use k8senc::kms::DekTable;
use k8senc_config::Config;

pub use drill::{Drill, DrillResource, Missing};
pub use error::AuditError;
pub use escape::escape;
pub use log::LogRead;
#[cfg(unix)]
pub use mapped::MappedSource;
pub use options::{Options, Progress};
pub use policy::{PolicyError, Requirement};
pub use report::{About, Report, ReportFormat};
pub use source::{AnySource, FileSource};
pub use survey::{DekNeed, DekSurvey};

use chains::Chains;
use examine::{Context, Examiner};
use options::Pace;
use report::{HashStatus, Sha256Check, Snapshot};
use tally::Tally;

/// Reads the whole file once and says what is in it. Without a configuration values are classified by what they begin with;
/// with one they are opened and judged as kube-apiserver would.
///
/// # Errors
/// When the file cannot be read as an etcd backend, when the caller cancels, when no thread can be started.
pub fn audit(
    source: &(dyn PageSource + Sync),
    config: Option<&Config>,
    deks: &DekTable,
    options: &Options<'_>,
) -> Result<Report, AuditError> {
    let store = Store::open(source, &etcd_store::Options::default())?;
    let chains = config.map(|c| Chains::new(c, options)).transpose()?;
    let shared = Context {
        chains: chains.as_ref(),
        deks,
        etcd_prefix: options.etcd_prefix.as_deref(),
        hash_key: options.hash_key(),
        survey: false,
    };
    let layout = *store.layout();
    let hashed = if options.hash { layout.db_len } else { 0 };
    let pace = Pace::new(options, layout.db_len.saturating_add(hashed));
    let mut tally = Tally::new(options.examples);
    let claims = store.leaves().finish()?;
    if options.residue {
        tally.leftovers =
            residue::Leftovers::collect(&store, &claims, &shared, || pace.cancelled())?;
    }
    // Hashing takes one thread for the whole time.
    let threads = options.threads();
    let workers = if options.hash {
        threads.saturating_sub(1)
    } else {
        threads
    };
    let mut rows = || {
        scan::scan(
            &store,
            workers,
            &pace,
            || Examiner::new(&shared),
            |part| tally.add(part),
        )
    };
    let hash = || {
        if options.hash {
            digest::check(source, &layout, &pace)
        } else {
            Ok(UNCHECKED)
        }
    };
    let (rows, sha256) = if threads <= 1 {
        (rows(), hash())
    } else {
        std::thread::scope(|scope| {
            let hashing = std::thread::Builder::new().spawn_scoped(scope, hash);
            let rows = rows();
            if rows.is_err() {
                pace.fail();
            }
            let sha256 = match hashing {
                Ok(running) => running
                    .join()
                    .unwrap_or_else(|p| std::panic::resume_unwind(p)),
                Err(error) => Err(AuditError::Thread(error)),
            };
            (rows, sha256)
        })
    };
    let claims = rows?;
    let sha256 = sha256?;
    pace.finish();
    let warnings: Vec<_> = store
        .warnings()
        .iter()
        .copied()
        .chain(claims.warning())
        .collect();
    let snapshot = snapshot(&store, &tally, sha256);
    let groups = inventory::groups(&tally);
    let resources = inventory::resources(&tally);
    let mut totals = report::Counts::default();
    for resource in &resources {
        totals += resource.counts;
    }
    let residue = options
        .residue
        .then(|| tally.leftovers.report(options.examples));
    let keys = key_use::keys(config, &groups, residue.as_ref());
    let deks = inventory::deks(&tally);
    let evidence = findings::Evidence {
        snapshot: &snapshot,
        warnings: &warnings,
        residue: residue.as_ref(),
        keys: &keys,
        deks: &deks,
        caches: &caches(config),
    };
    Ok(Report {
        format: report::FORMAT,
        kind: "k8senc-audit",
        judged: config.is_some(),
        findings: findings::collect(&tally, &evidence),
        snapshot,
        totals,
        resources,
        groups,
        deks,
        other_keys: inventory::other_keys(&tally, options.examples),
        residue,
        keys,
    })
}

/// Names and cache sizes of the KMS v1 providers.
fn caches(config: Option<&Config>) -> Vec<(String, i32)> {
    let blocks = config.into_iter().flat_map(Config::kms_blocks);
    blocks
        .filter_map(|block| Some((escape(block.name.as_bytes()), block.cache_size?)))
        .collect()
}

/// Reads the whole file once and collects what a KMS must be asked, beyond what `deks` holds; no value is opened.
///
/// # Errors
/// As [`audit`].
pub fn dek_requests(
    source: &(dyn PageSource + Sync),
    config: &Config,
    deks: &DekTable,
    options: &Options<'_>,
) -> Result<DekSurvey, AuditError> {
    let store = Store::open(source, &etcd_store::Options::default())?;
    let chains = Chains::new(config, options)?;
    let shared = Context {
        chains: Some(&chains),
        deks,
        etcd_prefix: options.etcd_prefix.as_deref(),
        hash_key: options.hash_key(),
        survey: true,
    };
    let pace = Pace::new(options, store.layout().db_len);
    let mut collector = survey::Collector::default();
    scan::scan(
        &store,
        options.threads(),
        &pace,
        || Examiner::new(&shared),
        |part| collector.add(part),
    )?;
    pace.finish();
    Ok(collector.finish())
}

const UNCHECKED: Sha256Check = Sha256Check {
    status: HashStatus::Unchecked,
    computed: None,
    stored: None,
};

fn snapshot<S: PageSource>(store: &Store<S>, tally: &Tally, sha256: Sha256Check) -> Snapshot {
    let info = store.info();
    Snapshot {
        bytes: store.layout().file_len,
        revision: info.revision,
        compact_revision: info.compact_revision,
        compaction_pending: info.compaction_pending,
        consistent_index: info.consistent_index,
        term: info.term,
        storage_version: info
            .storage_version
            .map(|(major, minor)| format!("{major}.{minor}")),
        etcd_version: info.version_guess(),
        live_keys: tally.live_keys,
        rows: tally.rows,
        tombstones: tally.tombstones,
        deleted_keys: tally.live.deleted(),
        damaged_rows: tally.damaged,
        sha256,
    }
}
