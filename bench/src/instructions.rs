//! Fixed pieces of work whose instructions a simulator counts: the same on a busy machine as on an idle one.
//!
//! Only what [`measured`] does is counted; `scripts/bench instructions` tells the simulator so, by that name.

use std::hint::black_box;
use std::path::Path;

use k8senc::crypto::{Backend, PORTABLE};
use k8senc::kms::DekTable;
use k8senc::secret::Plaintext;
use k8senc_audit::{FileSource, Options, audit};
use k8senc_backends::NATIVE;
use k8senc_config::{Config, LintOptions, lint, validate};

use crate::{Outcome, crypto, files};

const FORMATS: [&str; 7] = [
    "identity",
    "aescbc",
    "aesgcm",
    "secretbox",
    "kmsv1",
    "kmsv2",
    "kmsv2-key",
];
/// Bytes of plaintext.
const SIZE: usize = 1024;

/// Prints the name of each piece of work and how often it is done in a run.
pub fn names() -> Outcome<()> {
    for backend in ["native", "portable"] {
        for direction in ["open", "seal"] {
            for format in FORMATS {
                println!("{direction}-{format}-{backend} 100");
            }
        }
    }
    println!("config-200-lines 1\naudit-sample-classify 1\naudit-sample-decrypt 1");
    Ok(())
}

/// Does one piece of work.
pub fn run(name: &str) -> Outcome<()> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance-vectors/sample");
    match name {
        "config-200-lines" => {
            let text = files::shape("plain", 200)?;
            let options = LintOptions::default();
            measured(1, || {
                let config = Config::parse(&text)?;
                let verdict = validate(&text, &options.server);
                black_box((config, verdict, lint(&text, &options)));
                Ok(())
            })
        }
        "audit-sample-classify" | "audit-sample-decrypt" => {
            let source = FileSource::open(&sample.join("snapshot.db"))?;
            let config = Config::parse(&std::fs::read(sample.join("encryption-config.yaml"))?)?;
            let config = name.ends_with("decrypt").then_some(&config);
            let mut options = Options::new(&NATIVE);
            options.threads = 1;
            measured(1, || {
                let deks = DekTable::with_backend(&NATIVE);
                black_box(audit(&source, config, &deks, &options)?);
                Ok(())
            })
        }
        _ => {
            let (rest, backend) = name.rsplit_once('-').ok_or("no such work")?;
            let (direction, format) = rest.split_once('-').ok_or("no such work")?;
            let backend: &'static dyn Backend = match backend {
                "native" => &NATIVE,
                _ => &PORTABLE,
            };
            let family = format!("value-{format}");
            let mut call = crypto::prepare(backend, &family, direction == "seal", false, SIZE)?;
            let (mut plain, mut bytes) = (Plaintext::new(), Vec::new());
            // What is set up once, such as the features of the CPU, is not counted.
            call(&mut plain, &mut bytes)?;
            measured(100, || call(&mut plain, &mut bytes).map(drop))
        }
    }
}

/// What is counted. Its name is all that the simulator has to find it by.
#[inline(never)]
fn measured(times: u32, mut work: impl FnMut() -> Outcome<()>) -> Outcome<()> {
    for _ in 0..times {
        work()?;
    }
    Ok(())
}
