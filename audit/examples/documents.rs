//! Writes a snapshot's report in every format, whole and with names left out, as the command does: what the tests of other
//! bindings are compared with. `documents SNAPSHOT [CONFIG]` prints `{"FORMAT": [whole, redacted]}`.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_audit::{About, FileSource, Options, ReportFormat, audit};
use k8senc_config::Config;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let snapshot = arguments.next().unwrap();
    let config = arguments
        .next()
        .map(|file| Config::parse(&std::fs::read(file).unwrap()).unwrap());
    let source = FileSource::open(&snapshot).unwrap();
    let report = audit(
        &source,
        config.as_ref(),
        &DekTable::new(),
        &Options::new(&PORTABLE),
    )
    .unwrap();
    let about = About::new(snapshot.file_name().unwrap().as_encoded_bytes());
    let redacted = report.clone().redacted();
    let documents: BTreeMap<&str, [String; 2]> = ReportFormat::ALL
        .into_iter()
        .map(|format| {
            let both = [&report, &redacted].map(|it| it.write(format, &about).unwrap());
            (format.name(), both)
        })
        .collect();
    serde_json::to_writer(std::io::stdout().lock(), &documents).unwrap();
}
