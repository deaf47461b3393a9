//! Each rule on a file that has the fault and on one that has not; each change applied.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails its test"
)]

mod recorded;

use std::collections::BTreeSet;

use k8senc_config::{
    FileFacts, Finding, LintOptions, Migration, Safety, Severity, Version, explain, lint, rules,
    validate,
};

const A: &str = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";
const B: &str = "NGC+MSAeaf7aoO7ouZl/XHwpmf2v5ZMlPNZUr0361xQ=";
const AES128: &str = "VeXNjkbcjtS3wnZNKlpNdg==";
const SOCKET: &str = "unix:///var/run/kmsplugin/socket.sock";

/// A whole file around some entries; `@A` and the like stand for keys.
fn file(entries: &str) -> String {
    let entries = entries
        .replace("@A128", AES128)
        .replace("@A", A)
        .replace("@B", B)
        .replace("@S", SOCKET);
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n{entries}"
    )
}

fn entry(names: &str, providers: &str) -> String {
    file(&format!(
        "- resources: [{names}]\n  providers:\n{providers}"
    ))
}

fn secrets(providers: &str) -> String {
    entry("secrets", providers)
}

struct Case {
    code: &'static str,
    options: fn(&mut LintOptions),
    bad: String,
    good: String,
}

fn case(code: &'static str, bad: String, good: String) -> Case {
    Case {
        code,
        options: |_| {},
        bad,
        good,
    }
}

const SECRETBOX: &str = "  - secretbox: {keys: [{name: a, secret: @A}]}\n";
const IDENTITY: &str = "  - identity: {}\n";
const KMS: &str = "  - kms: {apiVersion: v2, name: p, endpoint: '@S'}\n";

#[expect(clippy::too_many_lines, reason = "one case for each rule")]
fn cases() -> Vec<Case> {
    let good = || secrets(&format!("{SECRETBOX}{IDENTITY}"));
    let with_kms = |kms: &str| secrets(&format!("  - kms: {kms}\n{IDENTITY}"));
    let v2 = |more: &str| {
        with_kms(&format!(
            "{{apiVersion: v2, name: p, endpoint: '@S'{more}}}"
        ))
    };
    let v1 = |more: &str| {
        with_kms(&format!(
            "{{apiVersion: v1, name: p, endpoint: '@S'{more}}}"
        ))
    };
    let at = |endpoint: &str| {
        with_kms(&format!(
            "{{apiVersion: v2, name: p, endpoint: '{endpoint}'}}"
        ))
    };
    let key = |kind: &str, name: &str, secret: &str| {
        secrets(&format!(
            "  - {kind}: {{keys: [{{name: '{name}', secret: '{secret}'}}]}}\n"
        ))
    };
    let blocks = |n: usize| {
        let mut all = String::new();
        for i in 0..n {
            all += &format!("  - kms: {{apiVersion: v2, name: p{i}, endpoint: '@S{i}'}}\n");
        }
        secrets(&all)
    };
    vec![
        case("K8E001", secrets(&format!("{IDENTITY}{SECRETBOX}")), good()),
        case("K8E002", secrets(IDENTITY), entry("events", IDENTITY)),
        case("K8E003", secrets(SECRETBOX), good()),
        case("K8E004", good(), secrets(SECRETBOX)),
        case(
            "K8E005",
            secrets(&format!("{SECRETBOX}{IDENTITY}{KMS}")),
            good(),
        ),
        case("K8E006", key("aescbc", "a", "@A"), good()),
        case("K8E007", key("aesgcm", "a", "@A"), good()),
        case(
            "K8E008",
            key("aescbc", "a", "@A128"),
            key("aescbc", "a", "@A"),
        ),
        case(
            "K8E009",
            secrets(
                "  - aescbc: {keys: [{name: a, secret: @A}]}\n  - aesgcm: {keys: [{name: b, secret: @A}]}\n",
            ),
            secrets(
                "  - aescbc: {keys: [{name: a, secret: @A}]}\n  - aesgcm: {keys: [{name: b, secret: @B}]}\n",
            ),
        ),
        case(
            "K8E010",
            secrets("  - secretbox: {keys: [{name: a, secret: @A}, {name: a, secret: @B}]}\n"),
            secrets("  - secretbox: {keys: [{name: a, secret: @A}, {name: b, secret: @B}]}\n"),
        ),
        case(
            "K8E011",
            secrets("  - secretbox: {keys: [{name: a, secret: @A}, {name: 'a:b', secret: @B}]}\n"),
            secrets("  - secretbox: {keys: [{name: a, secret: @A}, {name: ab, secret: @B}]}\n"),
        ),
        case(
            "K8E012",
            key(
                "secretbox",
                "a",
                "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=",
            ),
            good(),
        ),
        case(
            "K8E013",
            key(
                "secretbox",
                "a",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ),
            good(),
        ),
        case(
            "K8E014",
            key(
                "aescbc",
                "a",
                "bm90IGEgcmFuZG9tIGtleSwgYnV0IGEgcGhyYXNlISEK",
            ),
            good(),
        ),
        case(
            "K8E015",
            file(&format!(
                "- resources: [secrets]\n  providers:\n{KMS}- resources: [configmaps]\n  providers:\n{SECRETBOX}"
            )),
            good(),
        ),
        case("K8E016", with_kms("{name: p, endpoint: '@S'}"), v2("")),
        case("K8E017", v2(", cachesize: 1000"), v2("")),
        Case {
            options: |o| o.server.kmsv1 = Some(true),
            ..case("K8E018", v1(", cachesize: -1"), v1(", cachesize: 5000"))
        },
        case("K8E019", v2(""), secrets(&format!("{KMS}{SECRETBOX}"))),
        case("K8E020", v2(", timeout: 100ms"), v2(", timeout: 3s")),
        case("K8E021", v2(", timeout: 20s"), v2(", timeout: 10s")),
        case(
            "K8E022",
            secrets(&format!(
                "{KMS}  - kms: {{apiVersion: v2, name: q, endpoint: '@S'}}\n"
            )),
            secrets(&format!(
                "{KMS}  - kms: {{apiVersion: v2, name: q, endpoint: '@S2'}}\n"
            )),
        ),
        case("K8E023", blocks(5), blocks(4)),
        case("K8E024", at("unix:///@plugin"), at("@S")),
        case("K8E025", at("unix:///tmp/kms.sock"), at("@S")),
        case(
            "K8E026",
            entry("secret", SECRETBOX),
            entry("secrets, widgets.example.com, '*.apps', events", SECRETBOX),
        ),
        case(
            "K8E027",
            entry("configmaps", SECRETBOX),
            entry("'*.'", SECRETBOX),
        ),
        case(
            "K8E028",
            file(&format!(
                "- resources: ['*.*']\n  providers:\n{SECRETBOX}- resources: [secrets]\n  providers:\n{SECRETBOX}"
            )),
            file(&format!(
                "- resources: [secrets]\n  providers:\n{SECRETBOX}- resources: ['*.*']\n  providers:\n{SECRETBOX}"
            )),
        ),
        case(
            "K8E029",
            entry("'*.*'", SECRETBOX),
            file(&format!(
                "- resources: [events, leases.coordination.k8s.io]\n  providers:\n{IDENTITY}- resources: ['*.*']\n  providers:\n{SECRETBOX}"
            )),
        ),
        case("K8E030", at("unix://plugin.sock"), at("@S")),
        case(
            "K8E031",
            file(&format!(
                "- resources: [secrets]\n  providers:\n{SECRETBOX}- resources: [secrets]\n  providers:\n{IDENTITY}"
            )),
            file(&format!(
                "- resources: [secrets]\n  providers:\n{SECRETBOX}- resources: [events]\n  providers:\n{IDENTITY}"
            )),
        ),
        case(
            "K8E032",
            format!("{}---\nkind: other\n", good()),
            format!("---\n{}", good()),
        ),
        case(
            "K8E033",
            good()
                .replace("apiserver.config.k8s.io/v1", "v1")
                .replace("EncryptionConfiguration", "EncryptionConfig"),
            good(),
        ),
        Case {
            options: |o| o.server.kmsv1 = Some(true),
            ..case(
                "K8E034",
                secrets(&format!(
                    "{KMS}  - kms: {{apiVersion: v1, name: q, endpoint: '@S'}}\n"
                )),
                v1(""),
            )
        },
        Case {
            options: |o| o.server.kmsv1 = Some(true),
            ..case(
                "K8E035",
                secrets(&format!(
                    "{KMS}  - kms: {{apiVersion: v1, name: p, endpoint: '@S'}}\n"
                )),
                secrets(&format!(
                    "{KMS}  - kms: {{apiVersion: v1, name: q, endpoint: '@S'}}\n"
                )),
            )
        },
        Case {
            options: |o| o.server.version = Version::new(26),
            ..case("K8E038", entry("'*.*'", SECRETBOX), good())
        },
        Case {
            options: |o| o.server.version = Version::new(30),
            ..case("K8E039", v2(""), at("unix:///@plugin"))
        },
        case(
            "K8E040",
            key("secretbox", "a", "<BASE 64 ENCODED SECRET>"),
            good(),
        ),
        case(
            "K8E041",
            format!("{}1: a\n'1': b\n", good()),
            format!("{}1: a\n'2': b\n", good()),
        ),
        case("K8E050", secrets("  - secretbox: {}\n"), good()),
        case(
            "K8E052",
            format!("# k8senc: allow K8E016 -- v1 until the rollout\n{}", good()),
            secrets(&format!(
                "{SECRETBOX}{IDENTITY}  # k8senc: allow K8E016 -- v1 until the rollout\n  - kms: {{name: p, endpoint: '@S'}}\n"
            )),
        ),
        case(
            "K8E051",
            format!("# k8senc: allow K8E004\n{}", good()),
            format!("# k8senc: allow K8E004 rollout\n{}", good()),
        ),
    ]
}

fn run(case: &Case, text: &str) -> Vec<Finding> {
    let mut options = LintOptions::default();
    (case.options)(&mut options);
    lint(text.as_bytes(), &options)
}

fn find<'f>(findings: &'f [Finding], code: &str) -> Option<&'f Finding> {
    findings.iter().find(|f| f.code == code)
}

#[test]
fn each_rule_finds_its_fault_and_only_that() {
    for case in cases() {
        let found = run(&case, &case.bad);
        assert!(
            find(&found, case.code).is_some(),
            "{} is not found in\n{}\n{found:#?}",
            case.code,
            case.bad
        );
        let found = run(&case, &case.good);
        assert!(
            find(&found, case.code).is_none(),
            "{} is found in\n{}\n{found:#?}",
            case.code,
            case.good
        );
    }
}

#[test]
fn every_rule_has_a_case() {
    let tested: BTreeSet<&str> = cases()
        .iter()
        .map(|c| c.code)
        .chain(["K8E036", "K8E037"])
        .collect();
    let all: BTreeSet<&str> = rules().iter().map(|r| r.code).collect();
    assert_eq!(all.len(), rules().len(), "two rules share a code");
    // Those about manifests are walked in tests/manifest.rs.
    let own: BTreeSet<&str> = all.into_iter().filter(|c| c.starts_with("K8E")).collect();
    assert_eq!(tested, own);
}

/// The advice of the specification, L01 to L40, has the numbers of the rules.
#[test]
fn every_advice_of_the_specification_has_its_rule() {
    for number in 1..=40 {
        assert!(
            explain(&format!("K8E{number:03}")).is_some(),
            "L{number:02}"
        );
    }
}

#[test]
fn every_fixable_rule_has_a_fix_that_helps() {
    for case in cases() {
        let rule = explain(case.code).unwrap();
        let found = run(&case, &case.bad);
        let fixes: Vec<_> = found
            .iter()
            .filter(|f| f.code == case.code)
            .filter_map(|f| f.fix.as_ref())
            .collect();
        // What K8E050 finds has many cures; one of them is the case of a test below.
        if case.code != "K8E050" {
            assert_eq!(!fixes.is_empty(), rule.fixable, "{}", case.code);
        }
        let mut options = LintOptions::default();
        (case.options)(&mut options);
        for fix in fixes {
            let cured = fix.apply(&case.bad).unwrap();
            let after = run(&case, &cured);
            assert!(
                find(&after, case.code).is_none(),
                "{} stays in\n{cured}",
                case.code
            );
            let verdict = |text: &str| validate(text.as_bytes(), &options.server);
            let (before, now) = (verdict(&case.bad), verdict(&cured));
            assert!(now.ok || !before.ok, "{}: {:?}", case.code, now.upstream);
            assert!(now.problems.len() <= before.problems.len(), "{}", case.code);
        }
    }
}

#[test]
fn every_finding_lies_in_the_text_and_holds_no_key() {
    for case in cases() {
        for text in [&case.bad, &case.good] {
            for finding in run(&case, text) {
                assert!(
                    finding.span.of(text).is_some(),
                    "{}: {:?}",
                    finding.code,
                    finding.span
                );
                for (span, _) in &finding.related {
                    assert!(span.of(text).is_some(), "{}: {span:?}", finding.code);
                }
                let shown = format!("{finding:?}");
                for secret in [A, B, AES128] {
                    let titles_only = finding.fix.is_none() || !shown.contains("edits");
                    assert!(!titles_only || !shown.contains(secret), "{shown}");
                }
            }
        }
    }
}

#[test]
fn facts_about_the_file_are_judged() {
    let text = secrets(&format!("{SECRETBOX}{IDENTITY}"));
    let mut options = LintOptions::default();
    options.file.mode = Some(0o644);
    let keyless = secrets(KMS).replace("@S", SOCKET);
    assert!(find(&lint(keyless.as_bytes(), &options), "K8E036").is_none());
    options.file.mode = Some(0o666);
    assert!(find(&lint(keyless.as_bytes(), &options), "K8E036").is_some());
    options.file.mode = None;
    assert!(find(&lint(text.as_bytes(), &options), "K8E036").is_none());
    assert!(find(&lint(text.as_bytes(), &options), "K8E037").is_none());
    let mut facts = FileFacts::default();
    facts.mode = Some(0o600);
    facts.shared = Some(false);
    options.file = facts;
    assert!(find(&lint(text.as_bytes(), &options), "K8E036").is_none());
    options.file.mode = Some(0o644);
    options.file.shared = Some(true);
    let found = lint(text.as_bytes(), &options);
    assert!(find(&found, "K8E036").is_some_and(|f| f.message.contains("0644")));
    assert!(find(&found, "K8E037").is_some());
}

#[test]
fn what_the_user_says_of_the_migration_counts() {
    let first = secrets(&format!("{IDENTITY}{SECRETBOX}"));
    let only = secrets(SECRETBOX);
    let mut options = LintOptions::default();
    options.migration = Some(Migration::Decrypting);
    assert!(find(&lint(first.as_bytes(), &options), "K8E001").is_none());
    options.migration = Some(Migration::Encrypting);
    assert_eq!(
        find(&lint(only.as_bytes(), &options), "K8E003").map(|f| f.severity),
        Some(Severity::Warning)
    );
    options.migration = Some(Migration::Done);
    assert!(find(&lint(only.as_bytes(), &options), "K8E003").is_none());
}

#[test]
fn a_reason_silences_a_finding_on_its_line_and_the_next() {
    let text = secrets(&format!(
        "{SECRETBOX}  # k8senc: allow K8E004 -- until the rewrite of Monday\n{IDENTITY}"
    ));
    assert!(find(&lint(text.as_bytes(), &LintOptions::default()), "K8E004").is_none());
    let far = secrets(&format!(
        "  # k8senc: allow K8E004 until the rewrite of Monday\n{SECRETBOX}{IDENTITY}"
    ));
    let found = lint(far.as_bytes(), &LintOptions::default());
    assert!(find(&found, "K8E004").is_some() && find(&found, "K8E052").is_some());
    let refused = secrets("  # k8senc: allow K8E050 -- please\n  - secretbox: {}\n");
    let found = lint(refused.as_bytes(), &LintOptions::default());
    assert!(find(&found, "K8E050").is_some());
    assert!(find(&found, "K8E052").is_some_and(|f| f.message.contains("cannot be silenced")));
}

#[test]
fn a_comment_that_silences_nothing_goes_with_its_line_or_alone() {
    let alone = format!(
        "# k8senc: allow K8E016 -- x\n{}",
        secrets(&format!("{SECRETBOX}{IDENTITY}"))
    );
    let plain = secrets(&format!("{SECRETBOX}{IDENTITY}"));
    assert_eq!(cured(&alone, "K8E052", Safety::Safe), plain);
    let beside = plain.replace("resources:\n", "resources: # k8senc: allow K8E016 -- x\n");
    assert_eq!(cured(&beside, "K8E052", Safety::Safe), plain);
}

/// The change of the first finding of a rule, applied.
fn cured(text: &str, code: &str, safety: Safety) -> String {
    let options = LintOptions::default();
    let found = lint(text.as_bytes(), &options);
    let finding = find(&found, code).unwrap_or_else(|| panic!("{code} not found in\n{text}"));
    let fix = finding
        .fix
        .as_ref()
        .unwrap_or_else(|| panic!("{code} has no fix in\n{text}"));
    assert_eq!(fix.safety, safety, "{code}");
    fix.apply(text).unwrap()
}

#[test]
fn identity_moves_to_the_end() {
    let text = secrets(
        "  - identity: {}\n  # the one that should write\n  - secretbox:\n      keys:\n      - name: a\n        secret: @A\n# end\n",
    );
    let cured = cured(&text, "K8E001", Safety::Safe);
    let order = [
        "# the one that should write",
        "- secretbox:",
        "- identity: {}",
        "# end",
    ];
    let places: Vec<_> = order.iter().map(|part| cured.find(part)).collect();
    assert!(places.is_sorted() && !places.contains(&None), "{cured}");

    assert!(find(&lint(cured.as_bytes(), &LintOptions::default()), "K8E001").is_none());
}

#[test]
fn cachesize_goes_in_every_style() {
    let block = "  - kms:\n      apiVersion: v2\n      name: p\n      cachesize: 1000 # from a blog\n      endpoint: @S\n";
    for block in [
        block,
        "  - kms: {apiVersion: v2, name: p, cachesize: 1000, endpoint: '@S'}\n",
        "  - kms: {apiVersion: v2, name: p, endpoint: '@S', cachesize: 1000}\n",
        "  - kms:\n      apiVersion: v2\n      name: p\n      endpoint: @S\n      cachesize: 1000",
    ] {
        let text = secrets(block);
        let cured = cured(&text, "K8E017", Safety::Safe);
        assert!(!cured.contains("cachesize"), "{cured}");
        assert!(
            validate(cured.as_bytes(), &LintOptions::default().server).ok,
            "{cured}"
        );
    }
}

#[test]
fn a_json_file_is_cured_too() {
    let text = format!(
        r#"{{"kind": "EncryptionConfig", "apiVersion": "v1", "resources": [{{"resources": ["secrets"], "providers": [{{"kms": {{"apiVersion": "v2", "name": "p", "cachesize": 5, "endpoint": "{SOCKET}"}}}}]}}]}}"#
    );
    let text = cured(&text, "K8E017", Safety::Safe);
    assert!(text.contains(r#""name": "p", "endpoint""#), "{text}");
    let text = cured(&text, "K8E033", Safety::Safe);
    let head = r#"{"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1","#;
    assert!(text.starts_with(head), "{text}");
    assert!(validate(text.as_bytes(), &LintOptions::default().server).ok);
}

#[test]
fn scalars_that_must_be_text_are_quoted() {
    let text = secrets("  - secretbox: {keys: [{name: 1, secret: @A}]}\n");
    assert!(cured(&text, "K8E050", Safety::Safe).contains("{name: \"1\", secret"));
}

#[test]
fn a_misspelt_field_is_written_right() {
    let text = secrets("  - kms: {apiVersion: v2, name: p, endpoint: '@S', timeOut: 3s}\n");
    assert!(cured(&text, "K8E050", Safety::Safe).contains(", timeout: 3s"));
}

#[test]
fn two_providers_in_one_element_are_split() {
    let text =
        secrets("  - secretbox:\n      keys:\n      - {name: a, secret: @A}\n    identity: {}\n");
    let cured = cured(&text, "K8E050", Safety::Safe);
    assert!(cured.ends_with("\n  - identity: {}\n"), "{cured}");
    assert!(
        validate(cured.as_bytes(), &LintOptions::default().server).ok,
        "{cured}"
    );
}

#[test]
fn names_that_match_nothing_get_the_name_that_was_meant() {
    for (name, meant, safety) in [
        ("Secrets", "secrets", Safety::Safe),
        ("secret", "secrets", Safety::NeedsReview),
        ("cm", "configmaps", Safety::NeedsReview),
        ("'pods/status'", "'pods'", Safety::NeedsReview),
        ("deployments", "deployments.apps", Safety::NeedsReview),
        ("configmap", "configmaps", Safety::NeedsReview),
        ("secerts", "secrets", Safety::NeedsReview),
        ("'*.app'", "'*.apps'", Safety::NeedsReview),
        ("jobs.apps", "jobs.batch", Safety::NeedsReview),
    ] {
        let text = entry(name, SECRETBOX);
        let cured = cured(&text, "K8E026", safety);
        assert!(cured.contains(&format!("[{meant}]")), "{name}: {cured}");
    }
}

#[test]
fn a_block_without_a_version_gets_one_after_review() {
    for block in [
        "  - kms: {name: p, endpoint: '@S'}\n",
        "  - kms:\n      name: p\n      endpoint: @S\n",
    ] {
        let cured = cured(&secrets(block), "K8E016", Safety::NeedsReview);
        assert!(
            validate(cured.as_bytes(), &LintOptions::default().server).ok,
            "{cured}"
        );
    }
}

#[test]
fn rules_explain_themselves() {
    let page = explain("k8e017").unwrap().to_string();
    for heading in [
        "What it finds",
        "Why it matters",
        "Fix",
        "kube-apiserver says",
        "Source",
    ] {
        assert!(page.contains(heading), "{page}");
    }
    assert!(explain("K8E999").is_none());
    for rule in rules() {
        for text in [rule.finds, rule.why, rule.fix, rule.upstream, rule.source] {
            assert!(!text.is_empty() && text.len() < 700, "{}", rule.code);
        }
    }
}

#[test]
fn a_file_that_is_no_utf8_gets_advice_and_no_changes() {
    let block = format!(
        r#"{{"kms": {{"apiVersion": "v2", "name": "p", "cachesize": 5, "endpoint": "{SOCKET}"}}}}"#
    );
    let mut text = format!(
        r#"{{"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1", "resources": [{{"resources": ["@"], "providers": [{block}]}}]}}"#
    )
    .into_bytes();
    let at = text.iter().position(|b| *b == b'@').unwrap();
    text.splice(at..=at, [0xff]);
    let found = lint(&text, &LintOptions::default());
    assert!(find(&found, "K8E017").is_some_and(|f| f.fix.is_none()));
}

/// The same cases for those who cannot call this test: the page shows each. Made again with `K8SENC_RECORD=1`.
#[test]
fn the_cases_are_recorded() {
    let cases: Vec<_> = cases()
        .into_iter()
        .map(|case| {
            let mut options = LintOptions::default();
            (case.options)(&mut options);
            serde_json::json!({
                "code": case.code,
                "version": options.server.version.to_string(),
                "kmsv1": options.server.kmsv1,
                "bad": case.bad,
                "good": case.good,
            })
        })
        .collect();
    recorded::compare("lint-cases.json", &cases);
}
