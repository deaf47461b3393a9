//! Plans: the documented procedures pass in the model, each classic mistake is told with its story, files keep what
//! people wrote in them, and no key is shown.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

use k8senc_config::plan::{Goal, Plan, PlanOptions, plan, plan_change, plan_converge};
use k8senc_config::{Config, Count, GroupResource, Inventory};

const SECRETS: [&str; 3] = [
    "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=",
    "NGC+MSAeaf7aoO7ouZl/XHwpmf2v5ZMlPNZUr0361xQ=",
    "uSlFgrrkn5SPYTyI1TIXSWPqfP7+Kv6ZC3AxcDN6wkk=",
];

const BLOCK: &str = "\
# Written by the platform team; ask before you touch it.
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]   # the usual
  providers:
  # the writer
  - secretbox:
      keys:
      - name: key1 # since spring
        secret: pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=
      # kept for old backups
      - name: key0
        secret: uSlFgrrkn5SPYTyI1TIXSWPqfP7+Kv6ZC3AxcDN6wkk=
  # plain text from before
  - identity: {}
";

const FLOW: &str = r#"{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
 "resources": [{"resources": ["secrets"], "providers": [
   {"aescbc": {"keys": [{"name": "key1", "secret": "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw="}]}},
   {"identity": {}}
 ]}]}
"#;

/// Bytes that are all different, in place of the random source.
fn source() -> impl FnMut(&mut [u8]) {
    let mut next = 17_u8;
    move |buffer| {
        for byte in buffer {
            next = next.wrapping_mul(5).wrapping_add(113);
            *byte = next;
        }
    }
}

fn planned(text: &str, goal: &str, options: &PlanOptions) -> Plan {
    plan(text, &goal.parse().unwrap(), options, &mut source()).unwrap()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.name).collect()
}

fn files(plan: &Plan) -> Vec<&str> {
    let files = plan.steps.iter().filter_map(|s| s.file.as_ref());
    files
        .filter(|f| f.name.is_some())
        .map(|f| f.text.as_str())
        .collect()
}

fn file(providers: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers: [{providers}]\n"
    )
}

fn boxed(keys: &[(&str, usize)]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|(name, s)| format!("{{name: {name}, secret: '{}'}}", SECRETS[*s]))
        .collect();
    format!("{{secretbox: {{keys: [{}]}}}}", keys.join(", "))
}

const ID: &str = "{identity: {}}";
const KMS_V1: &str = "{kms: {apiVersion: v1, name: cloud, endpoint: 'unix:///run/kms.sock'}}";
const KMS_V2: &str = "{kms: {apiVersion: v2, name: cloud, endpoint: 'unix:///run/kms.sock'}}";

fn counted(groups: &[(&str, Option<&str>, u64)]) -> PlanOptions {
    let mut stored = Inventory::new();
    for (provider, key, live) in groups {
        let count = Count {
            live: *live,
            history: 0,
        };
        stored
            .add_group(GroupResource::parse("secrets"), provider, *key, None, count)
            .unwrap();
    }
    let mut options = PlanOptions::default();
    options.stored = Some(stored);
    options
}

#[test]
fn a_key_is_rotated_as_documented() {
    let plan = planned(BLOCK, "rotate-key", &PlanOptions::default());
    assert!(plan.ok);
    assert_eq!(
        names(&plan),
        [
            "back-up",
            "add-reader",
            "promote",
            "rewrite",
            "verify",
            "compact",
            "defrag",
            "back-up-again",
            "remove"
        ]
    );
    let files = files(&plan);
    let keys = |text: &str| -> Vec<String> {
        let config = Config::parse(text.as_bytes()).unwrap();
        config.entries()[0].providers[0].prefixes().collect()
    };
    let box_key = |name: &str| format!("k8s:enc:secretbox:v1:{name}:");
    assert_eq!(
        keys(files[0]),
        [box_key("key1"), box_key("key2"), box_key("key0")]
    );
    assert_eq!(
        keys(files[1]),
        [box_key("key2"), box_key("key1"), box_key("key0")]
    );
    assert_eq!(keys(files[2]), [box_key("key2"), box_key("key0")]);
    // Only the step that adds can be taken back at once; promoted values need the new key.
    assert_eq!(plan.last_way_back, Some(2));
    assert!(plan.steps[1].back.safe && plan.steps[2].back.safe);
    // Comments and layout stay, in the last file too.
    for text in files {
        assert!(text.starts_with("# Written by the platform team"));
        assert!(text.contains("- resources: [secrets]   # the usual\n"));
        assert!(text.contains("      # kept for old backups\n      - name: key0\n"));
        assert!(text.contains("  # plain text from before\n  - identity: {}\n"));
    }
}

#[test]
fn every_goal_passes_in_the_model() {
    let local = file(&format!("{}, {ID}", boxed(&[("key1", 0)])));
    let strict = file(&boxed(&[("key1", 0)]));
    let v1 = file(&format!("{KMS_V1}, {ID}"));
    let v2 = file(&format!("{KMS_V2}, {ID}"));
    let plain = file(ID);
    for (text, goal, steps) in [
        (
            &local,
            "rotate-key",
            &["add-reader", "promote", "remove"][..],
        ),
        (
            &local,
            "change-provider=aesgcm",
            &["add-reader", "promote", "remove"],
        ),
        (
            &local,
            "change-provider=aescbc",
            &["add-reader", "promote", "remove"],
        ),
        (
            &plain,
            "change-provider=secretbox",
            &["add-reader", "promote"],
        ),
        (
            &local,
            "kms-v2=cloud,unix:///run/kms.sock",
            &["add-reader", "promote", "settle", "remove"],
        ),
        (
            &v1,
            "v1-to-v2",
            &["add-reader", "promote", "settle", "remove"],
        ),
        (&v2, "rotate-key", &["rotate-kek", "settle", "disable-kek"]),
        (
            &v2,
            "change-provider=secretbox",
            &["add-reader", "promote", "remove"],
        ),
        (
            &local,
            "rename-key=key1=prod",
            &["add-reader", "promote", "remove"],
        ),
        (
            &v2,
            "rename-key=cloud=prod",
            &["add-reader", "promote", "settle", "remove"],
        ),
        (&local, "decrypt-all", &["promote", "remove-file"]),
        (
            &strict,
            "decrypt-all",
            &["add-reader", "promote", "remove-file"],
        ),
        (
            &v2,
            "break-glass",
            &["leave-alone", "no-reload", "export", "repair"],
        ),
    ] {
        for servers in [1, 2, 3, 5] {
            for reload in [false, true] {
                let mut options = PlanOptions::default();
                options.servers = servers;
                options.reload = reload;
                let plan = planned(text, goal, &options);
                assert!(plan.ok, "{goal}: {plan:?}");
                let names = names(&plan);
                let mut rest = names.iter();
                assert!(
                    steps.iter().all(|s| rest.any(|n| n == s)),
                    "{goal}: {names:?}"
                );
                let rollouts = plan.steps.iter().filter(|s| s.file.is_some());
                assert!(
                    rollouts
                        .clone()
                        .all(|s| s.checked.as_ref().is_some_and(|c| c.ok && c.states > 0))
                );
            }
        }
    }
}

#[test]
fn a_renamed_key_keeps_its_bytes() {
    let text = file(&format!("{}, {ID}", boxed(&[("key1", 0)])));
    let plan = planned(&text, "rename-key=key1=prod", &PlanOptions::default());
    let last = Config::parse(files(&plan)[2].as_bytes()).unwrap();
    let first = Config::parse(text.as_bytes()).unwrap();
    let key = |config: &Config| match &config.entries()[0].providers[0] {
        k8senc_config::Provider::Secretbox(keys) => {
            (keys[0].name.clone(), keys[0].secret().to_vec())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (key(&first).0.as_str(), key(&last).0.as_str()),
        ("key1", "prod")
    );
    assert_eq!(key(&first).1, key(&last).1);
}

#[test]
fn json_and_other_layouts_are_edited_too() {
    let plan = planned(FLOW, "rotate-key", &PlanOptions::default());
    for text in files(&plan) {
        assert!(text.starts_with("{\"apiVersion\""), "{text}");
        Config::parse(text.as_bytes()).unwrap();
    }
    let plan = planned(FLOW, "change-provider=secretbox", &PlanOptions::default());
    assert!(
        files(&plan)[1].contains("\n   {\"secretbox\": "),
        "{}",
        files(&plan)[1]
    );
    // Anchors cannot be moved about: the file is written afresh, and the plan says so.
    let anchored = "\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers: &p
  - secretbox: {keys: [{name: key1, secret: pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=}]}
  - identity: {}
- resources: [configmaps]
  providers: *p
";
    let plan = planned(anchored, "rotate-key", &PlanOptions::default());
    assert!(plan.ok && plan.notes.iter().any(|n| n.contains("could not be kept")));
    // Each entry got a key of its own.
    let last = Config::parse(files(&plan)[2].as_bytes()).unwrap();
    let keys: Vec<Vec<u8>> = last
        .entries()
        .iter()
        .map(|entry| match &entry.providers[0] {
            k8senc_config::Provider::Secretbox(keys) => keys[0].secret().to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn no_key_is_shown() {
    let commented = BLOCK.replace(
        "# kept for old backups",
        "# was: NGC+MSAeaf7aoO7ouZl/XHwpmf2v5ZMlPNZUr0361xQ=",
    );
    let block = BLOCK.replace(
        "secret: pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=",
        "secret: |\n          pU3KGCUwux1tEyze1iN7LtkeP\n          3IfyxlxF0SU1kk8nVw=",
    );
    for text in [BLOCK, FLOW, &commented, &block] {
        for goal in [
            "rotate-key",
            "change-provider=aesgcm",
            "rename-key=key1=prod",
            "decrypt-all",
        ] {
            let plan = planned(text, goal, &PlanOptions::default());
            let shown = serde_json::to_string(&plan).unwrap() + &format!("{plan:?}");
            let mut kept: Vec<String> = SECRETS.iter().map(|s| (*s).to_owned()).collect();
            for file in files(&plan) {
                let config = Config::parse(file.as_bytes()).unwrap();
                let keys = config.entries()[0].providers.iter().flat_map(|p| match p {
                    k8senc_config::Provider::Secretbox(k)
                    | k8senc_config::Provider::Aesgcm(k)
                    | k8senc_config::Provider::Aescbc(k) => &k[..],
                    _ => &[],
                });
                for key in keys {
                    let hex: String = key.secret().iter().map(|b| format!("{b:02x}")).collect();
                    kept.push(hex);
                }
                let words = file.split(|c: char| c.is_whitespace() || "\"'{},".contains(c));
                kept.extend(
                    words
                        .filter(|w| w.len() == 44 && w.ends_with('='))
                        .map(str::to_owned),
                );
            }
            for secret in kept {
                for part in [&secret[..], &secret[4..20]] {
                    assert!(!shown.contains(part), "{goal} shows a key");
                }
            }
        }
    }
}

#[test]
fn two_files_that_fail_are_told_and_taken_apart() {
    let old = file(&format!("{}, {ID}", boxed(&[("key1", 0)])));
    for (new, story, steps) in [
        // Promoted too early.
        (
            file(&format!("{}, {ID}", boxed(&[("key2", 1), ("key1", 0)]))),
            "server B, still on the old file, cannot read what server A wrote with secretbox key key2",
            &["back-up", "add-readers", "new-file"][..],
        ),
        // Changed in one go.
        (
            file(&format!("{}, {ID}", boxed(&[("key2", 1)]))),
            "cannot read what was stored before with secretbox key key1",
            &[
                "back-up",
                "add-readers",
                "promote",
                "rewrite",
                "verify",
                "compact",
                "defrag",
                "back-up-again",
                "new-file",
            ],
        ),
        // Renamed.
        (
            file(&format!("{}, {ID}", boxed(&[("other", 0)]))),
            "cannot read what was stored before with secretbox key key1",
            &[
                "back-up",
                "add-readers",
                "promote",
                "rewrite",
                "verify",
                "compact",
                "defrag",
                "back-up-again",
                "new-file",
            ],
        ),
        // identity removed too early.
        (
            file(&boxed(&[("key1", 0)])),
            "cannot read what was stored before with identity (plain text)",
            &[
                "back-up",
                "rewrite",
                "verify",
                "compact",
                "defrag",
                "back-up-again",
                "new-file",
            ],
        ),
        // The rule itself is gone.
        (
            file(ID).replace("[secrets]", "[configmaps]"),
            "no rule of its file takes the resource",
            &[
                "back-up",
                "promote",
                "rewrite",
                "verify",
                "compact",
                "defrag",
                "back-up-again",
                "new-file",
            ],
        ),
    ] {
        let plan = plan_change(Some(&old), Some(&new), &PlanOptions::default()).unwrap();
        assert_eq!(plan.exit_code(), 1);
        let found = plan
            .direct
            .as_ref()
            .unwrap()
            .counterexample
            .as_ref()
            .unwrap();
        assert!(found.contains(story), "{found}");
        assert_eq!(names(&plan), steps);
        assert!(
            plan.steps
                .iter()
                .filter_map(|s| s.checked.as_ref())
                .all(|c| c.ok),
            "{plan:?}"
        );
    }
    let (v1, v2) = (
        file(&format!("{KMS_V1}, {ID}")),
        file(&format!("{KMS_V2}, {ID}")),
    );
    let plan = plan_change(Some(&v1), Some(&v2), &PlanOptions::default()).unwrap();
    assert!(plan.hazards.iter().any(|h| h.code == "K8D06"));
    assert_eq!(plan.exit_code(), 1);
}

#[test]
fn what_is_counted_decides() {
    let old = file(&format!("{}, {ID}", boxed(&[("key2", 1), ("key1", 0)])));
    let new = file(&format!("{}, {ID}", boxed(&[("key2", 1)])));
    let done = counted(&[("secretbox", Some("key2"), 1_000_000)]);
    let plan = plan_change(Some(&old), Some(&new), &done).unwrap();
    assert_eq!(plan.exit_code(), 0, "{plan:?}");
    assert_eq!(names(&plan), ["back-up", "new-file"]);
    assert_eq!(
        plan.hazards.iter().map(|h| h.code).collect::<Vec<_>>(),
        ["K8D13"]
    );
    let unfinished = counted(&[
        ("secretbox", Some("key2"), 999_999),
        ("secretbox", Some("key1"), 1),
    ]);
    let plan = plan_change(Some(&old), Some(&new), &unfinished).unwrap();
    assert_eq!(plan.exit_code(), 1);
    assert!(
        plan.hazards
            .iter()
            .any(|h| h.code == "K8D01" && h.message.contains("1 live objects"))
    );
    assert!(names(&plan).contains(&"rewrite"));
}

#[test]
fn growth_adds_up_what_the_formats_weigh() {
    let text = file(&format!("{}, {ID}", boxed(&[("key1", 0)])));
    let options = counted(&[("identity", None, 10), ("secretbox", Some("key1"), 5)]);
    let plan = planned(&text, "change-provider=aesgcm", &options);
    let row = &plan.growth[0];
    // k8s:enc:aesgcm:v1:key1: is 23 bytes, nonce and tag 28; k8s:enc:secretbox:v1:key1: 26, nonce and tag 40.
    assert_eq!((row.least, row.most), (51, 51));
    assert_eq!(
        (row.objects, row.total),
        (Some(15), Some(10 * 51 + 5 * (51 - 66)))
    );
}

#[test]
fn a_new_name_is_never_one_that_data_has() {
    let text = file(&format!("{}, {ID}", boxed(&[("key1", 0)])));
    let options = counted(&[
        ("secretbox", Some("key2"), 1),
        ("secretbox", Some("key3:x"), 1),
    ]);
    let plan = planned(&text, "rotate-key", &options);
    assert!(files(&plan)[0].contains("\"key4\""), "{}", files(&plan)[0]);
    let found = plan_error(&text, "rename-key=key1=key2", &options);
    assert!(found.contains("has or had a key named"), "{found}");
}

fn plan_error(text: &str, goal: &str, options: &PlanOptions) -> String {
    plan(text, &goal.parse::<Goal>().unwrap(), options, &mut source())
        .unwrap_err()
        .to_string()
}

#[test]
fn goals_that_do_not_fit_say_why() {
    let options = PlanOptions::default();
    let text = file(&format!("{}, {ID}", boxed(&[("key1", 0)])));
    for (text, goal, why) in [
        (file(ID), "rotate-key", "no entry encrypts"),
        (file(ID), "decrypt-all", "plain text already"),
        (
            text.clone(),
            "change-provider=secretbox",
            "writes with secretbox already",
        ),
        (text.clone(), "v1-to-v2", "KMS v1"),
        (text.clone(), "break-glass", "no KMS block"),
        (text.clone(), "rename-key=key9=key1", "named \"key9\""),
        (text.clone(), "kms-v2=a:b,unix:///s", "a colon ends"),
        (file(KMS_V2), "kms-v2=cloud,unix:///s", "choose another"),
        (file(KMS_V2), "break-glass=other", "it has cloud"),
        (
            "kind: x".to_owned(),
            "rotate-key",
            "does not say what it is",
        ),
    ] {
        let found = plan_error(&text, goal, &options);
        assert!(found.contains(why), "{goal}: {found}");
    }
    for wrong in [
        "",
        "rotate",
        "change-provider",
        "change-provider=rot13",
        "kms-v2=x",
        "rename-key=a",
        "rotate-key=1",
    ] {
        assert!(wrong.parse::<Goal>().is_err(), "{wrong}");
    }
}

#[test]
fn servers_that_disagree_end_with_one_file() {
    let a = file(&format!("{}, {ID}", boxed(&[("key1", 0)])));
    let b = file(&format!("{}, {ID}", boxed(&[("key2", 1)])));
    let plan = plan_converge(&a, &b, &PlanOptions::default()).unwrap();
    assert_eq!(plan.exit_code(), 1);
    assert_eq!(
        names(&plan),
        ["back-up", "read-all-on-a", "read-all-on-b", "one-file"]
    );
    assert!(
        plan.steps
            .iter()
            .filter_map(|s| s.checked.as_ref())
            .all(|c| c.ok),
        "{plan:?}"
    );
    assert!(plan.matrix.iter().all(|cell| cell.why_not.is_some()) && plan.matrix.len() == 2);
    let files = files(&plan);
    assert_eq!(files[0], files[2]);
    let same = plan_converge(&a, &a, &PlanOptions::default()).unwrap();
    assert_eq!((same.exit_code(), same.steps.len()), (0, 0));
    // One name, two keys of aescbc: no file reads both for certain.
    let cbc = |s: usize| {
        file(&format!(
            "{{aescbc: {{keys: [{{name: k, secret: '{}'}}]}}}}",
            SECRETS[s]
        ))
    };
    let plan = plan_converge(&cbc(0), &cbc(1), &PlanOptions::default()).unwrap();
    assert!(
        plan.steps
            .iter()
            .filter_map(|s| s.checked.as_ref())
            .any(|c| !c.ok)
    );
}

#[test]
fn a_million_objects_cost_what_one_does() {
    // Counts, not objects: the work is that of the groups.
    let text = file(&format!("{}, {ID}", boxed(&[("key1", 0)])));
    let of = |live| {
        let plan = planned(
            &text,
            "rotate-key",
            &counted(&[("secretbox", Some("key1"), live)]),
        );
        let states: usize = plan
            .steps
            .iter()
            .filter_map(|s| s.checked.as_ref())
            .map(|c| c.states)
            .sum();
        (states, plan.steps.len())
    };
    assert_eq!(of(1), of(1_000_000));
    // And of many groups, in proportion.
    let wide = |resources: usize| {
        let mut stored = Inventory::new();
        for i in 0..resources {
            let resource = GroupResource::parse(&format!("r{i}.example.com"));
            stored
                .add_group(
                    resource,
                    "identity",
                    None,
                    None,
                    Count {
                        live: 1_000,
                        history: 0,
                    },
                )
                .unwrap();
        }
        let mut options = PlanOptions::default();
        options.stored = Some(stored);
        let text = text.replace("[secrets]", "['*.*']");
        let plan = planned(&text, "rotate-key", &options);
        plan.steps
            .iter()
            .filter_map(|s| s.checked.as_ref())
            .map(|c| c.states)
            .sum::<usize>()
    };
    let (few, many) = (wide(100), wide(1_000));
    assert!(many <= 10 * few, "{few} {many}");
}

#[test]
fn every_file_of_a_plan_loads_whatever_the_names() {
    let odd = [
        "yes",
        "1",
        "a: b",
        "quote\"d",
        "tab\there",
        "ключ",
        "#no",
        "- x",
        "a\\b",
        "&x",
        "{",
        "",
    ];
    for name in odd.iter().filter(|n| !n.is_empty()) {
        let text = file(&format!(
            "{{secretbox: {{keys: [{{name: {}, secret: '{}'}}]}}}}",
            serde_json::to_string(name).unwrap(),
            SECRETS[0]
        ));
        let plan = planned(&text, "rotate-key", &PlanOptions::default());
        assert!(plan.ok && files(&plan).len() == 3, "{name}");
    }
}

#[test]
fn only_a_plan_to_plain_text_wants_to_see_it() {
    for (goal, exposed) in [("rotate-key", false), ("decrypt-all", true)] {
        let plan = planned(BLOCK, goal, &PlanOptions::default());
        let verify = plan.steps.iter().find(|s| s.name == "verify").unwrap();
        let sign = &verify.checks[0].what;
        assert_eq!(
            sign.contains("all of it is exposed"),
            exposed,
            "{goal}: {sign}"
        );
        assert_ne!(sign.contains("stale, exposed"), exposed, "{goal}: {sign}");
    }
}
