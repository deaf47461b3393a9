//! Times walks over every row of a backend file: `walk FILE [ROUNDS]`.
//!
//! Prints the best round of each: classify (open, walk, parse, look at the prefix) with the file in memory and by
//! positioned reads, leaf headers alone, and classify with the set that decides which rows are live.

use std::error::Error;
use std::fs::File;
use std::time::{Duration, Instant};

use etcd_store::{Batch, Class, HashKey, LiveSet, Options, PageSource, Row, SourceError, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: walk FILE [ROUNDS]")?;
    let rounds: u32 = args.next().map_or(Ok(10), |n| n.parse())?;
    let memory = std::fs::read(&path)?;
    let memory = memory.as_slice();
    let file = Positioned {
        len: memory.len() as u64,
        file: File::open(&path)?,
    };
    let rows = classify(&memory)?.0;
    println!(
        "{rows} rows in {} bytes, best of {rounds} rounds",
        memory.len()
    );
    best(rounds, "classify, in memory", || classify(&memory))?;
    best(rounds, "classify, by reads", || classify(&file))?;
    best(rounds, "leaf headers alone", || {
        let store = Store::open(memory, &Options::default())?;
        let mut leaves = store.leaves();
        while leaves.next_run()?.is_some() {}
        Ok((leaves.seen(), 0))
    })?;
    best(rounds, "classify and live set", || {
        let (key, mut names, mut live) = (HashKey::new([7; 16]), LiveSet::new(), 0);
        let rows = each_row(&memory, |row| {
            let hash = key.hash(row.key_value()?.key);
            live += u64::from(names.decide(row.key, hash)? == Class::Live);
            Ok(())
        })?;
        Ok((rows, live))
    })?;
    Ok(())
}

type Counts = Result<(u64, u64), etcd_store::Error>;

fn best(rounds: u32, what: &str, mut run: impl FnMut() -> Counts) -> Result<(), etcd_store::Error> {
    let (mut time, mut counts) = (Duration::MAX, (0, 0));
    for _ in 0..rounds {
        let start = Instant::now();
        counts = run()?;
        time = time.min(start.elapsed());
    }
    println!("{what}: {time:?} ({} seen, {} counted)", counts.0, counts.1);
    Ok(())
}

fn classify<S: PageSource>(source: &S) -> Counts {
    let mut prefixed = 0;
    let rows = each_row(source, |row| {
        prefixed += u64::from(row.key_value()?.value.starts_with(b"k8s:enc:"));
        Ok(())
    })?;
    Ok((rows, prefixed))
}

fn each_row<S: PageSource>(
    source: &S,
    mut visit: impl FnMut(Row<'_>) -> Result<(), etcd_store::Error>,
) -> Result<u64, etcd_store::Error> {
    let store = Store::open(source, &Options::default())?;
    let (mut batch, mut buffer, mut rows) = (Batch::new(), Vec::new(), 0);
    let mut leaves = store.leaves();
    while leaves.load(&mut batch, 32)? {
        store.warm(batch.runs());
        for run in batch.runs() {
            let leaf = store.leaf_in(&batch, run, &mut buffer)?;
            rows += leaf.rows().len() as u64;
            for row in leaf.rows().rev() {
                visit(row)?;
            }
        }
    }
    Ok(rows)
}

struct Positioned {
    file: File,
    len: u64,
}

impl PageSource for Positioned {
    fn len(&self) -> u64 {
        self.len
    }

    #[cfg(unix)]
    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, off).map_err(from_os)
    }

    #[cfg(not(unix))]
    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = &self.file;
        file.seek(SeekFrom::Start(off))
            .and_then(|_| file.read_exact(buf))
            .map_err(from_os)
    }
}

fn from_os(error: std::io::Error) -> SourceError {
    error
        .raw_os_error()
        .map_or(SourceError::Short, SourceError::Os)
}
