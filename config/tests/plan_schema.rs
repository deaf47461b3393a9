//! Plans and their schema say the same, field by field: none is missing in either.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

use k8senc_config::plan::{Plan, PlanOptions, plan, plan_change, plan_converge};
use serde_json::Value;

const KEYWORDS: [&str; 13] = [
    "$schema",
    "title",
    "description",
    "$defs",
    "$ref",
    "type",
    "required",
    "properties",
    "items",
    "anyOf",
    "const",
    "enum",
    "minimum",
];

/// What is wrong with a value, if anything; panics at a keyword that is not checked here.
fn fault(schema: &Value, root: &Value, value: &Value, at: &str) -> Option<String> {
    for keyword in schema.as_object().unwrap().keys() {
        assert!(
            KEYWORDS.contains(&keyword.as_str()),
            "{at}: {keyword} is not checked"
        );
    }
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap();
        return fault(&root["$defs"][name], root, value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let faults: Vec<String> = any
            .iter()
            .map_while(|s| fault(s, root, value, at))
            .collect();
        return (faults.len() == any.len()).then(|| faults.join(" and "));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Some(format!("{at}: {value}"));
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|list| !list.contains(value))
    {
        return Some(format!("{at}: {value}"));
    }
    let is = |name: &Value| match name.as_str().unwrap() {
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    let typed = match &schema["type"] {
        Value::Null => true,
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    };
    if !typed
        || schema["minimum"]
            .as_i64()
            .zip(value.as_i64())
            .is_some_and(|(least, is)| is < least)
    {
        return Some(format!("{at}: {value}"));
    }
    if let Some(list) = value.as_array() {
        let mut items = list.iter().enumerate();
        return items
            .find_map(|(i, item)| fault(&schema["items"], root, item, &format!("{at}[{i}]")));
    }
    let fields = value.as_object()?;
    let mut required = schema["required"].as_array().unwrap().iter();
    if let Some(missing) = required.find(|name| !fields.contains_key(name.as_str().unwrap())) {
        return Some(format!("{at}: {missing} is missing"));
    }
    fields
        .iter()
        .find_map(|(name, field)| match schema["properties"].get(name) {
            Some(schema) => fault(schema, root, field, &format!("{at}.{name}")),
            None => Some(format!("{at}.{name} is not in the schema")),
        })
}

fn checked(plan: &Plan) -> Value {
    let schema: Value = serde_json::from_str(include_str!("../schema/plan.schema.json")).unwrap();
    let value = serde_json::to_value(plan).unwrap();
    assert_eq!(fault(&schema, &schema, &value, "plan"), None);
    value
}

fn file(providers: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers: [{providers}]\n"
    )
}

#[test]
fn every_plan_is_as_the_schema_says() {
    let key = |name: &str| {
        format!(
            "{{secretbox: {{keys: [{{name: {name}, secret: 'pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw='}}]}}}}, {{identity: {{}}}}"
        )
    };
    let kms = "{kms: {apiVersion: v2, name: p, endpoint: 'unix:///s'}}, {identity: {}}";
    let options = PlanOptions::default();
    let mut next = 0_u8;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            next = next.wrapping_mul(5).wrapping_add(113);
            *byte = next;
        }
    };
    for (text, goal) in [
        (file(&key("a")), "rotate-key"),
        (file(&key("a")), "decrypt-all"),
        (file(kms), "rotate-key"),
        (file(kms), "break-glass"),
        (file(kms), "change-provider=aesgcm"),
    ] {
        let plan = plan(&text, &goal.parse().unwrap(), &options, &mut random).unwrap();
        checked(&plan);
    }
    let (a, b) = (file(&key("a")), file(&key("b")));
    let value = checked(&plan_change(Some(&a), Some(&b), &options).unwrap());
    assert_eq!(value["ok"], false);
    checked(&plan_change(None, Some(&b), &options).unwrap());
    checked(&plan_change(Some(&a), None, &options).unwrap());
    checked(&plan_change(Some(&a), Some("kind: x"), &options).unwrap());
    let value = checked(&plan_converge(&a, &b, &options).unwrap());
    assert_eq!(value["matrix"].as_array().unwrap().len(), 2);
}

#[test]
fn the_schema_refuses_what_is_no_plan() {
    let schema: Value = serde_json::from_str(include_str!("../schema/plan.schema.json")).unwrap();
    let text = file("{identity: {}}");
    let good = checked(&plan_change(Some(&text), Some(&text), &PlanOptions::default()).unwrap());
    for (field, wrong) in [
        ("format", Value::from(2)),
        ("ok", Value::from("yes")),
        ("steps", Value::Null),
        ("direct", Value::from(1)),
    ] {
        let mut bad = good.clone();
        bad[field] = wrong;
        assert!(fault(&schema, &schema, &bad, "plan").is_some(), "{field}");
    }
    let mut more = good;
    more["another"] = Value::from(1);
    assert!(fault(&schema, &schema, &more, "plan").is_some());
}
