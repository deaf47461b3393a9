//! What `scripts/bench` runs of ours.
//!
//! `k8senc-bench crypto` answers lines, `config SECONDS` times files of many shapes, `instructions [NAME]` does a fixed piece of work.
//!
//! `k8senc-bench MODE mapped|read FILE CONFIG THREADS ROUNDS` times passes over one file. It prints milliseconds and rows of each
//! round; the first one is on a fresh process, the others are warm. Modes: `classify`, `decrypt`, `audit` (with hash), `residue`
//! (classifies, and its rows are those of free pages), `sha256`, `touch` (adds up the file's words, as fast as memory gives
//! them), and `memory`, which prints the most anonymous memory, in KiB, seen during a whole audit, and the live keys.

mod crypto;
mod files;
mod instructions;

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use etcd_store::PageSource;
use k8senc::kms::DekTable;
use k8senc_audit::{FileSource, MappedSource, Options, Report, audit};
use k8senc_backends::NATIVE;
use k8senc_config::Config;
use sha2::{Digest, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["crypto"] => return crypto::worker(),
        ["config", seconds] => return files::times(seconds.parse()?),
        ["instructions"] => return instructions::names(),
        ["instructions", name] => return instructions::run(name),
        _ => {}
    }
    let [mode, access, file, config, threads, rounds] = args.as_slice() else {
        return Err(
            "usage: k8senc-bench classify|decrypt|audit|residue|sha256|touch|memory mapped|read FILE CONFIG THREADS ROUNDS"
                .into(),
        );
    };
    let config = Config::parse(&std::fs::read(config)?)?;
    let path = Path::new(file);
    let source: Box<dyn PageSource + Sync> = match access.as_str() {
        "mapped" => Box::new(MappedSource::open(path)?),
        _ => Box::new(FileSource::open(path)?),
    };
    let source = &*source;
    let mut options = Options::new(&NATIVE);
    options.threads = threads.parse()?;
    options.hash = matches!(mode.as_str(), "audit" | "memory");
    let config = (!matches!(mode.as_str(), "classify" | "residue")).then_some(&config);
    if mode == "memory" {
        return memory(source, config, options);
    }
    for _ in 0..rounds.parse::<usize>()? {
        let begin = Instant::now();
        let rows = match mode.as_str() {
            "sha256" => hash(source)?,
            "touch" => touch(source)?,
            _ => {
                let deks = DekTable::with_backend(&NATIVE);
                let report = audit(source, config, &deks, &options)?;
                let live = rows(&report)?;
                if mode == "residue" {
                    report.residue.map_or(0, |found| found.rows)
                } else {
                    live
                }
            }
        };
        println!("{:.3} {rows}", begin.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(())
}

/// The live values, after a look whether the pass did what is timed.
fn rows(report: &Report) -> Outcome<u64> {
    let t = &report.totals;
    if t.stale + t.unreadable + t.undecided + t.plaintext > 0 {
        return Err(format!("the file of the benchmark should be clean: {t:?}").into());
    }
    Ok(t.live)
}

fn hash(source: &(dyn PageSource + Sync)) -> Outcome<u64> {
    let (mut hasher, mut buffer, mut at) = (Sha256::new(), vec![0; 1 << 20], 0);
    while at < source.len() {
        let len =
            usize::try_from(source.len() - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        if let Some(bytes) = source.slice(at, len) {
            hasher.update(bytes);
        } else {
            buffer.truncate(len);
            source.read_at(at, &mut buffer)?;
            hasher.update(&buffer);
        }
        at += len as u64;
    }
    std::hint::black_box(hasher.finalize());
    Ok(at)
}

/// Reads all of a mapped file and does next to nothing with it.
fn touch(source: &(dyn PageSource + Sync)) -> Outcome<u64> {
    let len = usize::try_from(source.len())?;
    let bytes = source
        .slice(0, len)
        .ok_or("only a mapped file can be touched")?;
    let (words, _) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0_u64, |sum, word| {
        sum.wrapping_add(u64::from_le_bytes(*word))
    });
    std::hint::black_box(sum);
    Ok(source.len())
}

fn memory(
    source: &(dyn PageSource + Sync),
    config: Option<&Config>,
    options: Options<'_>,
) -> Outcome<()> {
    let most = AtomicU64::new(0);
    let look = |_, _| {
        most.fetch_max(anonymous().unwrap_or(u64::MAX), Ordering::Relaxed);
    };
    let mut options = options;
    options.progress = Some(&look);
    let report = audit(source, config, &DekTable::with_backend(&NATIVE), &options)?;
    println!("{} {}", most.load(Ordering::Relaxed), rows(&report)?);
    Ok(())
}

/// `RssAnon` of this process in KiB.
fn anonymous() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse().ok()
}
