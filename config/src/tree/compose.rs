//! From YAML nodes to the tree: go-yaml v2's decoder into an untyped value, then sigs.k8s.io/yaml's turn to JSON.

use std::collections::{BTreeMap, BTreeSet};

use super::resolve::{Scalar, resolve};
use super::yaml::{Document, Kind, Parsed, failure};
use super::{DuplicateKey, Field, MAX_DEPTH, Node, Syntax, SyntaxError, Text, Tree, Value};
use crate::golang::{Number, go_float, json_float, key_float, quote};
use crate::span::Span;

/// A mapping key as Go compares it: values of different types differ even when they print alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// The bits of a finite float.
    Float(u64),
    NotFinite(&'static str),
    Text(Text),
}

/// A mapping while it is filled; merges fill the same one.
#[derive(Default)]
struct Filling {
    places: BTreeMap<Key, usize>,
    fields: Vec<(Key, Field)>,
}

struct Composer<'d> {
    document: &'d Document,
    duplicates: Vec<DuplicateKey>,
    ambiguous: Vec<Span>,
    not_finite: bool,
    /// Keys that JSON cannot have; they count when they are in the tree in the end.
    bad_keys: Vec<SyntaxError>,
    /// Aliases being expanded.
    expanding: BTreeSet<usize>,
    decoded: u64,
    from_aliases: u64,
}

pub(super) fn compose(document: &Document) -> Result<Tree, SyntaxError> {
    let mut composer = Composer {
        document,
        duplicates: Vec::new(),
        ambiguous: Vec::new(),
        not_finite: false,
        bad_keys: Vec::new(),
        expanding: BTreeSet::new(),
        decoded: 0,
        from_aliases: 0,
    };
    // An empty stream and an empty document are both null.
    let root = if document.nodes.is_empty() {
        Node::default()
    } else {
        composer.node(0, 0)?
    };
    // These two come from the step after decoding, so they lose against everything above.
    if let Some(error) = bad_key(&root, composer.bad_keys) {
        return Err(error);
    }
    if let Some((name, span)) = composer
        .not_finite
        .then(|| first_not_finite(&root))
        .flatten()
    {
        return Err(SyntaxError {
            upstream: format!("json: unsupported value: {name}"),
            exact: true,
            redacted: false,
            span,
        });
    }
    Ok(Tree {
        syntax: Syntax::Yaml,
        root,
        duplicates: composer.duplicates,
        ambiguous: composer.ambiguous,
        second_document: document.second_document,
    })
}

impl<'d> Composer<'d> {
    fn parsed(&self, index: usize) -> Result<&'d Parsed, SyntaxError> {
        self.document
            .nodes
            .get(index)
            .ok_or_else(|| failure("unknown problem".to_owned(), Span::default(), false))
    }

    /// Counts one decode step and refuses documents that are mostly aliases, by go-yaml's own ratio.
    fn count(&mut self, span: Span, depth: usize) -> Result<(), SyntaxError> {
        const LOW: f64 = 400_000.0;
        const HIGH: f64 = 4_000_000.0;
        self.decoded += 1;
        if !self.expanding.is_empty() {
            self.from_aliases += 1;
        }
        if self.from_aliases > 100 && self.decoded > 1000 {
            #[expect(clippy::cast_precision_loss, reason = "upstream divides float64s")]
            let (decoded, aliased) = (self.decoded as f64, self.from_aliases as f64);
            let allowed = if decoded <= LOW {
                0.99
            } else if decoded >= HIGH {
                0.10
            } else {
                0.99 - 0.89 * ((decoded - LOW) / (HIGH - LOW))
            };
            if aliased / decoded > allowed {
                return Err(failure(
                    "document contains excessive aliasing".to_owned(),
                    span,
                    true,
                ));
            }
        }
        if depth > MAX_DEPTH {
            return Err(failure(
                format!("nesting deeper than {MAX_DEPTH} levels"),
                span,
                false,
            ));
        }
        Ok(())
    }

    fn node(&mut self, index: usize, depth: usize) -> Result<Node, SyntaxError> {
        let parsed = self.parsed(index)?;
        self.count(parsed.span, depth)?;
        let value = match parsed.kind {
            Kind::Alias(target) => {
                self.enter(index, parsed)?;
                let node = self.node(target, depth + 1)?;
                self.expanding.remove(&index);
                return Ok(node);
            }
            Kind::Scalar => self.scalar(parsed)?,
            Kind::Sequence => {
                let mut items = Vec::with_capacity(parsed.children.len());
                for child in &parsed.children {
                    items.push(self.node(*child, depth + 1)?);
                }
                Value::List(items)
            }
            Kind::Mapping => {
                let mut filling = Filling::default();
                self.fill(parsed, &mut filling, depth)?;
                self.finish(filling)
            }
        };
        Ok(Node {
            span: parsed.span,
            value,
        })
    }

    fn enter(&mut self, index: usize, parsed: &Parsed) -> Result<(), SyntaxError> {
        if self.expanding.insert(index) {
            return Ok(());
        }
        Err(failure(
            format!("anchor '{}' value contains itself", parsed.value.as_str()),
            parsed.span,
            true,
        ))
    }

    fn scalar(&mut self, parsed: &Parsed) -> Result<Value, SyntaxError> {
        let scalar = resolve(parsed.tag.as_deref(), parsed.plain, &parsed.value).map_err(
            |(problem, redacted)| SyntaxError {
                redacted,
                ..failure(problem, parsed.span, true)
            },
        )?;
        Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(b) => Value::Bool(b),
            Scalar::Number(Number::Int(n)) => Value::Number(n.to_string()),
            Scalar::Number(Number::Uint(n)) => Value::Number(n.to_string()),
            Scalar::Number(Number::Float(f)) => Value::Number(json_float(f)),
            Scalar::NotFinite(name) => {
                self.not_finite = true;
                Value::Number(name.to_owned())
            }
            Scalar::Text(text) => Value::String(text),
        })
    }

    /// Puts the pairs of a mapping into `filling`, in file order; a merge sets its pairs where it stands.
    fn fill(
        &mut self,
        parsed: &Parsed,
        filling: &mut Filling,
        depth: usize,
    ) -> Result<(), SyntaxError> {
        let (pairs, _) = parsed.children.as_chunks::<2>();
        for [key_index, value_index] in pairs {
            let key_node = self.parsed(*key_index)?;
            let value_node = self.parsed(*value_index)?;
            if is_merge(key_node) {
                self.merge(*value_index, filling, depth + 1)?;
                continue;
            }
            let key = self.key(*key_index, depth + 1)?;
            let node = self.node(*value_index, depth + 1)?;
            let name = self.name(&key, key_node.span, &node.value);
            let field = Field {
                key: name,
                key_span: key_node.span,
                node,
            };
            match filling
                .places
                .get(&key)
                .and_then(|at| filling.fields.get_mut(*at))
            {
                Some((_, earlier)) => {
                    self.duplicates.push(DuplicateKey {
                        line: value_node.line + 1,
                        shown: shown(&key),
                        first: earlier.key_span,
                        second: key_node.span,
                    });
                    *earlier = field;
                }
                None => {
                    filling.places.insert(key.clone(), filling.fields.len());
                    filling.fields.push((key, field));
                }
            }
        }
        Ok(())
    }

    fn merge(
        &mut self,
        index: usize,
        filling: &mut Filling,
        depth: usize,
    ) -> Result<(), SyntaxError> {
        let parsed = self.parsed(index)?;
        match parsed.kind {
            Kind::Sequence => {
                // From the back, since upstream lets earlier ones overwrite.
                for child in parsed.children.iter().rev() {
                    if matches!(self.parsed(*child)?.kind, Kind::Scalar | Kind::Sequence) {
                        return Err(not_a_map(parsed.span));
                    }
                    self.merge_one(*child, filling, depth + 1)?;
                }
                Ok(())
            }
            Kind::Scalar => Err(not_a_map(parsed.span)),
            Kind::Mapping | Kind::Alias(_) => self.merge_one(index, filling, depth),
        }
    }

    fn merge_one(
        &mut self,
        index: usize,
        filling: &mut Filling,
        depth: usize,
    ) -> Result<(), SyntaxError> {
        let parsed = self.parsed(index)?;
        self.count(parsed.span, depth)?;
        let Kind::Alias(target) = parsed.kind else {
            return self.fill(parsed, filling, depth);
        };
        let target = self.parsed(target)?;
        if target.kind != Kind::Mapping {
            return Err(not_a_map(parsed.span));
        }
        self.enter(index, parsed)?;
        self.count(target.span, depth)?;
        self.fill(target, filling, depth)?;
        self.expanding.remove(&index);
        Ok(())
    }

    fn key(&mut self, index: usize, depth: usize) -> Result<Key, SyntaxError> {
        let parsed = self.parsed(index)?;
        self.count(parsed.span, depth)?;
        match parsed.kind {
            Kind::Alias(target) => {
                self.enter(index, parsed)?;
                let key = self.key(target, depth + 1);
                self.expanding.remove(&index);
                key
            }
            Kind::Scalar => {
                let scalar = resolve(parsed.tag.as_deref(), parsed.plain, &parsed.value).map_err(
                    |(problem, redacted)| SyntaxError {
                        redacted,
                        ..failure(problem, parsed.span, true)
                    },
                )?;
                Ok(match scalar {
                    Scalar::Null => Key::Null,
                    Scalar::Bool(b) => Key::Bool(b),
                    Scalar::Number(Number::Int(n)) => Key::Int(n),
                    Scalar::Number(Number::Uint(n)) => Key::Uint(n),
                    Scalar::Number(Number::Float(f)) => Key::Float(f.to_bits()),
                    Scalar::NotFinite(name) => Key::NotFinite(name),
                    Scalar::Text(text) => Key::Text(text),
                })
            }
            Kind::Sequence | Kind::Mapping => {
                Err(failure("invalid map key".to_owned(), parsed.span, false))
            }
        }
    }

    /// The field name a key becomes in JSON.
    fn name(&mut self, key: &Key, span: Span, value: &Value) -> Text {
        Text::new(match key {
            Key::Text(text) => return text.clone(),
            Key::Bool(b) => b.to_string(),
            Key::Int(n) => n.to_string(),
            Key::Float(bits) => key_float(f64::from_bits(*bits)),
            Key::NotFinite("+Inf") => ".inf".to_owned(),
            Key::NotFinite("-Inf") => "-.inf".to_owned(),
            Key::NotFinite(_) => ".nan".to_owned(),
            Key::Null | Key::Uint(_) => {
                let go_type = if matches!(key, Key::Null) {
                    "%!s(<nil>)"
                } else {
                    "uint64"
                };
                let (value, redacted) = match value {
                    Value::Null => ("<nil>", false),
                    Value::Bool(true) => ("true", false),
                    Value::Bool(false) => ("false", false),
                    Value::Number(n) => (n.as_str(), false),
                    // Upstream prints the value, which may be a key.
                    _ => ("REDACTED", true),
                };
                let upstream = format!(
                    "unsupported map key of type: {go_type}, key: {}, value: {value}",
                    shown(key)
                );
                self.bad_keys.push(SyntaxError {
                    upstream,
                    exact: false,
                    redacted,
                    span,
                });
                "\0".to_owned()
            }
        })
    }

    fn finish(&mut self, filling: Filling) -> Value {
        let mut fields: Vec<Field> = filling.fields.into_iter().map(|(_, field)| field).collect();
        fields.sort_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
        fields.dedup_by(|later, earlier| {
            let same = *later.key == *earlier.key;
            if same {
                self.ambiguous.push(later.key_span);
                core::mem::swap(later, earlier);
            }
            same
        });
        Value::Map(fields)
    }
}

/// The first key that JSON cannot have and that no later duplicate replaced.
fn bad_key(root: &Node, mut bad: Vec<SyntaxError>) -> Option<SyntaxError> {
    if bad.is_empty() {
        return None;
    }
    let places: BTreeSet<Span> = bad.iter().map(|e| e.span).collect();
    let found = key_among(root, &places)?;
    let at = bad.iter().position(|e| e.span == found)?;
    Some(bad.swap_remove(at))
}

fn key_among(node: &Node, places: &BTreeSet<Span>) -> Option<Span> {
    match &node.value {
        Value::List(items) => items.iter().find_map(|item| key_among(item, places)),
        Value::Map(fields) => fields.iter().find_map(|field| {
            let here = places.contains(&field.key_span).then_some(field.key_span);
            here.or_else(|| key_among(&field.node, places))
        }),
        _ => None,
    }
}

/// The first number JSON cannot hold, in the order upstream prints the tree.
fn first_not_finite(node: &Node) -> Option<(&str, Span)> {
    match &node.value {
        Value::Number(n) if n.ends_with(['f', 'N']) => Some((n, node.span)),
        Value::List(items) => items.iter().find_map(first_not_finite),
        Value::Map(fields) => fields.iter().find_map(|f| first_not_finite(&f.node)),
        _ => None,
    }
}

fn is_merge(key: &Parsed) -> bool {
    key.kind == Kind::Scalar
        && key.value.as_str() == "<<"
        && (key.plain || key.tag.as_deref() == Some("tag:yaml.org,2002:merge"))
}

fn not_a_map(span: Span) -> SyntaxError {
    failure(
        "map merge requires map or sequence of maps as the value".to_owned(),
        span,
        true,
    )
}

/// A key as `%#v` prints it.
fn shown(key: &Key) -> String {
    match key {
        Key::Null => "<nil>".to_owned(),
        Key::Bool(b) => b.to_string(),
        Key::Int(n) => n.to_string(),
        Key::Uint(n) => format!("{n:#x}"),
        Key::Float(bits) => go_float(f64::from_bits(*bits)),
        Key::NotFinite(name) => (*name).to_owned(),
        Key::Text(text) => quote(text),
    }
}
