//! A configuration that can be changed: entries, providers and keys as the file has them, and what they came from.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::PlanError;
use crate::config::KmsVersion;
use crate::golang::Duration;
use crate::load::load;
use crate::model::{self, Model};
use crate::tree::Text;
use crate::verdict::Options;

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub entries: Vec<DraftEntry>,
}

/// One element of `resources`.
#[derive(Clone, Debug)]
pub(super) struct DraftEntry {
    pub names: Vec<String>,
    pub providers: Vec<DraftProvider>,
    /// Its index in the text.
    pub origin: Option<usize>,
}

/// One element of `providers`.
#[derive(Clone, Debug)]
pub(super) struct DraftProvider {
    pub kind: DraftKind,
    /// Its index in the text's list.
    pub origin: Option<usize>,
}

/// What the element is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DraftKind {
    Identity,
    Local(Local, Vec<DraftKey>),
    Kms(DraftKms),
}

/// Which local provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Local {
    /// AES-CBC.
    Aescbc,
    /// AES-GCM.
    Aesgcm,
    /// XSalsa20-Poly1305.
    Secretbox,
}

impl Local {
    /// The field in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aescbc => "aescbc",
            Self::Aesgcm => "aesgcm",
            Self::Secretbox => "secretbox",
        }
    }

    /// What its values begin with, up to the name.
    pub(super) const fn head(self) -> &'static str {
        match self {
            Self::Aescbc => "k8s:enc:aescbc:v1:",
            Self::Aesgcm => "k8s:enc:aesgcm:v1:",
            Self::Secretbox => "k8s:enc:secretbox:v1:",
        }
    }
}

/// A key; the secret is base64.
#[derive(Clone, Debug)]
pub(super) struct DraftKey {
    pub name: String,
    pub secret: Text,
    /// Its index in the text's list.
    pub origin: Option<usize>,
}

/// A KMS block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DraftKms {
    pub version: KmsVersion,
    pub name: String,
    pub endpoint: String,
    /// In nanoseconds.
    pub timeout: i64,
    pub cache_size: Option<i32>,
}

impl PartialEq for DraftEntry {
    fn eq(&self, other: &Self) -> bool {
        (&self.names, &self.providers) == (&other.names, &other.providers)
    }
}

impl Eq for DraftEntry {}

impl PartialEq for DraftProvider {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for DraftProvider {}

impl PartialEq for DraftKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.secret) == (&other.name, &other.secret)
    }
}

impl Eq for DraftKey {}

impl Draft {
    /// What a file holds.
    pub(super) fn read(text: &str) -> Result<Self, PlanError> {
        let model = model(text)?;
        let entries = model.entries().iter().enumerate();
        Ok(Self {
            entries: entries
                .map(|(i, entry)| DraftEntry::read(i, entry))
                .collect(),
        })
    }

    /// The entries that are the first of some rule: these decide who writes.
    pub(super) fn leading(&self) -> BTreeSet<usize> {
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        let mut leading = BTreeSet::new();
        for (i, entry) in self.entries.iter().enumerate() {
            for name in &entry.names {
                if taken.insert(name) {
                    leading.insert(i);
                }
            }
        }
        leading
    }

    /// The names of all KMS blocks.
    pub(super) fn kms_names(&self) -> impl Iterator<Item = &str> {
        let providers = self.entries.iter().flat_map(|e| &e.providers);
        providers.filter_map(|p| match &p.kind {
            DraftKind::Kms(kms) => Some(kms.name.as_str()),
            _ => None,
        })
    }
}

/// A loaded file with its places. KMS v1 is taken, whatever its gate says.
pub(super) fn model(text: &str) -> Result<Model, PlanError> {
    let options = Options {
        kmsv1: Some(true),
        ..Options::default()
    };
    let loaded = load(text.as_bytes(), &options);
    let why = loaded.verdict.problems.first();
    let why = why.map(|p| format!("{}: {}", p.field, p.ours));
    loaded.model.filter(|_| loaded.verdict.ok).ok_or_else(|| {
        PlanError::new(
            "file-refused",
            format!(
                "kube-apiserver would refuse a file of the plan: {}",
                why.unwrap_or_default()
            ),
        )
    })
}

impl DraftEntry {
    fn read(index: usize, entry: &model::Entry) -> Self {
        let providers = entry.providers().iter().enumerate();
        Self {
            names: entry
                .names()
                .iter()
                .map(|n| n.text.as_str().to_owned())
                .collect(),
            providers: providers
                .map(|(j, provider)| DraftProvider::read(j, provider))
                .collect(),
            origin: Some(index),
        }
    }
}

impl DraftProvider {
    pub(super) const fn new(kind: DraftKind) -> Self {
        Self { kind, origin: None }
    }

    fn read(index: usize, provider: &model::Provider) -> Self {
        let locals = [
            (Local::Aesgcm, &provider.aesgcm),
            (Local::Aescbc, &provider.aescbc),
            (Local::Secretbox, &provider.secretbox),
        ];
        let local = locals
            .into_iter()
            .find_map(|(kind, keys)| Some((kind, keys.as_ref()?)));
        let kind = match (local, &provider.kms) {
            (Some((kind, keys)), _) => {
                let keys = keys.list().iter().enumerate();
                let read = |(k, key): (usize, &model::Key)| DraftKey {
                    name: key.name.text.as_str().to_owned(),
                    secret: key.secret.text.clone(),
                    origin: Some(k),
                };
                DraftKind::Local(kind, keys.map(read).collect())
            }
            (None, Some(kms)) => {
                let v1 = kms.api_version.text.as_str() == "v1";
                DraftKind::Kms(DraftKms {
                    version: if v1 { KmsVersion::V1 } else { KmsVersion::V2 },
                    name: kms.name.text.as_str().to_owned(),
                    endpoint: kms.endpoint.text.as_str().to_owned(),
                    timeout: kms.timeout.map_or(3_000_000_000, |t| t.0),
                    cache_size: kms.cachesize,
                })
            }
            (None, None) => DraftKind::Identity,
        };
        Self {
            kind,
            origin: Some(index),
        }
    }
}

/// A scalar as YAML 1.1 and JSON take it.
fn scalar(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' || c == '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Lines of block YAML, without the indentation of the list they go into; the first one comes after the dash.
pub(super) type Lines = Vec<Zeroizing<String>>;

fn line(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

/// The lines of an element, below `- ` and at its indentation.
fn element(into: &mut Lines, indent: &str, element: Lines) {
    for (i, text) in element.into_iter().enumerate() {
        let lead = if i == 0 { "- " } else { "  " };
        into.push(Zeroizing::new([indent, lead, &text].concat()));
    }
}

impl DraftKey {
    pub(super) fn lines(&self) -> Lines {
        vec![
            Zeroizing::new(["name: ", &scalar(&self.name)].concat()),
            Zeroizing::new(["secret: ", &scalar(&self.secret)].concat()),
        ]
    }

    pub(super) fn flow(&self) -> Zeroizing<String> {
        let (name, secret) = (scalar(&self.name), scalar(&self.secret));
        Zeroizing::new(["{\"name\": ", &name, ", \"secret\": ", &secret, "}"].concat())
    }
}

impl DraftKms {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let version = match self.version {
            KmsVersion::V1 => "v1",
            KmsVersion::V2 => "v2",
        };
        let mut fields = vec![
            ("apiVersion", version.to_owned()),
            ("name", scalar(&self.name).to_string()),
            ("endpoint", scalar(&self.endpoint).to_string()),
            ("timeout", Duration(self.timeout).to_string()),
        ];
        let size = self.cache_size.filter(|_| self.version == KmsVersion::V1);
        fields.extend(size.map(|size| ("cachesize", size.to_string())));
        fields
    }
}

impl DraftProvider {
    pub(super) fn lines(&self) -> Lines {
        match &self.kind {
            DraftKind::Identity => vec![line("identity: {}")],
            DraftKind::Local(kind, keys) => {
                let mut lines = vec![line(&format!("{}:", kind.name())), line("    keys:")];
                for key in keys {
                    element(&mut lines, "      ", key.lines());
                }
                lines
            }
            DraftKind::Kms(kms) => {
                let fields = kms.fields().into_iter();
                let fields = fields.map(|(name, value)| line(&format!("    {name}: {value}")));
                [line("kms:")].into_iter().chain(fields).collect()
            }
        }
    }

    pub(super) fn flow(&self) -> Zeroizing<String> {
        match &self.kind {
            DraftKind::Identity => line("{\"identity\": {}}"),
            DraftKind::Local(kind, keys) => {
                let mut out = Zeroizing::new(format!("{{\"{}\": {{\"keys\": [", kind.name()));
                for (i, key) in keys.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    out.push_str(&key.flow());
                }
                out.push_str("]}}");
                out
            }
            DraftKind::Kms(kms) => {
                let quoted = |(name, value): (&str, String)| match name {
                    "apiVersion" | "timeout" => format!("\"{name}\": \"{value}\""),
                    _ => format!("\"{name}\": {value}"),
                };
                let fields: Vec<String> = kms.fields().into_iter().map(quoted).collect();
                line(&format!("{{\"kms\": {{{}}}}}", fields.join(", ")))
            }
        }
    }
}

impl Draft {
    /// The file in block YAML, for what cannot be edited in place.
    pub(super) fn render(&self) -> Zeroizing<String> {
        let mut lines = vec![
            line("apiVersion: apiserver.config.k8s.io/v1"),
            line("kind: EncryptionConfiguration"),
            line("resources:"),
        ];
        for entry in &self.entries {
            lines.push(line("  - resources:"));
            for name in &entry.names {
                lines.push(Zeroizing::new(["      - ", &scalar(name)].concat()));
            }
            lines.push(line("    providers:"));
            for provider in &entry.providers {
                element(&mut lines, "      ", provider.lines());
            }
        }
        let size = lines.iter().map(|l| l.len() + 1).sum();
        let mut out = Zeroizing::new(String::with_capacity(size));
        for line in &lines {
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}
