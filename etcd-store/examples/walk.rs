//! Times a walk over every row of a backend file held in memory: `walk FILE [ROUNDS]`.

use std::error::Error;
use std::time::Instant;

use etcd_store::{Class, HashKey, LiveSet, Options, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: walk FILE [ROUNDS]")?;
    let rounds: u32 = args.next().map_or(Ok(10), |n| n.parse())?;
    let file = std::fs::read(path)?;
    let key = HashKey::new([7; 16]);
    for _ in 0..rounds {
        let start = Instant::now();
        let store = Store::open(file.as_slice(), &Options::default())?;
        let (mut rows, mut prefixed) = (0_u64, 0_u64);
        for_each_leaf(&store, |row| {
            rows += 1;
            prefixed += u64::from(row.key_value()?.value.starts_with(b"k8s:enc:"));
            Ok(())
        })?;
        let classified = start.elapsed();

        let start = Instant::now();
        let mut leaves = store.leaves();
        while leaves.next_run()?.is_some() {}
        let headers = start.elapsed();

        let start = Instant::now();
        let (mut live, mut names) = (0_u64, LiveSet::new());
        for_each_leaf(&store, |row| {
            let hash = key.hash(row.key_value()?.key);
            live += u64::from(names.decide(row.key, hash)? == Class::Live);
            Ok(())
        })?;
        let decided = start.elapsed();
        println!(
            "classify {classified:?}, leaf headers {headers:?}, walk with live set {decided:?}; \
             {rows} rows, {prefixed} encrypted, {live} live, {} bytes in the set",
            names.memory()
        );
    }
    Ok(())
}

fn for_each_leaf(
    store: &Store<&[u8]>,
    mut visit: impl FnMut(etcd_store::Row<'_>) -> Result<(), etcd_store::Error>,
) -> Result<(), etcd_store::Error> {
    let (mut batch, mut buffer) = (Vec::new(), Vec::new());
    let mut leaves = store.leaves();
    while leaves.fill(&mut batch, 32)? {
        store.warm(&batch);
        for run in &batch {
            let leaf = store.leaf(run, &mut buffer)?;
            for row in leaf.rows().rev() {
                visit(row)?;
            }
        }
    }
    Ok(())
}
