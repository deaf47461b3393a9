//! The loader reads every vector file and finds what the manifest counts.

use k8senc_vectors::{
    ConfigExpect, ReadExpect, configuration, contract, decodes, each, manifest, reading, sample,
    sample_dir, sample_keks, transcripts, writing, yaml,
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
    assert_eq!(decodes("").len(), listed("decode"));
    assert_eq!(contract("").len(), listed("contract"));
    let configurations = configuration("");
    assert_eq!(configurations.len(), listed("config"));
    for case in configurations {
        if let ConfigExpect::Refused { text, compare, .. } = &case.expect {
            assert!(compare.matches(text, text), "{}/{}", case.suite, case.id);
        }
    }
}

#[test]
fn the_sample_loads_and_its_sums_agree() {
    let sample = sample();
    let live: usize = sample.resources.values().map(|r| r.live).sum();
    assert_eq!(live + sample.other_keys.len(), sample.snapshot.live_keys);
    for (name, sums) in &sample.resources {
        let of = || sample.groups.iter().filter(|g| g.resource == *name);
        assert_eq!(of().map(|g| g.live).sum::<usize>(), sums.live, "{name}");
        assert_eq!(
            of().map(|g| g.stale).sum::<usize>(),
            sums.live_stale,
            "{name}"
        );
        assert_eq!(
            of().map(|g| g.history).sum::<usize>(),
            sums.history,
            "{name}"
        );
    }
    let bytes = std::fs::metadata(sample_dir().join(&sample.snapshot.file))
        .unwrap()
        .len();
    assert_eq!(bytes, sample.snapshot.bytes);
    assert!(
        sample
            .distinct_deks
            .keys()
            .all(|plugin| sample_keks().plugins.contains_key(plugin))
    );
}

#[test]
fn every_file_in_the_folders_is_listed() {
    let m = manifest();
    for folder in [
        "wire", "write", "state", "config", "yaml", "contract", "object",
    ] {
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
