//! Configurations: their keys are base64 text, and a parser keeps text in many places.

use k8senc_backends::NATIVE;
use k8senc_config::{
    Config, GroupResource, LintOptions, Manifest, Options, lint, lint_manifest, validate,
};
use k8senc_secret_proof::leaked_by;

use crate::{secrets, told};

fn yaml(keys: &str) -> String {
    format!(
        "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources:\n- resources: [secrets]\n  providers:\n  - aesgcm:\n      keys:\n{keys}\n  - identity: {{}}\n"
    )
}

/// What an operator's file can hold, by how the key is written; the text itself is never given back.
fn files(name: &str) -> Vec<(String, &'static [u8])> {
    let key = secrets::aes_key(name, 32);
    let text = secrets::text(key);
    let short = secrets::text(secrets::plain(&format!("{name} short"), 31));
    let (head, tail) = text.split_at(20);
    let half = &text[..42];
    let item = |secret: String| yaml(&format!("      - name: key1\n        secret: {secret}"));
    let long = secrets::text(secrets::plain(&format!("{name} long"), 3000));
    let cases = [
        ("bare", item(text.into())),
        ("single quotes", item(format!("'{text}'"))),
        ("double quotes", item(format!("\"{text}\""))),
        (
            "an escape",
            item(format!(
                "\"{head}\\x{:02x}{}\"",
                tail.as_bytes()[0],
                &tail[1..]
            )),
        ),
        ("literal block", item(format!("|\n          {text}"))),
        (
            "literal block in two lines",
            item(format!("|\n          {head}\n          {tail}")),
        ),
        (
            "folded block",
            item(format!(">-\n          {head}\n          {tail}")),
        ),
        (
            "bare over two lines",
            item(format!("{head}\n          {tail}")),
        ),
        (
            "quoted over two lines",
            item(format!("\"{head}\\\n          {tail}\"")),
        ),
        (
            "anchor and alias",
            yaml(&format!(
                "      - &k\n        name: key1\n        secret: &s {text}\n      - name: key2\n        secret: *s\n      - *k"
            )),
        ),
        (
            "merge",
            yaml(&format!(
                "      - &k {{name: key1, secret: {text}}}\n      - <<: *k\n        name: key2"
            )),
        ),
        (
            "flow",
            yaml(&format!("      - {{name: key1, secret: {text}}}")),
        ),
        ("wrong tag", item(format!("!!int {text}"))),
        ("tag", item(format!("!!str {text}"))),
        ("binary", item(format!("!!binary {text}"))),
        ("comment", item(format!("{text} # was {}", short))),
        ("crlf", item(text.into()).replace('\n', "\r\n")),
        (
            "twice",
            yaml(&format!(
                "      - name: key1\n        secret: {text}\n        secret: {short}"
            )),
        ),
        (
            "unknown field",
            yaml(&format!(
                "      - name: key1\n        secret: {text}\n        sekret: {short}"
            )),
        ),
        ("a list", item(format!("[{text}]"))),
        ("a map", item(format!("{{a: {text}}}"))),
        ("short", item(short.into())),
        ("long", item(long.into())),
        ("not base64", item(format!("{half}*{tail}"))),
        ("cut off", item(format!("\"{text}"))),
        (
            "bad indentation",
            yaml(&format!(
                "      - name: key1\n        secret: {text}\n     bad"
            )),
        ),
        (
            "tab",
            yaml(&format!("      - name: key1\n\tsecret: {text}")),
        ),
        (
            "several providers",
            format!(
                "{}  - secretbox:\n      keys:\n      - {{name: a, secret: {text}}}\n  - aescbc:\n      keys:\n      - {{name: b, secret: {short}}}\n",
                item(text.into())
            ),
        ),
        (
            "json",
            format!(
                r#"{{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{{"resources":["secrets"],"providers":[{{"secretbox":{{"keys":[{{"name":"key1","secret":"{text}"}}]}}}},{{"identity":{{}}}}]}}]}}"#
            ),
        ),
        (
            "json escape",
            format!(
                r#"{{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{{"resources":["secrets"],"providers":[{{"aescbc":{{"keys":[{{"name":"key1","secret":"{head}\u{:04x}{}"}}]}}}}]}}]}}"#,
                tail.as_bytes()[0],
                &tail[1..]
            ),
        ),
        (
            "json twice",
            format!(
                r#"{{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{{"resources":["secrets"],"providers":[{{"aescbc":{{"keys":[{{"name":"key1","secret":"{text}","secret":"{short}"}}]}}}}]}}]}}"#
            ),
        ),
        (
            "json cut off",
            format!(
                r#"{{"kind":"EncryptionConfiguration","resources":[{{"providers":[{{"aescbc":{{"keys":[{{"name":"key1","secret":"{text}"#
            ),
        ),
        (
            "json wrong type",
            format!(
                r#"{{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{{"resources":["{text}"],"providers":[{{"aescbc":"{short}"}}]}}]}}"#
            ),
        ),
        (
            "another kind",
            format!("kind: Secret\napiVersion: v1\ndata:\n  a: {text}\n"),
        ),
        ("not a map", text.to_owned()),
    ];
    let utf16 = item(text.into());
    let units = core::iter::once(0xfeff).chain(utf16.encode_utf16());
    let utf16: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    let mut files = vec![("utf-16".to_owned(), &*utf16.leak())];
    files.extend(
        cases
            .into_iter()
            .map(|(what, file)| (what.to_owned(), &*file.into_bytes().leak())),
    );
    files
}

/// Every file that leaves something behind, so that one run shows all.
fn clean_all(name: &str, mut work: impl FnMut(&[u8])) {
    let left: Vec<String> = files(name)
        .into_iter()
        .map(|(what, file)| told(&what, &leaked_by(|| work(file))))
        .filter(|told| !told.is_empty())
        .collect();
    assert!(left.is_empty(), "{}", left.join("\n\n"));
}

#[test]
fn parsing_leaves_nothing() {
    let mut loaded = 0;
    clean_all("config", |file| {
        if let Ok(config) = Config::parse(file) {
            loaded += 1;
            let chain = config.chain(&GroupResource::parse("secrets"), &NATIVE);
            assert!(!chain.unwrap().is_empty());
        }
    });
    assert!(loaded >= 15, "only {loaded} of the files load");
}

#[test]
fn judging_leaves_nothing() {
    clean_all("validate", |file| {
        let verdict = validate(file, &Options::default());
        drop(format!("{verdict:?}"));
        drop(format!("{:?}", lint(file, &LintOptions::default())));
        if let Err(refused) = Config::parse(file) {
            drop((refused.to_string(), format!("{refused:?}")));
        }
    });
}

/// A configuration in quotes within a manifest is written anew as a whole.
#[test]
fn mending_leaves_nothing() {
    let text = secrets::text(secrets::aes_key("mend", 32));
    let config = format!(
        "kind: EncryptionConfiguration\\napiVersion: apiserver.config.k8s.io/v1\\nresources:\\n- resources: [secrets]\\n  providers:\\n  - identity: {{}}\\n  - aesgcm:\\n      keys:\\n      - name: key1\\n        secret: {text}\\n"
    );
    let file: &[u8] = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: enc}}\ndata:\n  enc.yaml: \"{config}\"\n"
    )
    .leak()
    .as_bytes();
    let mut changes = 0;
    let leaks = leaked_by(|| {
        let manifest = Manifest::read(file, "enc.yaml").unwrap();
        let found = lint_manifest(file, &manifest, &[], &LintOptions::default());
        changes = found.iter().filter(|f| f.fix.is_some()).count();
        drop(format!("{found:?}"));
    });
    assert!(changes > 0);
    assert_eq!(told("a ConfigMap", &leaks), "");
}
