use serde::Deserialize;

/// What upstream said when it refused, and how ours may be compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Our stable error code, such as `padding-length`.
    pub code: String,
    /// The text of Go's error, or of its panic.
    pub text: String,
    /// How `text` may be compared.
    pub compare: Compare,
}

/// How an upstream text may be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// U+0020 and U+00A0 after `proto:` are equal: protobuf-go picks one by the build.
    ProtoSpace,
    /// `prefix`, then the parts inside `[...]` joined by `, ` in any order.
    MapOrder {
        /// The text before the bracket.
        prefix: String,
        /// The distinct parts, sorted.
        parts: Vec<String>,
    },
    /// Only this beginning counts.
    Prefix(String),
}

impl Upstream {
    /// Whether `ours` is a text that upstream could have given here.
    #[must_use]
    pub fn matches(&self, ours: &str) -> bool {
        match &self.compare {
            Compare::Exact => ours == self.text,
            Compare::ProtoSpace => ours.replace("proto:\u{a0}", "proto: ") == self.text,
            Compare::MapOrder { prefix, parts } => ours
                .strip_prefix(prefix.as_str())
                .and_then(|rest| rest.strip_prefix('['))
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|list| is_permutation(list, parts)),
            Compare::Prefix(prefix) => ours.starts_with(prefix.as_str()),
        }
    }
}

/// Whether `list` is `parts` in some order, joined by `, `; a part may hold `, ` itself.
fn is_permutation(list: &str, parts: &[String]) -> bool {
    if let [only] = parts {
        return list == only;
    }
    parts.iter().enumerate().any(|(i, part)| {
        list.strip_prefix(part.as_str())
            .and_then(|rest| rest.strip_prefix(", "))
            .is_some_and(|rest| {
                let mut left = parts.to_vec();
                left.remove(i);
                is_permutation(rest, &left)
            })
    })
}

/// The JSON fields that say how to compare.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CompareName {
    Exact,
    ProtoSpace,
    MapOrder,
    Prefix,
}

impl CompareName {
    pub(crate) fn with(
        self,
        prefix: Option<String>,
        parts: Option<Vec<String>>,
    ) -> Result<Compare, String> {
        match (self, prefix, parts) {
            (Self::Exact, None, None) => Ok(Compare::Exact),
            (Self::ProtoSpace, None, None) => Ok(Compare::ProtoSpace),
            (Self::MapOrder, prefix, Some(parts)) if !parts.is_empty() => Ok(Compare::MapOrder {
                prefix: prefix.unwrap_or_default(),
                parts,
            }),
            (Self::Prefix, Some(prefix), None) => Ok(Compare::Prefix(prefix)),
            _ => Err("compare does not fit upstreamPrefix and upstreamParts".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map_order(parts: &[&str]) -> Upstream {
        let parts = parts.iter().map(|s| (*s).to_owned()).collect();
        Upstream {
            code: String::new(),
            text: String::new(),
            compare: Compare::MapOrder {
                prefix: "bad: ".to_owned(),
                parts,
            },
        }
    }

    #[test]
    fn parts_may_come_in_any_order_and_hold_the_separator() {
        let u = map_order(&["a, b", "c", "a"]);
        assert!(u.matches("bad: [c, a, b, a]"));
        assert!(u.matches("bad: [a, a, b, c]"));
        assert!(!u.matches("bad: [a, b, c]"));
        assert!(!u.matches("bad: [c, a, b, a, a]"));
        assert!(!u.matches("[c, a, b, a]"));
    }

    #[test]
    fn either_space_after_proto_is_upstreams() {
        let u = Upstream {
            code: String::new(),
            text: "proto: cannot parse".to_owned(),
            compare: Compare::ProtoSpace,
        };
        assert!(u.matches("proto: cannot parse"));
        assert!(u.matches("proto:\u{a0}cannot parse"));
        assert!(!u.matches("proto:cannot parse"));
    }
}
