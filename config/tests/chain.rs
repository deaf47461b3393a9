//! Configurations as chains; `wire.rs` reads every recorded value through them.

use k8senc::chain::Answer;
use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_config::{Config, GroupResource};

const TEXT: &str = "
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers: [{secretbox: {keys: [{name: a, secret: pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=}]}}]
- resources: [secrets]
  providers: [{identity: {}}, {kms: {apiVersion: v2, name: p, endpoint: 'unix:///p'}}]
";

#[test]
fn a_resource_without_a_rule_is_read_as_plain_text() {
    let config = Config::parse(TEXT.as_bytes()).unwrap();
    let chain = config
        .chain(&GroupResource::parse("configmaps"), &PORTABLE)
        .unwrap();
    let open = |stored: &[u8]| chain.open(stored, b"/registry/configmaps/a/b", &DekTable::new());
    assert!(matches!(open(b"{}"), Ok(Answer::Opened(_))));
    let refused = open(b"k8s:enc:aescbc:v1:a:").err();
    assert_eq!(refused.map(|e| e.code()), Some("identity-refused"));
}

#[test]
fn entries_with_one_name_make_one_chain() {
    let config = Config::parse(TEXT.as_bytes()).unwrap();
    let chain = config
        .chain(&GroupResource::parse("secrets"), &PORTABLE)
        .unwrap();
    let kinds: Vec<_> = (0..chain.len())
        .filter_map(|i| chain.describe(i))
        .map(|p| p.kind)
        .collect();
    assert_eq!(kinds, ["secretbox", "identity", "kms-v2"]);
}
