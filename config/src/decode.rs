//! From the tree to the model, as sigs.k8s.io/json decodes into the Go types: case-sensitive, strict, first type
//! error fatal. What upstream calls a strict problem is collected, so that older versions can ignore it.

use std::collections::BTreeSet;

use crate::golang::{Duration, json_int32, quote};
use crate::model::{Entry, Key, Keys, Kms, Leaf, Model, Provider};
use crate::span::Span;
use crate::tree::{Field, Node, Value};

/// Upstream keeps this many strict problems of the JSON pass and drops the rest.
pub(crate) const MAX_STRICT: usize = 100;

/// Which of the two registered forms of the Go type is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    V1,
    /// `apiserver.config.k8s.io/__internal`: Go field names and no defaulting.
    Internal,
}

/// Decoding that cannot go on: upstream's text and the place.
#[derive(Debug)]
pub(crate) struct Fatal {
    pub upstream: String,
    pub span: Span,
}

/// A problem that only strict decoding reports.
#[derive(Clone, Debug)]
pub(crate) struct Strict {
    pub kind: StrictKind,
    /// Indexed path, such as `resources[0].providers[1].kms.cacheSize`.
    pub path: String,
    /// The offending key.
    pub span: Span,
    /// The first of two, for a duplicate.
    pub first: Option<Span>,
    /// The fields that would have been known here.
    pub known: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StrictKind {
    Unknown,
    Duplicate,
}

impl Strict {
    pub(crate) fn upstream(&self) -> String {
        let kind = match self.kind {
            StrictKind::Unknown => "unknown",
            StrictKind::Duplicate => "duplicate",
        };
        format!("{kind} field {}", quote(&self.path))
    }
}

/// A Go struct: its name and its JSON fields in both forms.
struct Struct {
    name: &'static str,
    v1: &'static [&'static str],
    internal: &'static [&'static str],
}

const CONFIGURATION: Struct = Struct {
    name: "EncryptionConfiguration",
    v1: &["kind", "apiVersion", "resources"],
    internal: &["kind", "apiVersion", "Resources"],
};
const RESOURCE: Struct = Struct {
    name: "ResourceConfiguration",
    v1: &["resources", "providers"],
    internal: &["Resources", "Providers"],
};
const PROVIDER: Struct = Struct {
    name: "ProviderConfiguration",
    v1: &["aesgcm", "aescbc", "secretbox", "identity", "kms"],
    internal: &["AESGCM", "AESCBC", "Secretbox", "Identity", "KMS"],
};
const AES: Struct = Struct {
    name: "AESConfiguration",
    v1: &["keys"],
    internal: &["Keys"],
};
const SECRETBOX: Struct = Struct {
    name: "SecretboxConfiguration",
    v1: &["keys"],
    internal: &["Keys"],
};
const IDENTITY: Struct = Struct {
    name: "IdentityConfiguration",
    v1: &[],
    internal: &[],
};
const KEY: Struct = Struct {
    name: "Key",
    v1: &["name", "secret"],
    internal: &["Name", "Secret"],
};
const KMS: Struct = Struct {
    name: "KMSConfiguration",
    v1: &["apiVersion", "name", "cachesize", "endpoint", "timeout"],
    internal: &["APIVersion", "Name", "CacheSize", "Endpoint", "Timeout"],
};

/// What decoding gives when no type error ended it.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub model: Model,
    pub strict: Vec<Strict>,
}

/// Decodes a tree into the configuration type.
pub(crate) fn decode(root: &Node, form: Form) -> Result<Decoded, Fatal> {
    let mut decoder = Decoder {
        form,
        strict: Vec::new(),
        seen: BTreeSet::new(),
        saved: None,
        path: String::new(),
        fields: Vec::new(),
        inside: None,
    };
    let mut model = Model {
        span: root.span,
        ..Model::default()
    };
    decoder.object(root, &CONFIGURATION, &mut |d, index, field| {
        if index == 2 {
            model.resources_span = Some(field.node.span);
            d.list(
                &field.node,
                &RESOURCE_LIST,
                &mut model.resources,
                &mut Decoder::entry,
            )?;
        }
        Ok(())
    })?;
    match decoder.saved {
        Some(fatal) => Err(fatal),
        None => Ok(Decoded {
            model,
            strict: decoder.strict,
        }),
    }
}

struct Decoder {
    form: Form,
    strict: Vec<Strict>,
    seen: BTreeSet<String>,
    /// The first type error; decoding goes on, since a worse error may follow.
    saved: Option<Fatal>,
    path: String,
    /// Field names without indexes, for type errors.
    fields: Vec<&'static str>,
    inside: Option<&'static str>,
}

/// The element type of a list, as Go prints it.
enum Element {
    Text,
    Struct(&'static Struct),
}

const RESOURCE_LIST: Element = Element::Struct(&RESOURCE);
const PROVIDER_LIST: Element = Element::Struct(&PROVIDER);
const KEY_LIST: Element = Element::Struct(&KEY);

type Visit<'v> = dyn FnMut(&mut Decoder, usize, &Field) -> Result<(), Fatal> + 'v;

impl Decoder {
    fn struct_type(&self, of: &Struct) -> String {
        let package = match self.form {
            Form::V1 => "v1",
            Form::Internal => "apiserver",
        };
        format!("{package}.{}", of.name)
    }

    fn type_error(&self, value: &str, node: &Node, go_type: &str) -> Fatal {
        let place = match self.inside {
            Some(inside) => format!("struct field {inside}.{}", self.fields.join(".")),
            None => "value".to_owned(),
        };
        Fatal {
            upstream: format!("json: cannot unmarshal {value} into Go {place} of type {go_type}"),
            span: node.span,
        }
    }

    fn save(&mut self, value: &str, node: &Node, go_type: &str) {
        if self.saved.is_none() {
            self.saved = Some(self.type_error(value, node, go_type));
        }
    }

    fn strict(
        &mut self,
        kind: StrictKind,
        key: &str,
        span: Span,
        first: Option<Span>,
        known: &'static [&'static str],
    ) {
        if self.strict.len() >= MAX_STRICT {
            return;
        }
        let dot = if self.path.is_empty() { "" } else { "." };
        let found = Strict {
            kind,
            path: format!("{}{dot}{key}", self.path),
            span,
            first,
            known,
        };
        if self.seen.insert(found.upstream()) {
            self.strict.push(found);
        }
    }

    /// Walks the fields of a struct; anything but a mapping is a type error, and null is nothing.
    fn object(&mut self, node: &Node, of: &Struct, visit: &mut Visit<'_>) -> Result<(), Fatal> {
        let fields = match &node.value {
            Value::Map(fields) => fields,
            Value::Null => return Ok(()),
            other => {
                let go_type = self.struct_type(of);
                self.save(other.kind(), node, &go_type);
                return Ok(());
            }
        };
        let known = match self.form {
            Form::V1 => of.v1,
            Form::Internal => of.internal,
        };
        let mut met: Vec<Option<Span>> = vec![None; known.len()];
        let path_len = self.path.len();
        let outside = self.inside;
        for field in fields {
            let Some((index, name)) = known
                .iter()
                .enumerate()
                .find(|(_, name)| **name == field.key.as_str())
            else {
                self.strict(StrictKind::Unknown, &field.key, field.key_span, None, known);
                continue;
            };
            if let Some(slot) = met.get_mut(index) {
                match *slot {
                    Some(first) => self.strict(
                        StrictKind::Duplicate,
                        name,
                        field.key_span,
                        Some(first),
                        known,
                    ),
                    None => *slot = Some(field.key_span),
                }
            }
            self.inside = Some(of.name);
            self.fields.push(name);
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(name);
            let result = visit(self, index, field);
            self.path.truncate(path_len);
            // On a fatal error the context is no longer needed.
            result?;
            self.fields.pop();
            self.inside = outside;
        }
        Ok(())
    }

    fn list<T: Default>(
        &mut self,
        node: &Node,
        element: &Element,
        into: &mut Option<Vec<T>>,
        each: &mut dyn FnMut(&mut Self, &Node, &mut T) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        let items = match &node.value {
            Value::List(items) => items,
            Value::Null => {
                *into = None;
                return Ok(());
            }
            other => {
                let go_type = match element {
                    Element::Text => "[]string".to_owned(),
                    Element::Struct(of) => format!("[]{}", self.struct_type(of)),
                };
                self.save(other.kind(), node, &go_type);
                return Ok(());
            }
        };
        // A field given twice decodes over what the first left, element by element.
        let list = into.get_or_insert_default();
        list.resize_with(items.len(), T::default);
        let path_len = self.path.len();
        for (i, (item, slot)) in items.iter().zip(list.iter_mut()).enumerate() {
            self.path.push_str(&format!("[{i}]"));
            let result = each(self, item, slot);
            self.path.truncate(path_len);
            result?;
        }
        Ok(())
    }

    fn text(&mut self, node: &Node, into: &mut Leaf) {
        match &node.value {
            Value::String(text) => {
                into.text = text.clone();
                into.span = Some(node.span);
            }
            Value::Null => into.span = Some(node.span),
            other => self.save(other.kind(), node, "string"),
        }
    }

    fn entry(&mut self, node: &Node, into: &mut Entry) -> Result<(), Fatal> {
        into.span = node.span;
        self.object(node, &RESOURCE, &mut |d, index, field| {
            if index == 0 {
                into.resources_span = Some(field.node.span);
                d.list(
                    &field.node,
                    &Element::Text,
                    &mut into.resources,
                    &mut |d, node, leaf| {
                        d.text(node, leaf);
                        Ok(())
                    },
                )
            } else {
                into.providers_span = Some(field.node.span);
                d.list(
                    &field.node,
                    &PROVIDER_LIST,
                    &mut into.providers,
                    &mut Self::provider,
                )
            }
        })
    }

    fn provider(&mut self, node: &Node, into: &mut Provider) -> Result<(), Fatal> {
        into.span = node.span;
        self.object(node, &PROVIDER, &mut |d, index, field| match index {
            0 => d.keys(field, &AES, &mut into.aesgcm),
            1 => d.keys(field, &AES, &mut into.aescbc),
            2 => d.keys(field, &SECRETBOX, &mut into.secretbox),
            3 => {
                into.identity =
                    (!matches!(field.node.value, Value::Null)).then_some(field.key_span);
                d.object(&field.node, &IDENTITY, &mut |_, _, _| Ok(()))
            }
            _ => d.kms(field, &mut into.kms),
        })
    }

    fn keys(&mut self, field: &Field, of: &Struct, into: &mut Option<Keys>) -> Result<(), Fatal> {
        if matches!(field.node.value, Value::Null) {
            *into = None;
            return Ok(());
        }
        let keys = into.get_or_insert_default();
        keys.key_span = field.key_span;
        keys.span = field.node.span;
        self.object(&field.node, of, &mut |d, _, list| {
            d.list(&list.node, &KEY_LIST, &mut keys.keys, &mut Self::key)
        })
    }

    fn key(&mut self, node: &Node, into: &mut Key) -> Result<(), Fatal> {
        into.span = node.span;
        self.object(node, &KEY, &mut |d, index, field| {
            d.text(
                &field.node,
                if index == 0 {
                    &mut into.name
                } else {
                    &mut into.secret
                },
            );
            Ok(())
        })
    }

    fn kms(&mut self, field: &Field, into: &mut Option<Kms>) -> Result<(), Fatal> {
        if matches!(field.node.value, Value::Null) {
            *into = None;
            return Ok(());
        }
        let kms = into.get_or_insert_default();
        kms.key_span = field.key_span;
        kms.span = field.node.span;
        self.object(&field.node, &KMS, &mut |d, index, field| {
            match index {
                0 => d.text(&field.node, &mut kms.api_version),
                1 => d.text(&field.node, &mut kms.name),
                2 => d.cachesize(&field.node, kms),
                3 => d.text(&field.node, &mut kms.endpoint),
                _ => d.timeout(&field.node, kms)?,
            }
            Ok(())
        })
    }

    fn cachesize(&mut self, node: &Node, kms: &mut Kms) {
        kms.cachesize_span = Some(node.span);
        match &node.value {
            Value::Null => kms.cachesize = None,
            Value::Number(text) => match json_int32(text) {
                Some(size) => kms.cachesize = Some(size),
                None => self.save(&format!("number {text}"), node, "int32"),
            },
            other => self.save(other.kind(), node, "int32"),
        }
    }

    /// Durations decode themselves upstream, and what such a method returns ends decoding at once.
    fn timeout(&mut self, node: &Node, kms: &mut Kms) -> Result<(), Fatal> {
        kms.timeout_span = Some(node.span);
        match &node.value {
            Value::Null => kms.timeout = None,
            Value::String(text) => {
                let timeout = Duration::parse(text).map_err(|e| Fatal {
                    upstream: e.0,
                    span: node.span,
                })?;
                kms.timeout = Some(timeout);
            }
            other => return Err(self.type_error(other.kind(), node, "string")),
        }
        Ok(())
    }
}
