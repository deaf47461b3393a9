//! Every recorded configuration: the verdict, the stage, the whole text and the single field errors.

use k8senc_config::{Options, Stage, validate};
use k8senc_vectors::{ConfigCase, ConfigCompare, ConfigExpect};

const PATH: &str = "/etc/kubernetes/enc.yaml";

fn options(case: &ConfigCase) -> Options {
    let mut options = Options::default();
    options.path = PATH.to_owned();
    options.reload = case.reload;
    options.kmsv1 = Some(case.kmsv1);
    options
}

/// Upstream's text with what we withhold taken out: secrets of provider blocks, and the whole file.
fn redact(text: &str, file: &[u8]) -> String {
    let file = String::from_utf8_lossy(file);
    let text = text.replace("\"<PATH>\"", &format!("\"{PATH}\""));
    let mut text = if text.contains("is missing in '") {
        text.replace(&format!("'{file}'"), "'REDACTED'")
    } else {
        text
    };
    let mut from = 0;
    while let Some(at) = text[from..].find("\"Secret\":\"").map(|at| from + at + 10) {
        let Some(length) = text[at..].find('"') else {
            break;
        };
        let end = at + length;
        if end > at {
            text.replace_range(at..end, "REDACTED");
        }
        from = at;
    }
    text
}

fn disagreement(case: &ConfigCase) -> Option<String> {
    let verdict = validate(&case.text, &options(case));
    match &case.expect {
        ConfigExpect::Loads { .. } => {
            (!verdict.ok).then(|| format!("loads, ours: {:?}", verdict.upstream))
        }
        ConfigExpect::Panics(_) => (verdict.stage != Some(Stage::Panic))
            .then(|| format!("panics, ours: {:?}", verdict.upstream)),
        ConfigExpect::Refused {
            stage,
            text,
            errors,
            compare,
        } => {
            let Some(ours) = &verdict.upstream else {
                return Some(format!("refused with {text}, ours: ok {}", verdict.ok));
            };
            let stage = format!("{stage:?}").to_lowercase();
            if verdict.stage.map(Stage::name) != Some(&stage) {
                return Some(format!("stage {stage}, ours {:?}: {ours}", verdict.stage));
            }
            let theirs = redact(text, &case.text);
            if !compare.matches(&theirs, ours)
                || (verdict.exact && *compare != ConfigCompare::SchemeName && theirs != *ours)
            {
                return Some(format!("\n  upstream {theirs}\n  ours     {ours}"));
            }
            let singles: Vec<_> = verdict
                .problems
                .iter()
                .map(|p| p.upstream.clone())
                .collect();
            let errors: Vec<_> = errors.iter().map(|e| redact(e, &case.text)).collect();
            (stage == "validate" && singles != errors)
                .then(|| format!("\n  upstream {errors:?}\n  ours     {singles:?}"))
        }
    }
}

#[test]
fn every_recorded_configuration_has_its_verdict() {
    let cases = k8senc_vectors::configuration("config/");
    assert_eq!(cases.len(), k8senc_vectors::manifest().count("config/"));
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            disagreement(case).map(|d| format!("{}/{} ({}): {d}", case.suite, case.id, case.why))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_verdict_holds_a_secret() {
    for case in k8senc_vectors::configuration("config/") {
        let verdict = validate(&case.text, &options(&case));
        let text = String::from_utf8_lossy(&case.text).into_owned();
        let shown = format!("{verdict:?}");
        for part in text.split("secret: ").skip(1) {
            let secret: String = part
                .trim_start_matches(['"', '\''])
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric())
                .collect();
            // Short ones are the names of types in texts.
            assert!(
                secret.len() < 12 || !shown.contains(&secret),
                "{}/{}: {shown}",
                case.suite,
                case.id
            );
        }
    }
}
