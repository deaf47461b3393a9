//! Random damage to real files: any answer will do, but an answer it must be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use etcd_store::wal::Log;
use etcd_store::{Options, PageSource};

use crate::image::{Copied, Counted, reaches, walk};
use crate::log::LOG;
use crate::real::{HISTORY, SAMPLE, STOPPED};

/// SplitMix64: one seed, one sequence of damages.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Damages where it hurts: page headers, element arrays, meta pages; sometimes anywhere.
fn damage(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let page = random.below(file.len() / 4096);
        let at = match random.below(8) {
            0..=2 => page * 4096 + random.below(16),
            3..=5 => page * 4096 + 16 + random.below(64),
            6 => random.below(file.len()),
            _ => random.below(2) * 4096 + 16 + random.below(64),
        };
        let byte = &mut file[at];
        *byte = match random.below(4) {
            0 => 0,
            1 => 0xff,
            2 => *byte ^ 1 << random.below(8),
            _ => random.next() as u8,
        };
    }
    if random.below(16) == 0 {
        file.truncate(random.below(file.len()));
    }
}

/// How often each answer came.
fn trials(sound: &[u8], seed: u64, count: u32) -> BTreeMap<&'static str, u32> {
    let mut random = Random(seed);
    let mut answers = BTreeMap::new();
    let mut forensic = Options::default();
    forensic.accept_truncated = true;
    for trial in 0..count {
        let mut file = sound.to_vec();
        damage(&mut file, &mut random);
        let started = Instant::now();
        let options = if trial % 2 == 0 {
            Options::default()
        } else {
            forensic
        };
        let answer = walk(file.as_slice(), &options);
        if trial % 16 == 0 {
            assert_eq!(answer, walk(Copied(&file), &options));
            for reach in reaches() {
                assert_eq!(answer, walk(Counted::new(&file, reach), &options));
            }
        }
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "trial {trial} of seed {seed} took {:?}",
            started.elapsed()
        );
        *answers
            .entry(answer.map_or_else(|e| e.code(), |_| "read"))
            .or_default() += 1;
    }
    answers
}

#[test]
fn damaged_files_get_an_answer() {
    let mut answers = trials(HISTORY, 1, 6000);
    for (file, seed, count) in [(STOPPED, 2, 6000), (SAMPLE, 3, 300)] {
        for (code, n) in trials(file, seed, count) {
            *answers.entry(code).or_default() += n;
        }
    }
    // The damage reaches what it is meant to reach.
    for code in [
        "read",
        "bad-page-type",
        "page-id-mismatch",
        "bad-overflow",
        "bad-count",
        "bad-element",
        "bad-order",
    ] {
        assert!(
            answers.get(code).is_some_and(|n| *n > 5),
            "{code}: {answers:?}"
        );
    }
}

#[test]
fn every_truncation_gets_an_answer() {
    for len in (0..HISTORY.len()).step_by(97) {
        let file = &HISTORY[..len];
        assert_eq!(PageSource::len(file), len as u64);
        let answer = walk(file, &Options::default());
        assert!(
            answer.is_err(),
            "{len} bytes of {} were read",
            HISTORY.len()
        );
    }
}

#[test]
fn damaged_logs_get_an_answer() {
    let mut random = Random(4);
    let (mut unsound, mut refused, mut buffer) = (0, 0, Vec::new());
    for _ in 0..2000 {
        let mut file = LOG.to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(file.len() - 512);
            file[at] = random.next() as u8;
        }
        let mut log = Log::new(file.as_slice(), None);
        loop {
            match log.next_record(&mut buffer) {
                Ok(Some(record)) => {
                    unsound += u32::from(!record.sound);
                    // Whatever it answers: it answers.
                    let _ = record.entry().map(|e| e.map(|e| e.values(&mut |_| ())));
                }
                Ok(None) => break,
                Err(_) => {
                    refused += 1;
                    break;
                }
            }
        }
        assert!(log.position() <= file.len() as u64);
    }
    assert!(unsound > 1000 && refused > 10, "{unsound} {refused}");
}
