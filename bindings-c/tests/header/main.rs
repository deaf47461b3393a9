//! The header in the tree is the one of the sources, and no number in it has changed.

mod generate;

use std::collections::BTreeMap;

#[test]
fn header_is_current() {
    let checked_in = std::fs::read_to_string(generate::path()).unwrap_or_default();
    let generated = String::from_utf8(generate::header()).unwrap();
    assert!(
        checked_in == generated,
        "include/k8senc.h differs: run `cargo run -p k8senc-c --example header`, look at the difference, commit it"
    );
    assert!(
        !generated.contains("_for_test"),
        "a test's function is in the header"
    );
}

/// `tests/status.txt` has every number that was ever given, a retired one too; lines are added, and none is changed.
#[test]
fn status_numbers_are_for_ever() {
    let header = std::fs::read_to_string(generate::path()).unwrap();
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for line in header.lines() {
        let line = line.trim().trim_end_matches(',');
        if let Some((name, number)) = line.split_once(" = ")
            && let Some(name) = name.strip_prefix("K8SENC_STATUS_")
        {
            assert_eq!(given.insert(number, name), None, "{number} is given twice");
        }
    }
    assert!(given.len() > 50, "the header has {} numbers", given.len());
    for line in include_str!("../status.txt").lines() {
        let (number, name) = line.split_once(' ').unwrap();
        match (given.remove(number), name.strip_prefix("retired ")) {
            (Some(found), None) => assert_eq!(found, name, "status {number}"),
            (None, Some(_)) => {}
            (found, _) => panic!("status {number} was {name} and is {found:?}"),
        }
    }
    assert!(
        given.is_empty(),
        "add to tests/status.txt, as `number NAME`: {given:?}"
    );
}
