//! Files that bring configurations to API servers: what is found in them, and each rule about the way there.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

mod recorded;

use std::collections::BTreeSet;

use k8senc_config::{
    Finding, Form, LintOptions, Manifest, Reference, Severity, Version, lint_manifest, rules,
};

const KEY: &str = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";
const WEAK: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A configuration in the usual form.
fn config(providers: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n{providers}"
    )
}

fn good() -> String {
    config(&format!(
        "  - secretbox: {{keys: [{{name: a, secret: {KEY}}}]}}\n  - identity: {{}}\n"
    ))
}

fn with_kms(endpoint: &str) -> String {
    config(&format!(
        "  - kms: {{apiVersion: v2, name: p, endpoint: '{endpoint}'}}\n  - identity: {{}}\n"
    ))
}

/// A static pod with one mount; `@` lines are put in.
fn pod(flags: &[&str], mount: &str, volume: &str, more: &str) -> String {
    let flags: String = flags.iter().map(|f| format!("    - {f}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: kube-apiserver\n  namespace: kube-system\nspec:\n{more}  containers:\n  - name: kube-apiserver\n    image: registry.k8s.io/kube-apiserver:v1.34.2\n    command:\n    - kube-apiserver\n    - --etcd-servers=https://127.0.0.1:2379\n{flags}    volumeMounts:\n    - {{name: ca, mountPath: /etc/ssl/certs, readOnly: true}}\n    - {{name: enc, {mount}}}\n  volumes:\n  - {{name: ca, hostPath: {{path: /etc/ssl/certs, type: DirectoryOrCreate}}}}\n  - {{name: enc, {volume}}}\n"
    )
}

const FLAG: &str = "--encryption-provider-config=/etc/kubernetes/enc/enc.yaml";
const RELOAD: &str = "--encryption-provider-config-automatic-reload=true";
const MOUNT: &str = "mountPath: /etc/kubernetes/enc, readOnly: true";
const VOLUME: &str = "hostPath: {path: /srv/enc, type: Directory}";

fn good_pod() -> String {
    pod(&[FLAG, RELOAD], MOUNT, VOLUME, "")
}

fn kubeadm(version: &str, args: &str) -> String {
    format!(
        "apiVersion: kubeadm.k8s.io/{version}\nkind: ClusterConfiguration\nkubernetesVersion: v1.33.1\napiServer:\n  extraArgs:\n{args}  extraVolumes:\n  - name: enc\n    hostPath: /etc/kubernetes/enc\n    mountPath: /etc/kubernetes/enc\n    readOnly: true\n    pathType: Directory\n"
    )
}

const V1BETA4: &str =
    "  - name: encryption-provider-config\n    value: /etc/kubernetes/enc/enc.yaml\n";
const V1BETA3: &str = "    encryption-provider-config: /etc/kubernetes/enc/enc.yaml\n";

fn plugin(kind: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: vault-kubernetes-kms}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: vault-kubernetes-kms\n        image: {image}\n"
    )
}

fn config_map(kind: &str, field: &str, config: &str) -> String {
    let inner: String = config.lines().map(|l| format!("    {l}\n")).collect();
    format!(
        "apiVersion: v1\nkind: {kind}\nmetadata: {{name: enc}}\n{field}:\n  enc.yaml: |\n{inner}"
    )
}

struct Case {
    code: &'static str,
    bad: String,
    good: String,
    referenced: Option<String>,
}

fn case(code: &'static str, bad: String, good: String) -> Case {
    Case {
        code,
        bad,
        good,
        referenced: None,
    }
}

fn cases() -> Vec<Case> {
    let one = |flag: &str| pod(&[flag], MOUNT, VOLUME, "");
    vec![
        case("K8M001", pod(&[], MOUNT, VOLUME, ""), good_pod()),
        case(
            "K8M002",
            pod(&["--encryption-provider-config=/etc/kubernetes/enc/old.yaml", FLAG], MOUNT, VOLUME, ""),
            good_pod(),
        ),
        case(
            "K8M003",
            one("--experimental-encryption-provider-config=/etc/kubernetes/enc/enc.yaml"),
            good_pod(),
        ),
        case("K8M004", one(RELOAD), good_pod()),
        case(
            "K8M005",
            one("--encryption-provider-config=/etc/kubernetes/encryption/enc.yaml"),
            good_pod(),
        ),
        Case {
            referenced: Some(with_kms("unix:///var/run/kmsplugin/socket.sock")),
            ..case(
                "K8M006",
                good_pod(),
                good_pod().replace(
                    "    - {name: enc,",
                    "    - {name: kms, mountPath: /var/run/kmsplugin}\n    - {name: enc,",
                ),
            )
        },
        case(
            "K8M007",
            pod(
                &[FLAG, RELOAD],
                "mountPath: /etc/kubernetes/enc/enc.yaml, readOnly: true",
                "hostPath: {path: /srv/enc/enc.yaml, type: File}",
                "",
            ),
            pod(
                &[FLAG],
                "mountPath: /etc/kubernetes/enc/enc.yaml, readOnly: true",
                "hostPath: {path: /srv/enc/enc.yaml, type: File}",
                "",
            ),
        ),
        case(
            "K8M008",
            pod(
                &[FLAG],
                "mountPath: /etc/kubernetes/enc/enc.yaml, readOnly: true",
                "hostPath: {path: /srv/enc/enc.yaml, type: FileOrCreate}",
                "",
            ),
            good_pod(),
        ),
        case(
            "K8M009",
            pod(&[FLAG], "mountPath: /etc/kubernetes/enc, readonly: true", VOLUME, ""),
            good_pod(),
        ),
        case(
            "K8M010",
            pod(&[FLAG], "mountPath: /etc/kubernetes/enc", VOLUME, ""),
            good_pod(),
        ),
        case(
            "K8M011",
            plugin("DaemonSet", "falcosuessgott/vault-kubernetes-kms:v1.4.0"),
            plugin("DaemonSet", "x:v1").replace("kind: DaemonSet", "kind: Pod").replace(
                "  template:\n    spec:\n      containers:\n      - name: vault-kubernetes-kms\n        image: x:v1\n",
                "  containers:\n  - name: vault-kubernetes-kms\n    image: x:v1\n",
            ),
        ),
        case(
            "K8M012",
            plugin("Pod", "registry:5000/vault-kubernetes-kms"),
            plugin("Pod", "registry:5000/vault-kubernetes-kms:v1.4.0"),
        ),
        case(
            "K8M013",
            "secrets-encryption: true\nkube-apiserver-arg:\n- encryption-provider-config=/etc/enc.yaml\n".to_owned(),
            "secrets-encryption: true\n".to_owned(),
        ),
        case("K8M014", kubeadm("v1beta4", V1BETA3), kubeadm("v1beta4", V1BETA4)),
        case(
            "K8M015",
            config_map("ConfigMap", "data", &good()),
            config_map("ConfigMap", "data", &with_kms("unix:///var/run/kmsplugin/socket.sock")),
        ),
    ]
}

fn run(text: &str, referenced: Option<&str>) -> Vec<Finding> {
    let manifest = Manifest::read(text.as_bytes(), "file.yaml")
        .unwrap_or_else(|| panic!("not a manifest:\n{text}"));
    let files: Vec<&[u8]> = referenced.iter().map(|r| r.as_bytes()).collect();
    lint_manifest(text.as_bytes(), &manifest, &files, &LintOptions::default())
}

fn has(findings: &[Finding], code: &str) -> bool {
    findings.iter().any(|f| f.code == code)
}

#[test]
fn each_rule_finds_its_fault_and_only_that() {
    for case in cases() {
        let found = run(&case.bad, case.referenced.as_deref());
        assert!(
            has(&found, case.code),
            "{} is not found in\n{}\n{found:#?}",
            case.code,
            case.bad
        );
        for finding in &found {
            assert!(
                finding.span.of(&case.bad).is_some(),
                "{}: {:?}",
                finding.code,
                finding.span
            );
        }
        let found = run(&case.good, case.referenced.as_deref());
        assert!(
            !has(&found, case.code),
            "{} is found in\n{}\n{found:#?}",
            case.code,
            case.good
        );
    }
}

#[test]
fn every_rule_has_a_case_and_every_fixable_one_a_fix() {
    let all: BTreeSet<&str> = rules()
        .iter()
        .map(|r| r.code)
        .filter(|c| c.starts_with("K8M"))
        .collect();
    let tested: BTreeSet<&str> = cases().iter().map(|c| c.code).collect();
    assert_eq!(tested, all);
    for case in cases() {
        let rule = rules().iter().find(|r| r.code == case.code).unwrap();
        let found = run(&case.bad, case.referenced.as_deref());
        let fix = found
            .iter()
            .filter(|f| f.code == case.code)
            .find_map(|f| f.fix.as_ref());
        assert_eq!(fix.is_some(), rule.fixable, "{}", case.code);
        let Some(fix) = fix else { continue };
        let cured = fix.apply(&case.bad).unwrap();
        let after = run(&cured, case.referenced.as_deref());
        assert!(!has(&after, case.code), "{} stays in\n{cured}", case.code);
        assert!(
            after.len() < found.len(),
            "{} brings others in\n{cured}",
            case.code
        );
    }
}

#[test]
fn a_good_pod_is_quiet_and_names_its_file() {
    let text = good_pod();
    assert!(
        run(&text, Some(&good())).is_empty(),
        "{:#?}",
        run(&text, Some(&good()))
    );
    let manifest = Manifest::read(text.as_bytes(), "x").unwrap();
    assert_eq!(
        (manifest.form(), manifest.version(), manifest.reloads()),
        (Form::Objects, Some(Version::new(34)), true)
    );
    let references = manifest.references();
    let [
        Reference {
            server,
            path,
            host_path,
            ..
        },
    ] = references.as_slice()
    else {
        panic!("{references:?}");
    };
    assert_eq!(server, "kube-apiserver of the pod kube-apiserver");
    assert_eq!(path, "/etc/kubernetes/enc/enc.yaml");
    assert_eq!(host_path.as_deref(), Some("/srv/enc/enc.yaml"));
}

#[test]
fn flags_are_read_in_every_form() {
    for (flags, path) in [
        (
            &[
                "--encryption-provider-config",
                "/etc/kubernetes/enc/enc.yaml",
            ][..],
            "/etc/kubernetes/enc/enc.yaml",
        ),
        (&["\"--encryption-provider-config=/a/b\""], "/a/b"),
        (
            &["/bin/sh -c 'kube-apiserver --x=1 --encryption-provider-config=/a/c --y'"],
            "/a/c",
        ),
        (
            &[
                "--encryption-provider-config=/a/1",
                "--encryption-provider-config=/a/2",
            ],
            "/a/2",
        ),
    ] {
        let text = pod(flags, MOUNT, VOLUME, "");
        let manifest = Manifest::read(text.as_bytes(), "x").unwrap();
        assert_eq!(manifest.references()[0].path, path, "{text}");
    }
}

#[test]
fn both_kubeadm_forms_are_read() {
    for (version, args) in [("v1beta3", V1BETA3), ("v1beta4", V1BETA4)] {
        let text = kubeadm(version, args);
        let manifest = Manifest::read(text.as_bytes(), "x").unwrap();
        assert_eq!(
            (manifest.form(), manifest.version()),
            (Form::Kubeadm, Some(Version::new(33)))
        );
        assert_eq!(
            manifest.references()[0].host_path.as_deref(),
            Some("/etc/kubernetes/enc/enc.yaml")
        );
        assert!(run(&text, None).is_empty(), "{:#?}", run(&text, None));
    }
    let dashes = kubeadm("v1beta4", &V1BETA4.replace("name: e", "name: --e"));
    assert!(has(&run(&dashes, None), "K8M014"));
    let after = format!(
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n---\n{}",
        kubeadm("v1beta4", V1BETA3)
    );
    let found = run(&after, None);
    let place = found.iter().find(|f| f.code == "K8M014").unwrap().span;
    assert!(
        place
            .of(&after)
            .unwrap()
            .starts_with("encryption-provider-config")
    );
}

#[test]
fn k3s_makes_its_file_when_told_to_and_rke2_always() {
    let text = "secrets-encryption: true\ndata-dir: /data/k3s/\n";
    let manifest = Manifest::read(text.as_bytes(), "/etc/rancher/k3s/config.yaml").unwrap();
    assert_eq!(manifest.form(), Form::K3s);
    assert_eq!(
        manifest.references()[0].host_path.as_deref(),
        Some("/data/k3s/server/cred/encryption-config.json")
    );
    assert!(manifest.reloads());
    let off = "secrets-encryption: false\n";
    assert!(has(&run(off, None), "K8M001"));
    let rke2 = Manifest::read(
        b"secrets-encryption-provider: secretbox\n",
        "/etc/rancher/rke2/config.yaml",
    )
    .unwrap();
    assert_eq!(
        rke2.references()[0].path,
        "/var/lib/rancher/rke2/server/cred/encryption-config.json"
    );
}

/// The template is siderolabs/talos, kube-system-encryption-config-template.yaml.
#[test]
fn talos_makes_its_file_from_the_secrets() {
    let text = format!(
        "version: v1alpha1\nmachine: {{type: controlplane}}\ncluster:\n  aescbcEncryptionSecret: {KEY}\n  secretboxEncryptionSecret: {WEAK}\n"
    );
    let manifest = Manifest::read(text.as_bytes(), "x").unwrap();
    assert_eq!(manifest.form(), Form::Talos);
    assert!(manifest.references().is_empty());
    let [made] = manifest.embedded() else {
        panic!("{manifest:?}")
    };
    assert!(!made.is_verbatim());
    let expected = format!(
        "apiVersion: v1\nkind: EncryptionConfig\nresources:\n- resources:\n  - secrets\n  providers:\n  - secretbox:\n      keys:\n      - name: key2\n        secret: {WEAK}\n  - aescbc:\n      keys:\n      - name: key1\n        secret: {KEY}\n  - identity: {{}}\n"
    );
    assert_eq!(made.text(), expected);
    let found = run(&text, None);
    let weak = found.iter().find(|f| f.code == "K8E013").unwrap();
    assert_eq!(weak.span.of(&text), Some(WEAK));
    assert!(!has(&found, "K8E033"));
    assert!(has(
        &run(
            "version: v1alpha1\nmachine: {type: controlplane}\ncluster: {}\n",
            None
        ),
        "K8M001"
    ));
    assert!(
        run(
            "version: v1alpha1\nmachine: {type: worker}\ncluster: {}\n",
            None
        )
        .is_empty()
    );
}

#[test]
fn documents_of_talos_are_judged_in_place() {
    let text = format!(
        "version: v1alpha1\nmachine: {{type: controlplane}}\ncluster: {{}}\n---\napiVersion: v1alpha1\nkind: KubeEtcdEncryptionConfig\nconfig:\n    resources:\n        - resources:\n            - secret\n          providers:\n            - secretbox:\n                keys:\n                    - name: key2\n                      secret: {WEAK}\n            - identity: {{}}\n"
    );
    let found = run(&text, None);
    let typo = found.iter().find(|f| f.code == "K8E026").unwrap();
    assert_eq!(typo.span.of(&text), Some("secret"));
    assert_eq!(
        found
            .iter()
            .find(|f| f.code == "K8E013")
            .unwrap()
            .span
            .of(&text),
        Some(WEAK)
    );
    assert!(
        !has(&found, "K8M001") && !has(&found, "K8E050"),
        "{found:#?}"
    );

    let volumes = "version: v1alpha1\nmachine: {type: controlplane}\ncluster:\n  apiServer:\n    extraVolumes:\n    - {hostPath: /a, mountPath: /b, readOnly: true}\n";
    assert!(has(&run(volumes, None), "K8M009"));
    assert!(!has(
        &run(&volumes.replace("readOnly", "readonly"), None),
        "K8M009"
    ));
}

#[test]
fn what_is_embedded_is_found_at_its_place() {
    let bad = good().replace("[secrets]", "[secret]");
    let place = |text: &str| {
        let found = run(text, None);
        let typo = found
            .iter()
            .find(|f| f.code == "K8E026")
            .unwrap_or_else(|| panic!("{text}\n{found:#?}"));
        assert!(typo.fix.is_some());
        typo.span.of(text).unwrap().to_owned()
    };
    assert_eq!(place(&config_map("ConfigMap", "data", &bad)), "secret");
    assert_eq!(place(&config_map("Secret", "stringData", &bad)), "secret");
    let indented: String = bad.lines().map(|l| format!("      {l}\n")).collect();
    let files =
        format!("#cloud-config\nwrite_files:\n- path: /etc/enc.yaml\n  content: |\n{indented}");
    assert_eq!(place(&files), "secret");
    let manifest = Manifest::read(files.as_bytes(), "x").unwrap();
    assert_eq!(manifest.embedded()[0].writes_to(), Some("/etc/enc.yaml"));
    assert_eq!(manifest.embedded()[0].text(), bad);
    // A scalar in quotes is judged, and its findings stand at the scalar.
    let quoted = format!("kind: ConfigMap\ndata:\n  x: {bad:?}\n");
    assert!(place(&quoted).starts_with('"'));
    // RKE1 has it as a mapping.
    let nested: String = bad.lines().map(|l| format!("        {l}\n")).collect();
    let rke = format!(
        "services:\n  kube-api:\n    secrets_encryption_config:\n      custom_config:\n{nested}"
    );
    assert_eq!(place(&rke), "secret");
    // kubectl get -o json
    let json = format!(
        r#"{{"kind": "List", "items": [{{"kind": "ConfigMap", "data": {{"x": {}}}}}]}}"#,
        serde_json::to_string(&bad).unwrap()
    );
    assert!(place(&json).starts_with('"'));
    let secret = format!("kind: Secret\ndata:\n  x: {}\n", base64(&bad));
    assert!(has(&run(&secret, None), "K8E026"));
    assert_eq!(
        run(&secret, None)
            .iter()
            .find(|f| f.code == "K8M015")
            .unwrap()
            .severity,
        Severity::Warning
    );
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63] as char;
            out.push(if i <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

#[test]
fn a_finding_is_silenced_around_and_within() {
    let text = pod(
        &[
            "--experimental-encryption-provider-config=/etc/kubernetes/enc/enc.yaml # k8senc: allow K8M003 -- 1.22 until May",
        ],
        MOUNT,
        VOLUME,
        "",
    );
    let found = run(&text, None);
    assert!(
        !has(&found, "K8M003") && !has(&found, "K8E052"),
        "{found:#?}"
    );
    let inner = config_map(
        "ConfigMap",
        "data",
        &good().replace(
            "  - identity",
            "  # k8senc: allow K8E004 -- later\n  - identity",
        ),
    );
    let found = run(&inner, None);
    assert!(
        !has(&found, "K8E004") && !has(&found, "K8E052"),
        "{found:#?}"
    );
}

#[test]
fn other_files_are_no_manifests() {
    for text in [
        "",
        "a",
        "{}",
        "[]",
        "- a",
        "\u{0}",
        "kind: Deployment\nspec: {}\n",
        "kind: Pod\nspec: {containers: [{name: web}]}\n",
        "{",
        "a: [1",
        "? \n---\n: x",
    ] {
        assert!(Manifest::read(text.as_bytes(), "x").is_none(), "{text}");
    }
    assert!(Manifest::read(good().as_bytes(), "x").is_none());
    assert!(Manifest::read(format!("{}---\nkind: other\n", good()).as_bytes(), "x").is_none());
    assert!(Manifest::read(b"\xff\xfe", "x").is_none());
}

#[test]
fn a_kms_in_an_embedded_file_must_be_mounted_too() {
    let inner: String = with_kms("unix:///@kms")
        .lines()
        .map(|l| format!("    {l}\n"))
        .collect();
    let text = format!("{}---\nkind: ConfigMap\ndata:\n  x: |\n{inner}", good_pod());
    let found = run(&text, None);
    assert!(has(&found, "K8M006"), "{found:#?}");
    let text = text.replace("spec:\n", "spec:\n  hostNetwork: true\n");
    assert!(!has(&run(&text, None), "K8M006"));
}

#[test]
fn large_files_end_quickly() {
    let many = "---\nkind: ConfigMap\ndata: {a: b}\n".repeat(20_000);
    assert!(Manifest::read(many.as_bytes(), "x").is_none());
    let deep = format!(
        "kind: ConfigMap\ndata: {}{}\n",
        "{a: ".repeat(150),
        "}".repeat(150)
    );
    assert!(Manifest::read(deep.as_bytes(), "x").is_none());
}

/// The same cases for those who cannot call this test: the page shows each. Made again with `K8SENC_RECORD=1`.
#[test]
fn the_cases_are_recorded() {
    let cases: Vec<_> = cases()
        .into_iter()
        .map(|case| {
            serde_json::json!({
                "code": case.code,
                "bad": case.bad,
                "good": case.good,
                "referenced": case.referenced,
            })
        })
        .collect();
    recorded::compare("manifest-cases.json", &cases);
}
