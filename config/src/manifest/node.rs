//! Reading a tree by name.

use crate::tree::{Field, Node, Value};

impl Node {
    /// The fields of a mapping; none of anything else.
    pub(super) fn fields(&self) -> &[Field] {
        match &self.value {
            Value::Map(fields) => fields,
            _ => &[],
        }
    }

    /// The elements of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|f| f.key.as_str() == name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.field(name).map(|f| &f.node)
    }

    /// Down a path of names.
    pub(super) fn down(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The text of a field.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Self::text)
    }

    /// Text, or what a number or boolean is as text.
    pub(super) fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::String(text) => Some(text.as_str().to_owned()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(number) => Some(number.clone()),
            _ => None,
        }
    }

    pub(super) fn truth(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(value) => Some(*value),
            Value::String(text) => text.as_str().parse().ok(),
            _ => None,
        }
    }
}

/// Whether a mapping says that it is an EncryptionConfiguration, in either form.
pub(super) fn is_configuration(node: &Node) -> bool {
    let kind = node.word("kind");
    matches!(kind, Some("EncryptionConfiguration" | "EncryptionConfig"))
}
