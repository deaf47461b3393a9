//! Every error the vectors hold has advice.

use k8senc_config::{ERROR_CODES, HAZARD_CODES, error_texts, explain_error};
use k8senc_vectors::{ConfigExpect, ReadExpect, configuration, reading};

#[test]
fn every_recorded_refusal_of_a_file_is_explained() {
    let mut unknown = Vec::new();
    for case in configuration("config/") {
        if let ConfigExpect::Refused { text, .. } = &case.expect
            && explain_error(text).is_empty()
        {
            unknown.push(text.clone());
        }
    }
    // go-yaml has a long tail of its own.
    unknown
        .retain(|text| !text.contains(": yaml: ") && !text.contains("\": time: invalid duration"));
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn every_recorded_refusal_of_a_value_is_explained() {
    let mut unknown = Vec::new();
    for case in reading("wire/") {
        // A plugin's own words are not kube-apiserver's.
        let plugins = ["dek-refused", "several"];
        if let ReadExpect::Refused(upstream) = &case.expect
            && !plugins.contains(&upstream.code.as_str())
            && explain_error(&upstream.text).is_empty()
        {
            unknown.push(upstream.text.clone());
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn a_log_line_is_understood_with_its_quotes_escaped() {
    let line = r#"W1123 reflector.go: resource "secrets" err="Internal error: unable to transform key \"/registry/secrets/a/b\": no matching prefix found""#;
    let found = explain_error(line);
    assert_eq!(
        found.first().map(|a| a.text),
        Some("no matching prefix found")
    );
}

#[test]
fn the_most_specific_text_comes_first() {
    let found = explain_error(
        "failed to decrypt DEK, error: rpc error: code = DeadlineExceeded desc = context deadline exceeded",
    );
    assert_eq!(
        found.first().map(|a| a.text),
        Some("failed to decrypt DEK, error: …")
    );
    assert!(found.iter().any(|a| a.text == "code = DeadlineExceeded"));
    assert!(explain_error("all is well").is_empty());
}

#[test]
fn each_text_explains_itself() {
    for advice in error_texts() {
        let found = explain_error(&advice.text.replace('…', "x"));
        assert!(
            found.iter().any(|a| a.text == advice.text),
            "{}",
            advice.text
        );
    }
}

#[test]
fn every_error_code_is_explained() {
    let explained: Vec<&str> = ERROR_CODES.iter().map(|c| c.code).collect();
    assert_eq!(explained, k8senc::Error::CODES);
    let advised = ERROR_CODES.iter().filter(|c| c.advice().is_some()).count();
    assert!(advised >= 30, "{advised}");
}

#[test]
fn every_hazard_code_is_explained() {
    let source = include_str!("../src/transition/hazards.rs");
    for (i, hazard) in HAZARD_CODES.iter().enumerate() {
        assert_eq!(hazard.code, format!("K8D{:02}", i + 1));
    }
    for code in source
        .split("\"K8D")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(
            HAZARD_CODES.iter().any(|h| h.code == format!("K8D{code}")),
            "K8D{code}"
        );
    }
}
