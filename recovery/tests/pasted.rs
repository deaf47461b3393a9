//! What real tools print is read back, and nothing else is taken for a value.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use std::collections::{BTreeMap, BTreeSet};

use base64ct::{Base64, Encoding};
use k8senc_recovery::{Form, Pasted, pasted, pasted_as};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    values: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    value: String,
    command: String,
    form: Option<String>,
    etcd_key: Option<String>,
    printed: String,
}

fn recorded() -> Recorded {
    serde_json::from_slice(&k8senc_vectors::file("pastes/pastes.json")).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn only(found: Option<Vec<Pasted>>, what: &str) -> Pasted {
    let found = found.unwrap_or_default();
    assert_eq!(found.len(), 1, "{what}");
    found.into_iter().next().unwrap()
}

#[test]
fn every_recorded_paste_is_read_or_refused() {
    let recorded = recorded();
    let mut forms = BTreeSet::new();
    for case in &recorded.cases {
        let what = format!("{} of {}", case.command, case.value);
        let text = Base64::decode_vec(&case.printed).unwrap();
        // The page's editor and a terminal of Windows write line ends their own way; that of a raw value is part of it.
        let carried = String::from_utf8(text.clone())
            .ok()
            .filter(|_| case.form.as_deref() != Some("etcdctl"))
            .map(|text| text.replace('\n', "\r\n").into_bytes());
        for text in [Some(text), carried].into_iter().flatten() {
            let Some(form) = &case.form else {
                assert!(pasted(&text).is_none(), "{what}");
                continue;
            };
            let found = only(pasted(&text), &what);
            assert_eq!(found.form.name(), form, "{what}");
            assert_eq!(found.stored, unhex(&recorded.values[&case.value]), "{what}");
            let key = found.etcd_key.map(|key| String::from_utf8(key).unwrap());
            assert_eq!(key, case.etcd_key, "{what}");
            assert_eq!(
                found.mod_revision.is_some(),
                matches!(found.form, Form::EtcdctlJson | Form::EtcdctlFields),
                "{what}"
            );
            forms.insert(form.clone());
        }
    }
    assert_eq!(forms.len(), 7, "{forms:?}");
}

/// A dump that lost a line, two that were swapped, a digit that was mistyped: nothing comes out, rather than other bytes.
#[test]
fn a_damaged_dump_is_no_value() {
    let recorded = recorded();
    let dumps = recorded
        .cases
        .iter()
        .filter(|case| case.form.as_deref() == Some("hexdump"));
    let mut damaged = 0;
    for case in dumps {
        let text = String::from_utf8(Base64::decode_vec(&case.printed).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let value = unhex(&recorded.values[&case.value]);
        for at in 0..lines.len() {
            let mut fewer = lines.clone();
            fewer.remove(at);
            // A star goes on with whatever stands above it up to whatever comes below: a line less cannot be seen.
            if fewer.get(at) == Some(&"*") || at > 0 && lines[at - 1] == "*" {
                continue;
            }
            // Without its last lines a dump is a shorter one, as long as they tell nothing of what stands above.
            if let Some(found) = pasted(fewer.join("\n").as_bytes()) {
                assert!(
                    value.starts_with(&found[0].stored),
                    "{} without line {at}",
                    case.command
                );
                assert!(at + 2 >= lines.len(), "{} without line {at}", case.command);
            }
            let mut swapped = lines.clone();
            if at + 1 < lines.len() {
                swapped.swap(at, at + 1);
                let found = pasted(swapped.join("\n").as_bytes());
                assert!(found.is_none(), "{} swapped at {at}", case.command);
            }
            damaged += 1;
        }
    }
    assert!(damaged > 300, "{damaged}");
}

#[test]
fn what_databases_print_is_hex() {
    for text in [
        "6b38733a",
        "6B38733A\n",
        "6b 38\n73 3a",
        "0x6b38733a",
        "\\x6b38733a",
        "X'6b38733a'",
        "0x6b, 0x38, 0x73, 0x3a",
        "{ 0x6b, 0x38, 0x73, 0x3a, }",
    ] {
        let found = only(pasted(text.as_bytes()), text);
        assert_eq!((found.form, &found.stored[..]), (Form::Hex, &b"k8s:"[..]));
    }
}

#[test]
fn what_is_no_value_is_none() {
    for text in [
        "",
        " \n",
        "{}",
        "{\"kind\":\"Secret\"}",
        "{\"header\":1,\"kvs\":[{\"key\":\"?\"}]}",
        "{\"header\":1,\"kvs\":[],\"other\":1}",
        "6b3",
        "6 b3 8",
        "hello",
        "/registry/secrets/default/abcd",
        "/registry/secrets/default/a\nvalue",
        "apiVersion: v1\nkind: Secret\n",
        "*",
        "00000000",
        "00000000: ",
        "000010 31 3a",
        "0000000 6b38\n*\nffffffff\n",
        "00000000  6b 38  |k8|\n*\n00000003\n",
        "00000000: 6b38 733a  k8s;",
        "\\x6b\\x38 \\x73 \\x3a",
        "\"ClusterID\" : 1\n\"Key\" : \"a\"\n\"Value\" : \"\\q\"",
    ] {
        assert!(pasted(text.as_bytes()).is_none(), "{text:?}");
    }
    // A field of dots claims no memory: the repeated lines of this dump would be larger than any value.
    let large = "00000000  6b  |k|\n*\n7fffffff\n";
    assert!(pasted(large.as_bytes()).is_none());
}

#[test]
fn etcdctl_may_find_no_key_or_several() {
    let none = pasted(b"{\"header\":{\"revision\":9}}");
    assert_eq!(none.as_deref(), Some(&[][..]));
    let text = br#"{"header":{"revision":"9"},"kvs":[{"key":"L2E=","mod_revision":"7","value":"Yg=="},{"key":"L2I="}],"count":"2"}"#;
    let found = pasted(text).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0].stored[..], found[0].mod_revision),
        (&b"b"[..], Some(7))
    );
    assert_eq!(found[1].etcd_key.as_deref(), Some(&b"/b"[..]));
    let hex = pasted(b"\\x2f\\x61\n\\x31\n\\x2f\\x62\n\\x32\n").unwrap();
    assert_eq!(hex.len(), 2);
    assert_eq!(hex[1].etcd_key.as_deref(), Some(&b"/b"[..]));
}

#[test]
fn a_form_that_was_named_is_held_to() {
    assert!(pasted_as(b"azhzOg==", Form::Hex).is_none());
    assert!(pasted_as(b"6b38733a", Form::EtcdctlJson).is_none());
    assert_eq!(
        only(pasted_as(b"6b38733a", Form::Base64), "base64").form,
        Form::Base64
    );
    assert_eq!(
        only(pasted_as(b"6b38733a", Form::Raw), "raw").stored,
        b"6b38733a"
    );
    assert_eq!(only(pasted_as(b"00", Form::Hex), "hex").stored, [0]);
    let named = pasted_as(b"/a\n\x00\n\n", Form::Etcdctl);
    assert_eq!(only(named, "etcdctl").stored, b"\0\n");
}

/// A stored value may be a Secret in plaintext.
#[test]
fn debug_shows_sizes_only() {
    let shown = format!("{:?}", pasted(b"azhzOg==").unwrap());
    assert_eq!(shown, "[Pasted(base64, 4 bytes)]");
}
