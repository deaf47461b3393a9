//! Writes the seeds of every target to `<folder>/<target>/`, for libFuzzer.

use std::{fs, io, path::Path};

use k8senc_fuzz_bodies::TARGETS;

fn main() -> io::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("write_seeds needs a folder"))?;
    for target in TARGETS {
        let folder = Path::new(&folder).join(target.name);
        fs::create_dir_all(&folder)?;
        for (at, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{at}")), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
