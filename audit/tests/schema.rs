//! The report and its schema say the same, field by field.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_audit::{FINDING_KINDS, FileSource, Options, audit};
use k8senc_config::Config;
use k8senc_vectors::sample_dir;
use serde_json::Value;

/// Checks the keywords that the schema uses, and that no field of the report is missing in it.
fn check(schema: &Value, root: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap();
        return check(&root["$defs"][name], root, value, at);
    }
    let known = [
        "description",
        "type",
        "required",
        "properties",
        "additionalProperties",
        "propertyNames",
    ];
    let known = [
        &known[..],
        &[
            "items", "enum", "const", "minimum", "$schema", "title", "$defs",
        ],
    ]
    .concat();
    for keyword in schema.as_object().unwrap().keys() {
        assert!(
            known.contains(&keyword.as_str()),
            "{at}: {keyword} is not checked"
        );
    }
    if let Some(only) = schema.get("const") {
        assert_eq!(value, only, "{at}");
    }
    if let Some(list) = schema["enum"].as_array() {
        assert!(list.contains(value), "{at}: {value}");
    }
    let is = |name: &str| match name {
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    match &schema["type"] {
        Value::String(name) => assert!(is(name), "{at}: {value} is no {name}"),
        Value::Array(names) => assert!(
            names.iter().any(|n| is(n.as_str().unwrap())),
            "{at}: {value}"
        ),
        _ => assert!(
            schema.get("const").is_some() || schema.get("enum").is_some(),
            "{at} has no type"
        ),
    }
    if value.is_null() {
        return;
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], root, item, &format!("{at}/{i}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            value.get(name.as_str().unwrap()).is_some(),
            "{at}: {name} is missing"
        );
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        if let Some(names) = schema.get("propertyNames") {
            check(names, root, &Value::from(name.clone()), &at);
            check(&schema["additionalProperties"], root, field, &at);
        } else {
            let field_schema = schema["properties"].get(name);
            assert!(field_schema.is_some(), "{at} is not in the schema");
            check(field_schema.unwrap(), root, field, &at);
        }
    }
}

#[test]
fn the_schema_describes_every_field() {
    let schema = include_str!("../schema/audit-report.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let source = FileSource::open(&sample_dir().join("snapshot.db")).unwrap();
    let text = std::fs::read(sample_dir().join("encryption-config.yaml")).unwrap();
    let config = Config::parse(&text).unwrap();
    for config in [None, Some(&config)] {
        let report = audit(&source, config, &DekTable::new(), &Options::new(&PORTABLE)).unwrap();
        let value = serde_json::to_value(&report).unwrap();
        for list in ["resources", "namespaces", "groups", "deks", "findings"] {
            assert!(
                !value[list].as_array().unwrap().is_empty(),
                "{list} has nothing to check"
            );
        }
        check(&schema, &schema, &value, "");
    }
}

#[test]
fn the_schema_has_every_kind_of_finding() {
    let schema = include_str!("../schema/audit-report.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let listed = &schema["$defs"]["finding"]["properties"]["code"]["enum"];
    let mut kinds: Vec<&str> = FINDING_KINDS.iter().map(|kind| kind.code).collect();
    kinds.sort_unstable();
    assert_eq!(*listed, serde_json::to_value(kinds).unwrap());
}
