//! Every fuzz target over its seeds, over what was found before, and over damage with a fixed beginning.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use k8senc_fuzz_bodies::{TARGETS, Target};

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Inputs that once broke something, one file each.
fn regressions(target: &Target) -> Vec<Vec<u8>> {
    let folder = fuzz_dir().join("regressions").join(target.name);
    let Ok(files) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

/// A xorshift, so that a failure is there again the next time.
struct Damage(u64);

impl Damage {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(below.max(1)).unwrap()).unwrap()
    }

    fn damaged(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut out = seed.to_vec();
        for _ in 0..=self.next(3) {
            let at = self.next(out.len());
            match self.next(5) {
                0 => out.truncate(at),
                1 => out.insert(at.min(out.len()), u8::try_from(self.next(256)).unwrap()),
                2 if at < out.len() => drop(out.remove(at)),
                _ => {
                    let flip = 1 << self.next(8);
                    out.iter_mut().skip(at).take(1).for_each(|b| *b ^= flip);
                }
            }
        }
        out
    }
}

#[test]
fn every_target_comes_back_from_every_input() {
    let mut broken = Vec::new();
    for target in TARGETS {
        let mut try_input = |what: String, input: &[u8]| {
            if catch_unwind(AssertUnwindSafe(|| (target.body)(input))).is_err() {
                let hex: String = input
                    .iter()
                    .take(2000)
                    .map(|b| format!("{b:02x}"))
                    .collect();
                broken.push(format!("{} {what}: {hex}", target.name));
            }
        };
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        try_input("on nothing".to_owned(), b"");
        for (at, input) in regressions(target).iter().enumerate() {
            try_input(format!("regression {at}"), input);
        }
        let mut damage = Damage(0x9e37_79b9_7f4a_7c15);
        for (at, seed) in seeds.iter().enumerate() {
            try_input(format!("seed {at}"), seed);
            for _ in 0..2 {
                try_input(format!("seed {at} damaged"), &damage.damaged(seed));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_target_has_its_file_and_no_other_is_there() {
    let mut files: Vec<String> = std::fs::read_dir(fuzz_dir().join("fuzz_targets"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut named: Vec<String> = TARGETS
        .iter()
        .map(|target| format!("{}.rs", target.name))
        .collect();
    named.sort();
    assert_eq!(files, named);
    let manifest = std::fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let line = format!("name = \"{}\"", target.name);
        assert!(manifest.contains(&line), "fuzz/Cargo.toml lacks {line}");
        let text =
            std::fs::read_to_string(fuzz_dir().join(format!("fuzz_targets/{}.rs", target.name)));
        assert!(text.unwrap().contains(&format!("run(\"{}\"", target.name)));
    }
}
