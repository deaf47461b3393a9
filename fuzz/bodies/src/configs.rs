//! Configurations and kube-apiserver's error lines.

use k8senc::crypto::PORTABLE;
use k8senc_config::{
    Config, GroupResource, Lines, LintOptions, Options, Span, Version, explain_error, lint,
    validate,
};

/// Loads a file in each way there is, and asks a loaded one everything.
pub fn load(data: &[u8]) {
    let lines = str::from_utf8(data).ok().map(Lines::new);
    for reload in [false, true] {
        let mut options = Options::default();
        options.reload = reload;
        let verdict = validate(data, &options);
        assert_eq!(verdict.ok, verdict.stage.is_none());
        assert!(verdict.ok || verdict.upstream.is_some() || verdict.stage.is_some());
        for problem in &verdict.problems {
            for span in problem.related.iter().chain([&problem.span]) {
                place(lines.as_ref(), *span);
            }
        }
        assert_eq!(Config::parse_as(data, &options).is_ok(), verdict.ok);
    }
    let Ok(config) = Config::parse(data) else {
        return;
    };
    for (rule, providers) in config.rules() {
        assert!(!providers.is_empty());
        let matched = config.matching(rule);
        assert!(matched.rule.is_some());
        assert!(config.chain(rule, &PORTABLE).is_ok());
    }
    assert!(
        config
            .chain(&GroupResource::parse("secrets"), &PORTABLE)
            .is_ok()
    );
    let _ = config.coverage(Version::LATEST).count();
    let _ = (
        config.unreached(Version::LATEST),
        config.failure_modes(),
        config.health_checks(false),
        config.grace_period(),
    );
    assert!(
        config.changes(&config).is_empty(),
        "a configuration differs from itself"
    );
}

/// Counts a place from the start of the text; it has to lie in it.
fn place(lines: Option<&Lines<'_>>, span: Span) {
    assert!(span.start <= span.end);
    if let Some(lines) = lines {
        assert!(span.end <= lines.text().len(), "{span:?} is outside");
        let _ = (lines.position(span.start), lines.position(span.end));
    }
}

/// Every finding has its place; a safe fix never makes a file that loads into one that does not.
pub fn lint_and_fix(data: &[u8]) {
    let lines = str::from_utf8(data).ok().map(Lines::new);
    let findings = lint(data, &LintOptions::default());
    for finding in &findings {
        place(lines.as_ref(), finding.span);
        for (span, _) in &finding.related {
            place(lines.as_ref(), *span);
        }
        let (Some(fix), Some(lines)) = (&finding.fix, &lines) else {
            continue;
        };
        let fixed = fix.apply(lines.text());
        let again = fixed.map(|text| validate(text.as_bytes(), &Options::default()).ok);
        if fix.safety == k8senc_config::Safety::Safe && validate(data, &Options::default()).ok {
            assert_eq!(
                again,
                Some(true),
                "{}: the fix breaks the file",
                finding.code
            );
        }
    }
}

/// A pasted line.
pub fn error_text(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    for advice in explain_error(&line) {
        assert!(!advice.cause.is_empty());
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let configs = k8senc_vectors::configuration("config/");
    let texts = k8senc_vectors::yaml("yaml/");
    configs
        .into_iter()
        .map(|case| case.text)
        .chain(texts.into_iter().map(|case| case.text))
        .filter(|text| text.len() < 2000)
        .collect()
}

pub fn error_seeds() -> Vec<Vec<u8>> {
    k8senc_config::error_texts()
        .map(|advice| advice.text.as_bytes().to_vec())
        .collect()
}
