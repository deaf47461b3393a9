//! Protobuf objects by the table of built-in types.
//!
//! What comes out is what kube-apiserver makes of the bytes when it answers in JSON: which empty fields are written and
//! which are left out follows the Go types.

use alloc::vec::Vec;
use core::{fmt, str};

use crate::emit::Emit;
use crate::render::{Rendered, Unrendered};
use crate::replay;
use crate::special;
use crate::types::{Field, FieldKind, Message, Often, Omit, Types};
use crate::wire::{self, Value};

/// Real objects nest below 20.
const DEEPEST: usize = 64;

pub(crate) struct Decoder<'t> {
    pub types: &'t Types,
    /// Counts the fields that the table does not have.
    pub rendered: Rendered,
}

/// A field of the JSON object that a message becomes.
struct Member<'t, 'p> {
    name: &'t str,
    what: What<'t, 'p>,
}

enum What<'t, 'p> {
    Text(&'p str),
    Field(&'t Field, Vec<Value<'p>>),
}

impl<'t> Decoder<'t> {
    /// The object itself, its type before its fields.
    pub(crate) fn object<'p>(
        &mut self,
        message: &'t Message,
        api_version: &'p str,
        kind: &'p str,
        raw: &'p [u8],
        out: &mut dyn Emit,
    ) -> Result<(), Unrendered> {
        let words = [("apiVersion", api_version), ("kind", kind)];
        let members = words.map(|(name, text)| Member {
            name,
            what: What::Text(text),
        });
        self.map(message, raw, members.into(), DEEPEST, out)
    }

    fn map<'p>(
        &mut self,
        message: &'t Message,
        raw: &'p [u8],
        mut members: Vec<Member<'t, 'p>>,
        depth: usize,
        out: &mut dyn Emit,
    ) -> Result<(), Unrendered> {
        self.collect(message, raw, &mut members, depth)?;
        members.sort_by_key(|member| member.name);
        out.begin_map()?;
        for Member { name, what } in members {
            out.key(name)?;
            match what {
                What::Text(text) => out.text(text)?,
                What::Field(field, values) => self.field(field, &values, depth, out)?,
            }
        }
        Ok(out.end_map()?)
    }

    /// The fields of a message that appear in JSON, those of inlined messages among them.
    fn collect<'p>(
        &mut self,
        message: &'t Message,
        raw: &'p [u8],
        members: &mut Vec<Member<'t, 'p>>,
        depth: usize,
    ) -> Result<(), Unrendered> {
        let depth = depth
            .checked_sub(1)
            .ok_or(Unrendered::Damaged("nested too deeply"))?;
        let fields =
            wire::fields(raw).ok_or(Unrendered::Damaged("a message's lengths do not add up"))?;
        for (number, _) in &fields {
            if !message.fields.iter().any(|field| field.number == *number) {
                self.unknown(message, *number);
            }
        }
        for field in &message.fields {
            let values: Vec<Value<'p>> = fields
                .iter()
                .filter(|(number, _)| *number == field.number)
                .map(|(_, value)| *value)
                .collect();
            let many = matches!(field.often, Often::List | Often::Map);
            if !many && values.len() > 1 {
                // Readers would merge them; no writer of Kubernetes makes them.
                return Err(Unrendered::Damaged(
                    "a field that can be there once is there twice",
                ));
            }
            if let (Often::Inline, FieldKind::Message(at)) = (field.often, field.kind) {
                let inner = self
                    .types
                    .message(at)
                    .ok_or(Unrendered::Damaged("a type is missing in the table"))?;
                let raw = values.first().map_or(Some([].as_slice()), Value::bytes);
                self.collect(inner, raw.ok_or(WIRE)?, members, depth)?;
                continue;
            }
            if !omitted(field, &values)? {
                members.push(Member {
                    name: field.name,
                    what: What::Field(field, values),
                });
            }
        }
        Ok(())
    }

    fn unknown(&mut self, message: &Message, number: u64) {
        self.rendered.unknown_fields += 1;
        self.rendered
            .first_unknown
            .get_or_insert((message.name, number));
    }

    fn field<'p>(
        &mut self,
        field: &'t Field,
        values: &[Value<'p>],
        depth: usize,
        out: &mut dyn Emit,
    ) -> Result<(), Unrendered> {
        match field.often {
            Often::Once | Often::Inline => {
                self.value(field.kind, values.first().copied(), depth, out)
            }
            Often::Pointer => match values.first() {
                Some(value) => self.value(field.kind, Some(*value), depth, out),
                None => Ok(out.word("null")?),
            },
            Often::List | Often::Map if values.is_empty() => Ok(out.word("null")?),
            Often::List => {
                out.begin_list()?;
                for value in values {
                    match (field.kind, value) {
                        // Packed, as other writers than Go's may do it.
                        (FieldKind::Integer, &Value::Bytes(mut packed)) => {
                            while !packed.is_empty() {
                                let (number, rest) = wire::varint(packed).ok_or(WIRE)?;
                                packed = rest;
                                self.value(field.kind, Some(Value::Varint(number)), depth, out)?;
                            }
                        }
                        _ => self.value(field.kind, Some(*value), depth, out)?,
                    }
                }
                Ok(out.end_list()?)
            }
            Often::Map => self.entries(field, values, depth, out),
        }
    }

    fn entries<'p>(
        &mut self,
        field: &'t Field,
        values: &[Value<'p>],
        depth: usize,
        out: &mut dyn Emit,
    ) -> Result<(), Unrendered> {
        let mut entries: Vec<(&str, Option<Value<'p>>)> = Vec::new();
        for entry in values {
            let (mut key, mut value) = ("", None);
            for (number, part) in wire::fields(entry.bytes().ok_or(WIRE)?).ok_or(WIRE)? {
                match number {
                    1 => key = text(part)?,
                    2 => value = Some(part),
                    _ => return Err(WIRE),
                }
            }
            entries.push((key, value));
        }
        entries.sort_by_key(|(key, _)| *key);
        out.begin_map()?;
        for (at, (key, value)) in entries.iter().enumerate() {
            // Of two equal keys the later one counts.
            if entries.get(at + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            out.key(key)?;
            match (field.kind, value) {
                (FieldKind::Bytes, None) => out.text("")?,
                _ => self.value(field.kind, *value, depth, out)?,
            }
        }
        Ok(out.end_map()?)
    }

    /// One value; without one, what Go's zero value is in JSON.
    fn value<'p>(
        &mut self,
        kind: FieldKind,
        value: Option<Value<'p>>,
        depth: usize,
        out: &mut dyn Emit,
    ) -> Result<(), Unrendered> {
        let message = || value.map_or(Some([].as_slice()), |v| v.bytes()).ok_or(WIRE);
        match kind {
            FieldKind::Message(at) => {
                let inner = self
                    .types
                    .message(at)
                    .ok_or(Unrendered::Damaged("a type is missing in the table"))?;
                let depth = depth
                    .checked_sub(1)
                    .ok_or(Unrendered::Damaged("nested too deeply"))?;
                return self.map(inner, message()?, Vec::new(), depth, out);
            }
            FieldKind::Text => out.text(value.map_or(Ok(""), text)?)?,
            FieldKind::Bool => out.word(if number(value)? == 0 { "false" } else { "true" })?,
            FieldKind::Integer => integer(signed(number(value)?), out)?,
            FieldKind::Double => match value {
                None => out.word("0")?,
                Some(Value::Fixed64(bits)) => replay::float(f64::from_bits(bits), out)?,
                Some(_) => return Err(WIRE),
            },
            FieldKind::Bytes => match value {
                None => out.word("null")?,
                Some(value) => out.bytes(value.bytes().ok_or(WIRE)?)?,
            },
            FieldKind::Wrapped => {
                let items = wire::fields(message()?).ok_or(WIRE)?;
                if items.is_empty() {
                    return Ok(out.word("null")?);
                }
                out.begin_list()?;
                for (_, item) in items {
                    out.text(text(item)?)?;
                }
                out.end_list()?;
            }
            FieldKind::Time => special::time(message()?, false, out)?,
            FieldKind::MicroTime => special::time(message()?, true, out)?,
            FieldKind::Duration => special::duration(message()?, out)?,
            FieldKind::Quantity => special::quantity(message()?, out)?,
            FieldKind::IntOrString => special::int_or_string(message()?, out)?,
            FieldKind::RawExtension | FieldKind::FieldsV1 => special::raw_json(message()?, out)?,
        }
        Ok(())
    }
}

pub(crate) const WIRE: Unrendered = Unrendered::Damaged("a field has another form than its type");

/// Whether Go leaves the field out.
fn omitted(field: &Field, values: &[Value<'_>]) -> Result<bool, Unrendered> {
    if field.omit == Omit::Never {
        return Ok(false);
    }
    let first = values.first();
    Ok(match (field.often, field.kind) {
        (Often::Pointer | Often::List | Often::Map, _) => values.is_empty(),
        (_, FieldKind::Text) => first.map_or(Ok(""), |v| text(*v))?.is_empty(),
        (_, FieldKind::Bytes) => first.is_none_or(|v| v.bytes().is_some_and(<[u8]>::is_empty)),
        (_, FieldKind::Bool | FieldKind::Integer) => number(first.copied())? == 0,
        (_, FieldKind::Double) => first.is_none_or(|v| matches!(v, Value::Fixed64(0))),
        (_, FieldKind::Wrapped) => first.is_none_or(|v| v.bytes().is_some_and(<[u8]>::is_empty)),
        (_, FieldKind::Time | FieldKind::MicroTime) if field.omit == Omit::Zero => {
            special::is_zero_time(
                first
                    .map_or(Some([].as_slice()), Value::bytes)
                    .ok_or(WIRE)?,
            )?
        }
        // Structs are never empty to encoding/json.
        _ => false,
    })
}

pub(crate) fn text(value: Value<'_>) -> Result<&str, Unrendered> {
    str::from_utf8(value.bytes().ok_or(WIRE)?)
        .map_err(|_| Unrendered::Damaged("a text is no UTF-8"))
}

fn number(value: Option<Value<'_>>) -> Result<u64, Unrendered> {
    match value {
        None => Ok(0),
        Some(Value::Varint(number)) => Ok(number),
        Some(_) => Err(WIRE),
    }
}

/// Negative numbers take all ten bytes, whatever the width of the field.
pub(crate) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(crate) fn integer(number: i64, out: &mut dyn Emit) -> fmt::Result {
    out.word(&alloc::format!("{number}"))
}
