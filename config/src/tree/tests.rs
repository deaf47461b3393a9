use k8senc_vectors::YamlResult;

use super::{MAX_DEPTH, Node, SyntaxError, Value, yaml};
use crate::golang::json_string;

fn json(node: &Node, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(&b.to_string()),
        Value::Number(n) => out.push_str(n),
        Value::String(s) => json_string(out, s),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                json(item, out);
            }
            out.push(']');
        }
        Value::Map(fields) => {
            out.push('{');
            for (i, field) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                json_string(out, &field.key);
                out.push(':');
                json(&field.node, out);
            }
            out.push('}');
        }
    }
}

fn deepest(json: &str) -> usize {
    let mut depth: usize = 0;
    let mut most = 0;
    for b in json.bytes() {
        match b {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

#[test]
fn yaml_becomes_the_json_that_upstream_makes_of_it() {
    let cases = k8senc_vectors::yaml("yaml/");
    assert_eq!(cases.len(), k8senc_vectors::manifest().count("yaml/"));
    let mut wrong = Vec::new();
    for case in &cases {
        let (lax, strict) = match yaml::read(&case.text) {
            Ok(tree) => {
                let mut text = String::new();
                json(&tree.root, &mut text);
                let strict = if tree.duplicates.is_empty() {
                    Ok(())
                } else {
                    Err(())
                };
                (Ok(text), strict)
            }
            Err(SyntaxError {
                upstream, exact, ..
            }) => (Err((upstream, exact)), Err(())),
        };
        let same = match &case.lax {
            YamlResult::Json(json) => lax.as_ref() == Ok(json),
            YamlResult::Error(text) => lax
                .as_ref()
                .is_err_and(|(ours, exact)| !exact || ours == text),
            YamlResult::Varies => true,
        };
        let same_strict = match &case.strict {
            YamlResult::Json(_) => strict.is_ok(),
            YamlResult::Error(_) => strict.is_err(),
            YamlResult::Varies => true,
        };
        // The one published difference: upstream goes 10,000 levels deep, we stop at `MAX_DEPTH`.
        let too_deep = matches!(&case.lax, YamlResult::Json(json) if deepest(json) > MAX_DEPTH);
        if too_deep {
            assert!(
                lax.as_ref()
                    .is_err_and(|(e, _)| e.contains("nesting deeper than")),
                "{}",
                case.id
            );
            continue;
        }
        if !(same && same_strict) {
            wrong.push(format!(
                "{}/{} ({:?}): {:?} {:?}, ours {lax:?} {strict:?}",
                case.suite, case.id, case.why, case.lax, case.strict
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
