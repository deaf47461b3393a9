//! Files that are none, or no longer what was written: an error that helps, or a finding; never a panic.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use std::sync::atomic::{AtomicBool, Ordering};

use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_audit::report::HashStatus;
use k8senc_audit::{AuditError, FileSource, Options, Report, audit};
use k8senc_config::Config;
use k8senc_vectors::sample_dir;

fn bytes() -> Vec<u8> {
    std::fs::read(sample_dir().join("snapshot.db")).unwrap()
}

fn run(bytes: &[u8]) -> Result<Report, AuditError> {
    let mut options = Options::new(&PORTABLE);
    options.threads = 2;
    audit(&bytes, None, &DekTable::new(), &options)
}

/// A fixed stream that looks random.
fn noise(len: usize, mut state: u64) -> Vec<u8> {
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len).map(|_| next().to_le_bytes()[3]).collect()
}

#[test]
fn a_file_that_is_none_is_refused_with_a_reason() {
    let cases: [(&str, Vec<u8>, &str, &str); 5] = [
        ("empty", Vec::new(), "not-bbolt", "empty"),
        (
            "short",
            noise(100, 1),
            "not-bbolt",
            "shorter than two pages",
        ),
        (
            "random",
            noise(1 << 16, 2),
            "not-bbolt",
            "not an etcd backend file",
        ),
        ("zeros", vec![0; 1 << 16], "not-bbolt", "zero"),
        (
            "gzip",
            [&[0x1f, 0x8b, 8, 0][..], &noise(9000, 3)].concat(),
            "not-bbolt",
            "gzip",
        ),
    ];
    for (what, bytes, code, words) in cases {
        let error = run(&bytes).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (code, 3), "{what}");
        assert!(error.to_string().contains(words), "{what}: {error}");
    }
}

#[test]
fn a_truncated_file_is_never_a_smaller_cluster() {
    let whole = bytes();
    let mut len = 0;
    while len < whole.len() {
        let error = run(&whole[..len]).unwrap_err();
        assert_eq!(error.exit_code(), 3, "{len} bytes");
        len += 7919;
    }
    let error = run(&whole[..whole.len() / 2]).unwrap_err();
    assert_eq!(error.code(), "truncated");
    assert!(error.to_string().contains("bytes"), "{error}");
}

#[test]
fn a_flipped_bit_is_noticed_wherever_it_is() {
    let whole = bytes();
    for round in 0..120 {
        let mut bytes = whole.clone();
        let at = (round * 8009 + 13) % bytes.len();
        bytes[at] ^= 1 << (round % 8);
        let exit = match run(&bytes) {
            Ok(report) => {
                assert_eq!(
                    report.snapshot.sha256.status,
                    HashStatus::Mismatch,
                    "byte {at}"
                );
                assert!(report.findings.iter().any(|f| f.code == "trailer-mismatch"));
                report.exit_code()
            }
            Err(error) => error.exit_code(),
        };
        assert_eq!(exit, 3, "byte {at}");
    }
}

#[test]
fn damage_gives_the_same_answer_on_any_number_of_threads() {
    let text = std::fs::read(sample_dir().join("encryption-config.yaml")).unwrap();
    let config = Config::parse(&text).unwrap();
    let whole = bytes();
    let mut options = Options::new(&PORTABLE);
    // Without trailer, so that what is found in the pages decides.
    options.hash = false;
    let mut judged = 0;
    for round in 0..150 {
        let mut bytes = whole.clone();
        for (i, byte) in noise(1 + round % 40, round as u64 + 9)
            .into_iter()
            .enumerate()
        {
            let at = (round * 6007 + i * 40_961 + 8192) % bytes.len();
            bytes[at] ^= byte;
        }
        let answers = [1, 3].map(|threads| {
            options.threads = threads;
            audit(&&bytes[..], Some(&config), &DekTable::new(), &options).map_err(|e| e.to_string())
        });
        judged += usize::from(answers[0].is_ok());
        assert_eq!(answers[0], answers[1], "round {round}");
    }
    assert!(
        judged > 10,
        "only {judged} damaged files were read to the end"
    );
}

#[test]
fn a_page_of_noise_anywhere_is_an_error_or_a_mismatch() {
    let whole = bytes();
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        let junk = noise(4096, page as u64 + 1);
        bytes[page * 4096..][..4096].copy_from_slice(&junk);
        let exit = run(&bytes).map_or_else(|e| e.exit_code(), |r| r.exit_code());
        assert_eq!(exit, 3, "page {page}");
    }
}

#[test]
fn a_file_without_trailer_is_read_and_said_so() {
    let whole = bytes();
    let report = run(&whole[..whole.len() - 32]).unwrap();
    assert_eq!(report.snapshot.sha256.status, HashStatus::Absent);
    assert!(report.findings.iter().any(|f| f.code == "no-trailer"));
    assert_ne!(report.exit_code(), 3);
}

#[test]
fn a_directory_is_no_snapshot() {
    let error = FileSource::open(&sample_dir()).unwrap_err();
    assert_eq!(error.code(), "not-a-file");
    let error = FileSource::open(&sample_dir().join("absent.db")).unwrap_err();
    assert_eq!(error.code(), "open");
}

#[test]
fn cancelling_ends_with_130_and_progress_ends_at_the_end() {
    let whole = bytes();
    for threads in [1, 2] {
        let stop = AtomicBool::new(true);
        let mut options = Options::new(&PORTABLE);
        options.threads = threads;
        options.cancel = Some(&stop);
        let error = audit(&&whole[..], None, &DekTable::new(), &options).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("cancelled", 130));

        let ended = AtomicBool::new(false);
        let progress = |done: u64, total: u64| {
            assert!(done <= total);
            ended.store(done == total, Ordering::Relaxed);
        };
        options.cancel = None;
        options.progress = Some(&progress);
        audit(&&whole[..], None, &DekTable::new(), &options).unwrap();
        assert!(ended.load(Ordering::Relaxed));
    }
}

/// A finished snapshot of ours is mapped, anything else is read; the answer is the same.
#[cfg(unix)]
#[test]
fn a_file_is_read_the_same_way_mapped_or_not() {
    let snapshot = k8senc_vectors::sample_dir().join("snapshot.db");
    let options = k8senc_audit::Options::new(&k8senc::crypto::PORTABLE);
    let deks = k8senc::kms::DekTable::new();
    let any = k8senc_audit::AnySource::open(&snapshot).unwrap();
    let read = k8senc_audit::FileSource::open(&snapshot).unwrap();
    let of = |source: &(dyn etcd_store::PageSource + Sync)| {
        serde_json::to_string(&k8senc_audit::audit(source, None, &deks, &options).unwrap()).unwrap()
    };
    assert_eq!(of(&any), of(&read));
    let member = std::env::temp_dir().join(format!("k8senc-member-{}.db", std::process::id()));
    std::fs::write(&member, vec![0u8; 8192]).unwrap();
    let opened = k8senc_audit::AnySource::open(&member);
    std::fs::remove_file(&member).unwrap();
    assert!(matches!(opened.unwrap(), k8senc_audit::AnySource::Read(_)));
}
