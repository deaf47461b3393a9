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

mod catalogue;
mod chains;
mod configurations;
mod digest;
mod drill;
mod encodings;
mod error;
mod escape;
mod evidence;
mod examine;
mod findings;
mod inventory;
mod judge;
mod key_use;
mod kinds;
mod logs;
#[cfg(unix)]
mod mapped;
mod marks;
mod names;
mod namespaces;
mod options;
mod part;
mod policy;
pub mod report;
mod residue;
mod revisions;
mod rows;
mod scan;
mod source;
mod starts;
mod survey;
mod tally;
mod timeline;
pub mod trial;

use etcd_store::{HashKey, PageSource, Store, Warning};
use k8senc::kms::DekTable;
use k8senc_config::Config;

pub use catalogue::{FINDING_KINDS, FindingKind};
pub use drill::{Drill, DrillResource, Missing};
pub use error::AuditError;
pub use escape::escape;
pub use logs::LogFile;
#[cfg(unix)]
pub use mapped::MappedSource;
pub use options::{Options, Progress};
pub use policy::{PolicyError, Requirement};
pub use report::{About, Report, ReportFormat};
pub use rows::{Piece, RowSource, RowsAbout, StoredRow, audit_rows, dek_requests_of_rows};
pub use source::{AnySource, FileSource};
pub use survey::{DekNeed, DekSurvey};

use chains::Chains;
use examine::{Context, Examiner};
use logs::Logged;
use options::Pace;
use report::{HashStatus, LogReport, Sha256Check, Snapshot};
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
    let hash_key = options.hash_key();
    let chains = config
        .map(|c| Chains::new(c, options, &hash_key))
        .transpose()?;
    let also = also(options, &hash_key)?;
    let mut shared = Context {
        chains: chains.as_ref(),
        also: &also,
        logged: None,
        deks,
        etcd_prefix: options.etcd_prefix.as_deref(),
        hash_key,
        survey: false,
    };
    let layout = *store.layout();
    let hashed = if options.hash { layout.db_len } else { 0 };
    let logged_bytes: u64 = options.logs.iter().map(|log| log.source.len()).sum();
    let pace = Pace::new(options, layout.db_len + hashed + logged_bytes);
    let logged = Logged::collect(&options.logs, &shared, &pace)?;
    shared.logged = Some(&logged).filter(|log| !log.is_empty());
    let mut tally = Tally::new(options.examples);
    tally.several = !also.is_empty();
    tally.leftovers.wanted = options.residue;
    // Hashing takes one thread for the whole time.
    let threads = options.threads();
    let workers = if options.hash {
        threads.saturating_sub(1)
    } else {
        threads
    };
    let mut rows = || {
        let claims = scan::scan(
            &store,
            workers,
            &pace,
            || Examiner::new(&shared),
            |part| tally.add(part),
        )?;
        tally.end_rows();
        // Only now it is known which pages no row lies in; another walk for it would read the file once more.
        if options.residue {
            tally.leftovers.collect(&store, &claims, &shared, &pace)?;
        }
        Ok::<_, AuditError>(claims)
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
    let log = (!options.logs.is_empty()).then(|| {
        let applied = snapshot.consistent_index;
        logged.report(&tally.logged, applied, options.examples)
    });
    Ok(assemble(
        tally,
        config,
        options,
        snapshot,
        &warnings,
        options.residue,
        log,
    ))
}

/// The chains of the further configurations.
fn also<'a>(options: &Options<'a>, hash_key: &HashKey) -> Result<Vec<Chains<'a>>, AuditError> {
    const MOST: usize = 31;
    let further = options.also.iter().take(MOST);
    further
        .map(|(_, config)| Chains::new(config, options, hash_key))
        .collect()
}

/// From counters to the report.
fn assemble(
    mut tally: Tally,
    config: Option<&Config>,
    options: &Options<'_>,
    snapshot: Snapshot,
    warnings: &[Warning],
    residue: bool,
    log: Option<LogReport>,
) -> Report {
    let dates = core::mem::take(&mut tally.timeline).finish();
    let groups = inventory::groups(&tally, &dates);
    let resources = inventory::resources(&tally);
    let mut totals = report::Counts::default();
    for resource in &resources {
        totals += resource.counts;
    }
    let residue = residue.then(|| tally.leftovers.report(options.examples));
    let seen = key_use::Seen {
        history: snapshot.source != "etcd",
        all: snapshot.damaged_rows == 0
            && snapshot.sha256.status != HashStatus::Mismatch
            && !tally.groups.iter().any(|group| group.folded),
    };
    let keys = key_use::keys(
        config,
        &groups,
        residue.as_ref(),
        log.as_ref(),
        &dates,
        seen,
    );
    let deks = inventory::deks(&tally);
    let known = findings::Evidence {
        snapshot: &snapshot,
        warnings,
        residue: residue.as_ref(),
        keys: &keys,
        deks: &deks,
        caches: &caches(config),
    };
    let mut findings = findings::collect(&tally, &known);
    evidence::budgets(&keys, &mut findings);
    evidence::ages(&groups, options, &mut findings);
    evidence::key_ids(&groups, &mut findings);
    if let Some(log) = &log {
        evidence::log(log, &mut findings);
    }
    let (mut configurations, mut opened_by) = (Vec::new(), Vec::new());
    if let Some(config) = config {
        evidence::typed(&keys, config, &mut findings);
        evidence::near_misses(&tally, config, options, &mut findings);
        if tally.several {
            (configurations, opened_by) = configurations::openers(&tally, config, options);
            evidence::openers(&opened_by, &configurations::names(options), &mut findings);
        }
    }
    catalogue::advise(snapshot.source, &mut findings);
    policy::sort(&mut findings);
    let (namespaces, other_namespaces) = tally.namespaces.report();
    Report {
        format: report::FORMAT,
        kind: "k8senc-audit",
        judged: config.is_some(),
        findings,
        snapshot,
        totals,
        resources,
        namespaces,
        other_namespaces,
        groups,
        deks,
        other_keys: inventory::other_keys(&tally, options.examples),
        residue,
        log,
        nonces: report::Nonces {
            compared: tally.nonces,
            beyond: tally.marks_beyond,
        },
        configurations,
        opened_by,
        newest_object: dates.newest(),
        keys,
    }
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
        source: "file",
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
        deleted_keys: tally.deleted_keys,
        damaged_rows: tally.damaged,
        sha256,
    }
}
