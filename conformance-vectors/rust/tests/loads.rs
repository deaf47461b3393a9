//! The loader reads every vector file and finds what the manifest counts.

use k8senc_vectors::{
    ConfigExpect, ReadExpect, configuration, each, manifest, reading, transcripts, writing, yaml,
};

#[test]
fn every_listed_case_loads() {
    let m = manifest();
    let read: usize = m
        .suites
        .values()
        .filter(|s| s.kind == "read")
        .map(|s| s.cases)
        .sum();
    assert_eq!(each("", |_| {}), read);
    assert_eq!(each("wire/aescbc", |_| {}), m.count("wire/aescbc"));
    assert!(m.total >= 1_000, "{}", m.total);
    assert!(
        m.source
            .get("k8s.io/apiserver")
            .is_some_and(|v| v.starts_with("v0.37."))
    );
}

#[test]
fn every_kind_of_case_loads() {
    let m = manifest();
    let listed = |kind: &str| -> usize {
        m.suites
            .values()
            .filter(|s| s.kind == kind)
            .map(|s| s.cases)
            .sum()
    };
    assert_eq!(writing("").len(), listed("write"));
    assert_eq!(transcripts("").len(), listed("state"));
    assert_eq!(yaml("").len(), listed("yaml"));
    let configurations = configuration("");
    assert_eq!(configurations.len(), listed("config"));
    for case in configurations {
        if let ConfigExpect::Refused { text, compare, .. } = &case.expect {
            assert!(compare.matches(text, text), "{}/{}", case.suite, case.id);
        }
    }
}

#[test]
fn every_file_in_the_folders_is_listed() {
    let m = manifest();
    for folder in ["wire", "write", "state", "config", "yaml"] {
        let Ok(entries) = std::fs::read_dir(k8senc_vectors::root().join(folder)) else {
            continue;
        };
        for entry in entries {
            let name = format!(
                "{folder}/{}",
                entry.unwrap().file_name().into_string().unwrap()
            );
            assert!(
                m.suites.values().any(|s| s.file == name),
                "{name} is not in the manifest"
            );
        }
    }
}

#[test]
fn upstream_texts_match_themselves() {
    for case in reading("") {
        if let ReadExpect::Refused(u) | ReadExpect::UpstreamPanics(u) = &case.expect {
            assert!(u.matches(&u.text), "{}/{}", case.suite, case.id);
        }
    }
}

#[test]
#[should_panic(expected = "no suite of kind read starts with \"wire/none\"")]
fn an_unknown_suite_is_an_error() {
    let _ = reading("wire/none");
}
