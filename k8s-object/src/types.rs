//! The built-in types: which protobuf field of which message is which JSON field.
//!
//! `types.txt` is written by the vectors' generator from the Go types of k8s.io/api, their `json` and `protobuf` tags:
//!
//! ```text
//! apps/v1 Deployment 12            apiVersion, kind, message
//!
//! 12 apps/v1.Deployment            a message; its fields follow
//! 1 metadata 1-3                   number, JSON name, how often, when left out, type
//!
//! how often     1 once, ? pointer, * list, % map by string, + once and its fields are the parent's in JSON
//! when left out = never, - when empty (omitempty), 0 when zero (omitzero)
//! type          a message's number, or s string, b bool, i integer, d double, x bytes, w message around a list of strings,
//!               T Time, M MicroTime, D Duration, Q Quantity, I IntOrString, R RawExtension, F FieldsV1
//! ```

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

const TABLE: &str = include_str!("types.txt");

/// The built-in types of Kubernetes, and what decodes them. Reading the table takes about a millisecond: keep one.
#[derive(Debug)]
pub struct Types {
    kinds: BTreeMap<(&'static str, &'static str), usize>,
    messages: Vec<Message>,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub name: &'static str,
    pub fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub number: u64,
    pub name: &'static str,
    pub often: Often,
    pub omit: Omit,
    pub kind: FieldKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Often {
    Once,
    Pointer,
    List,
    Map,
    Inline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Omit {
    Never,
    Empty,
    Zero,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Message(usize),
    Text,
    Bool,
    Integer,
    Double,
    Bytes,
    Wrapped,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrString,
    RawExtension,
    FieldsV1,
}

impl Types {
    /// The table that is compiled in. What it cannot be read for is left out, and a test holds that nothing is.
    pub fn builtin() -> Self {
        let mut types = Self {
            kinds: BTreeMap::new(),
            messages: Vec::new(),
        };
        let mut blocks = TABLE.split("\n\n");
        let kinds = blocks.next().unwrap_or_default().lines();
        for line in kinds.filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            if let (Some(version), Some(kind), Some(Ok(message))) =
                (words.next(), words.next(), words.next().map(str::parse))
            {
                types.kinds.insert((version, kind), message);
            }
        }
        for block in blocks {
            let mut lines = block.lines();
            let head = lines.next().unwrap_or_default();
            types.messages.push(Message {
                name: head.split_once(' ').map_or(head, |(_, name)| name),
                fields: lines.filter_map(field).collect(),
            });
        }
        types
    }

    /// Number of kinds.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// True without any kind.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether objects of this kind can be decoded.
    pub fn knows(&self, api_version: &str, kind: &str) -> bool {
        self.message_of(api_version, kind).is_some()
    }

    pub(crate) fn message_of(&self, api_version: &str, kind: &str) -> Option<&Message> {
        self.message(*self.kinds.get(&(api_version, kind))?)
    }

    pub(crate) fn message(&self, at: usize) -> Option<&Message> {
        self.messages.get(at)
    }
}

fn field(line: &'static str) -> Option<Field> {
    let mut words = line.split(' ');
    let (number, name, how) = (words.next()?, words.next()?, words.next()?);
    let mut letters = how.chars();
    let often = match letters.next()? {
        '1' => Often::Once,
        '?' => Often::Pointer,
        '*' => Often::List,
        '%' => Often::Map,
        '+' => Often::Inline,
        _ => return None,
    };
    let omit = match letters.next()? {
        '=' => Omit::Never,
        '-' => Omit::Empty,
        '0' => Omit::Zero,
        _ => return None,
    };
    let kind = match letters.as_str() {
        "s" => FieldKind::Text,
        "b" => FieldKind::Bool,
        "i" => FieldKind::Integer,
        "d" => FieldKind::Double,
        "x" => FieldKind::Bytes,
        "w" => FieldKind::Wrapped,
        "T" => FieldKind::Time,
        "M" => FieldKind::MicroTime,
        "D" => FieldKind::Duration,
        "Q" => FieldKind::Quantity,
        "I" => FieldKind::IntOrString,
        "R" => FieldKind::RawExtension,
        "F" => FieldKind::FieldsV1,
        number => FieldKind::Message(number.parse().ok()?),
    };
    Some(Field {
        number: number.parse().ok()?,
        name,
        often,
        omit,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::{FieldKind, TABLE, Types};

    #[test]
    fn the_whole_table_is_read() {
        let types = Types::builtin();
        let lines = TABLE
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        let fields: usize = types.messages.iter().map(|m| m.fields.len()).sum();
        assert_eq!(lines.count(), types.len() + types.messages.len() + fields);
        for field in types.messages.iter().flat_map(|m| &m.fields) {
            if let FieldKind::Message(at) = field.kind {
                assert!(types.message(at).is_some(), "{field:?}");
            }
        }
        for (at, message) in types.messages.iter().enumerate() {
            let named = alloc::format!("\n\n{at} {}\n", message.name);
            assert!(TABLE.contains(&named), "{named:?}");
        }
    }
}
