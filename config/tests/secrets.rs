//! Where keys stand in a file, however YAML writes them, and files without their keys.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8senc_config::{Config, Options, Provider, outline, redact, secrets, validate};

const KEY: &str = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";

/// A configuration with one key, whose line is `key`.
fn file(key: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - secretbox:\n      keys:\n      - name: key-2026-11\n        {key}\n  - identity: {{}}\n"
    )
}

/// The text with what is covered as dots.
fn covered(text: &str) -> String {
    let mut out = String::new();
    let mut done = 0;
    for span in secrets(text) {
        assert!(
            span.start >= done && span.end > span.start,
            "in order and apart"
        );
        out.push_str(&text[done..span.start]);
        out.extend(
            text[span.start..span.end]
                .chars()
                .map(|c| if c == '\n' { c } else { '•' }),
        );
        done = span.end;
    }
    out + &text[done..]
}

/// Pieces of the key of at least eight characters that a text shows.
fn shows(text: &str, key: &str) -> Option<String> {
    key.as_bytes()
        .windows(8)
        .map(|w| core::str::from_utf8(w).unwrap())
        .find(|piece| text.contains(piece))
        .map(str::to_owned)
}

#[test]
fn a_key_is_covered_however_yaml_writes_it() {
    let (a, b) = KEY.split_at(20);
    let forms = [
        format!("secret: {KEY}"),
        format!("secret: \"{KEY}\""),
        format!("secret: '{KEY}'"),
        format!("secret:\n          {KEY}"),
        format!("secret: |\n          {KEY}"),
        format!("secret: |-2\n          {KEY}"),
        format!("secret: >-\n          {a}\n          {b}"),
        format!("secret: {a}\n          {b}"),
        format!("secret: \"{a}\\\n          {b}\""),
        format!("secret: \"{a}\n\n          {b}\""),
        format!("secret: &key !!str {KEY}"),
        format!("secret: !!binary |\n          {KEY}"),
        format!("'secret' : {KEY}"),
        format!("\"secr\\u0065t\": {KEY}"),
        format!("? secret\n        : {KEY}"),
        format!("? |-\n          secret\n        : {KEY}"),
        format!("Secret: {KEY}"),
        format!("secret: [{a}, {b}]"),
        format!("secret: {{a: {KEY}}}"),
        format!("secret: c2hvcnQ= # {KEY}"),
        format!("# secret: {KEY}"),
        format!("# was {KEY} before\n        secret: c2hvcnQ="),
        format!("key: {KEY}"),
        format!("value: {KEY}"),
        format!("{KEY}: value"),
    ];
    for form in forms {
        let text = file(&form);
        let shown = covered(&text);
        assert_eq!(shows(&shown, KEY), None, "{form}\n{shown}");
        assert!(shown.contains("name: key-2026-11"), "{shown}");
        assert!(shown.contains("kind: EncryptionConfiguration"), "{shown}");
    }
}

#[test]
fn flow_style_json_and_anchors_are_read_too() {
    for text in [
        format!(
            "resources: [{{providers: [{{aesgcm: {{keys: [{{name: a, secret: {KEY}}}]}}}}]}}]\n"
        ),
        format!(
            "{{\"resources\": [{{\"providers\": [{{\"aesgcm\": {{\"keys\": [{{\"name\": \"a\", \"secret\": \"{KEY}\"}}]}}}}]}}]}}"
        ),
        format!("{{\"keys\": [{{\"name\": \"a\",\n\t\"secret\":\n\t\"{KEY}\"}}]}}"),
        "x: &k short pass phrase\nkeys: [{name: a, secret: *k}]\n".to_owned(),
        "x: &k {secret: short pass phrase}\nkeys: [{name: a, <<: *k}]\n".to_owned(),
        "x: &k [short pass phrase]\nkeys: [{name: a, secret: *k}]\n".to_owned(),
        "a: b\n---\nkeys: [{name: a, secret: short pass phrase}]\n".to_owned(),
        "a: b\n...\n%YAML 1.1\n---\n{secret: short pass phrase}\n".to_owned(),
    ] {
        let shown = covered(&text);
        assert_eq!(shows(&shown, KEY), None, "{shown}");
        assert_eq!(shows(&shown, "short pass phrase"), None, "{shown}");
    }
}

#[test]
fn what_cannot_be_read_is_covered_by_its_lines() {
    let rest = "  - identity: {}\n";
    for broken in [
        format!("        secret: \"{KEY}\n{rest}"),
        format!("        secret: '{KEY}\n          and more of the pass phrase\n{rest}"),
        format!("\tsecret: {KEY}\n{rest}"),
        format!(
            "        secret: |\n          some words of a pass phrase\n          more of the pass phrase\n  - ]\n{rest}"
        ),
        format!("        secret:\n          some words of a pass phrase\n  - ]\n{rest}"),
        format!(
            "        name: {{\n        secret: >-\n           some words of a pass phrase\n{rest}"
        ),
        format!("        secret: @{KEY}\n{rest}"),
        format!("        name: [a\n        {KEY}\n{rest}"),
    ] {
        let text = format!(
            "resources:\n- providers:\n  - aescbc:\n      keys:\n      - name: key1\n{broken}"
        );
        let shown = covered(&text);
        assert_eq!(shows(&shown, KEY), None, "{text}\n{shown}");
        assert_eq!(
            shows(&shown, "some words of a pass phrase"),
            None,
            "{text}\n{shown}"
        );
        assert_eq!(
            shows(&shown, "more of the pass phrase"),
            None,
            "{text}\n{shown}"
        );
        assert!(shown.contains("name: key1"), "{shown}");
    }
}

#[test]
fn keys_within_other_files_are_covered() {
    let held = file(&format!("secret: {KEY}")).replace('\n', "\n    ");
    let json =
        format!("{{\\\"kind\\\": \\\"EncryptionConfiguration\\\", \\\"secret\\\": \\\"{KEY}\\\"}}");
    for text in [
        format!("kind: ConfigMap\ndata:\n  config.yaml: |\n    {held}\n"),
        format!("kind: ConfigMap\nmetadata:\n  annotations:\n    last: \"{json}\"\n"),
        format!("data:\n  config.yaml: {KEY}\n  password: short\nkind: Secret\n"),
        format!("kind: List\nitems:\n- kind: Secret\n  stringData:\n    a: |\n      {held}\n"),
        format!(
            "version: v1alpha1\ncluster:\n  secretboxEncryptionSecret: {KEY}\n  token: abcdef.0123456789abcdef\n"
        ),
        format!("write-kubeconfig-mode: 600\ntoken: \"{KEY}\"\n"),
    ] {
        let shown = covered(&text);
        assert_eq!(shows(&shown, KEY), None, "{shown}");
        assert_eq!(shows(&shown, "abcdef.0123456789abcdef"), None, "{shown}");
    }
    let shown = covered(&format!(
        "kind: ConfigMap\ndata:\n  config.yaml: |\n    {held}\n"
    ));
    assert!(shown.contains("name: key-2026-11"), "only the key: {shown}");
}

#[test]
fn every_prefix_of_a_file_keeps_the_key_covered() {
    let text = file(&format!("secret: |\n          {KEY}"));
    for end in 0..text.len() {
        let shown = covered(&text[..end]);
        assert_eq!(shows(&shown, KEY), None, "{shown}");
    }
}

#[test]
fn ordinary_names_stay_readable() {
    let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration # k8senc: allow K8E007 they agreed\nresources:\n- resources: [validatingadmissionpolicies.admissionregistration.k8s.io, '*.*']\n  providers:\n  - kms: {apiVersion: v2, name: cloud-kms-eu-central-1, endpoint: 'unix:///run/kms/kms-plugin.sock', timeout: 3s}\n  - identity: {}\n";
    assert_eq!(covered(text), text);
    let pod = "kind: Pod\nspec:\n  containers:\n  - command: [kube-apiserver, --encryption-provider-config=/etc/kubernetes/enc/config.yaml, --tls-private-key-file=/etc/kubernetes/pki/apiserver.key]\n    image: registry.k8s.io/kube-apiserver:v1.37.0\n";
    assert_eq!(covered(pod), pod);
}

/// The keys of a configuration, as bytes.
fn keys(text: &str) -> Vec<Vec<u8>> {
    let config = Config::parse(text.as_bytes()).unwrap();
    let providers = config.entries().iter().flat_map(|e| &e.providers);
    let keys = providers.flat_map(|p| match p {
        Provider::Aescbc(keys) | Provider::Aesgcm(keys) | Provider::Secretbox(keys) => {
            keys.as_slice()
        }
        _ => &[],
    });
    keys.map(|key| key.secret().to_vec()).collect()
}

#[test]
fn a_redacted_file_is_judged_as_before() {
    let text = format!(
        "# the key of {KEY}\napiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets] # all of them\n  providers:\n  - aescbc:\n      keys:\n      - name: a\n        secret: {KEY}\n      - {{name: b, secret: 'MDEyMzQ1Njc4OWFiY2RlZg=='}}\n      - name: c\n        secret: |\n          {KEY}\n  - identity: {{}}\n"
    );
    let out = redact(&text).unwrap();
    assert_eq!(shows(&out, KEY), None, "{out}");
    assert!(
        !out.contains('#') && out.contains("resources: [secrets]\n"),
        "{out}"
    );
    let [before, after] = [keys(&text), keys(&out)];
    assert_eq!(
        before.iter().map(Vec::len).collect::<Vec<_>>(),
        after.iter().map(Vec::len).collect::<Vec<_>>()
    );
    assert_eq!(after[0], after[2], "one key stays one key");
    assert_ne!(after[0][..16], after[1][..]);
    assert!(after[0].starts_with(b"1-redacted-"));
    assert_eq!(redact(&out).unwrap(), out);
}

#[test]
fn mistakes_stay_mistakes() {
    for (secret, code) in [
        ("not base64 at all!", "key-base64"),
        ("c2hvcnQ=", "key-size"),
        ("1234567890123456", "field-type"),
    ] {
        let text = file(&format!("secret: {secret}")).replace("secretbox", "aesgcm");
        let codes = |text: &str| -> Vec<String> {
            let verdict = validate(text.as_bytes(), &Options::default());
            verdict.problems.iter().map(|p| p.code.to_owned()).collect()
        };
        let out = redact(&text).unwrap();
        assert!(!out.contains(secret), "{out}");
        assert_eq!(codes(&text), codes(&out), "{code}");
        assert!(!codes(&text).is_empty());
    }
}

#[test]
fn what_is_not_understood_is_not_called_redacted() {
    for (text, why) in [
        ("", "one YAML or JSON document"),
        ("kind: Secret\ndata: {a: b}\n", "no EncryptionConfiguration"),
        (
            "kind: EncryptionConfiguration\nresources: [\n",
            "to its end",
        ),
        (
            "kind: EncryptionConfiguration\n---\nkind: EncryptionConfiguration\n",
            "one YAML",
        ),
        (
            &format!("kind: EncryptionConfiguration\n{KEY}: a\n"),
            "name looks like a key",
        ),
        (
            &format!(
                "kind: EncryptionConfiguration\nresources: [{{resources: [a, &{} b]}}]\nx: {}\n",
                &KEY[..20],
                &KEY[..20]
            ),
            "second time",
        ),
    ] {
        let refused = redact(text).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(shows(&refused, KEY), None);
    }
}

#[test]
fn no_recorded_key_is_shown_or_kept() {
    let mut redacted = 0;
    let cases = k8senc_vectors::configuration("config/");
    for case in &cases {
        let Ok(text) = core::str::from_utf8(&case.text) else {
            continue;
        };
        let shown = covered(text);
        let out = redact(text);
        if let Ok(out) = &out {
            assert_eq!(redact(out).as_ref(), Ok(out), "{text}\n{out}");
            redacted += 1;
        }
        for entry in outline(text.as_bytes(), &Options::default()) {
            for key in entry.providers.iter().flat_map(|p| &p.keys) {
                let Some((_, secret)) = text[key.start..key.end].split_once("secret: ") else {
                    continue;
                };
                let secret = secret
                    .split(['\n', ',', '}'])
                    .next()
                    .unwrap()
                    .trim_matches(['"', '\'', ' ']);
                if secret.len() < 16 || secret.contains(['*', '&', '|', '>', '#', '\\']) {
                    continue;
                }
                assert!(!shown.contains(secret), "{text}");
                if let Ok(out) = &out {
                    assert!(!out.contains(secret), "{text}\n{out}");
                }
            }
        }
    }
    assert!(redacted > cases.len() / 3, "{redacted} of {}", cases.len());
}

#[test]
fn the_outline_names_the_places() {
    let text = file(&format!("secret: {KEY}"));
    let outline = outline(text.as_bytes(), &Options::default());
    let [entry] = outline.as_slice() else {
        panic!()
    };
    let (name, span) = &entry.resources[0];
    assert_eq!(
        (name.as_str(), &text[span.start..span.end]),
        ("secrets", "secrets")
    );
    assert!(text[entry.providers[0].span.start..].starts_with("secretbox:"));
    assert!(text[entry.providers[0].keys[0].start..].starts_with("name: key-2026-11"));
    assert!(text[entry.providers[1].span.start..].starts_with("identity: {}"));
}
