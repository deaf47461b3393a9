//! Files that bring an EncryptionConfiguration to an API server: static pods, kubeadm, k3s and RKE2, Talos.
//!
//! Such a file names the configuration (a flag and the mounts that carry it), holds it (a file written by the
//! machine configuration, a ConfigMap, a Secret), or holds keys from which the distribution makes it. [`Manifest`]
//! finds all three; [`lint_manifest`] judges what it holds and the way the rest takes into the API server.

mod documents;
mod embedded;
mod mend;
mod mounts;
mod node;
mod objects;
mod platforms;
mod plugins;
pub(crate) mod rules;
mod servers;

use crate::lint::{Finding, LintOptions, Report, find, finish};
use crate::load::load;
use crate::span::Span;
use crate::version::Version;
use documents::documents;

pub use embedded::Embedded;
use mend::Mender;
use mounts::Mount;
use plugins::Plugin;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Objects for a kubelet or an API server: static pods, ConfigMaps and the like.
    Objects,
    /// A kubeadm ClusterConfiguration, also within a KubeadmControlPlane.
    Kubeadm,
    /// A k3s or RKE2 configuration file.
    K3s,
    /// A Talos machine configuration.
    Talos,
}

impl Form {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Objects => "Kubernetes manifest",
            Self::Kubeadm => "kubeadm configuration",
            Self::K3s => "k3s or RKE2 configuration",
            Self::Talos => "Talos machine configuration",
        }
    }
}

/// A flag of an API server.
#[derive(Clone, Debug)]
struct Flag {
    value: String,
    span: Span,
}

/// An API server that the file describes.
#[derive(Debug)]
struct Server {
    form: Form,
    /// In words.
    what: String,
    span: Span,
    config: Vec<Flag>,
    /// `--experimental-encryption-provider-config`.
    old_flag: Vec<Flag>,
    reload: Vec<Flag>,
    /// Names in `extraArgs` with dashes, and lists where mappings belong.
    misformed: Vec<(Span, String)>,
    version: Option<Version>,
    kmsv1: Option<bool>,
    image: Option<(String, Span)>,
    host_network: Option<bool>,
    /// None when the file does not decide on the mounts.
    mounts: Option<Vec<Mount>>,
    /// Where the distribution puts the file that it makes itself, and whether it reloads that.
    made: Option<(String, bool)>,
    /// `secrets-encryption` of k3s, with its place.
    own_encryption: Option<(bool, Span)>,
}

impl Server {
    /// The path that is in force; of several flags the last one wins.
    fn path(&self) -> Option<&str> {
        let flag = self.config.iter().chain(&self.old_flag).last();
        flag.map(|f| f.value.as_str())
            .or(self.made.as_ref().map(|(path, _)| path.as_str()))
    }

    fn reloads(&self) -> bool {
        match self.reload.last() {
            Some(flag) => matches!(
                flag.value.as_str(),
                "" | "1" | "t" | "T" | "true" | "TRUE" | "True"
            ),
            None => {
                self.config.is_empty() && self.made.as_ref().is_some_and(|(_, reloads)| *reloads)
            }
        }
    }

    /// The mount that carries a path: the longest that is the path or a directory above it.
    fn mount_of(&self, path: &str) -> Option<&Mount> {
        let mounts = self.mounts.as_deref()?.iter();
        mounts
            .filter(|m| m.carries(path))
            .max_by_key(|m| m.mount_path.len())
    }
}

/// A file that an API server is told to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// The API server, in words.
    pub server: String,
    /// The path as the API server sees it.
    pub path: String,
    /// The path on its host, if the file says so.
    pub host_path: Option<String>,
}

/// A file that brings configurations to API servers.
#[derive(Debug)]
pub struct Manifest {
    form: Form,
    /// The file's name, as it was given.
    name: String,
    servers: Vec<Server>,
    plugins: Vec<Plugin>,
    embedded: Vec<Embedded>,
}

impl Manifest {
    /// Reads a file; none when it is an EncryptionConfiguration itself, or nothing that is known. `name` is the
    /// file's, which tells RKE2 from k3s.
    #[must_use]
    pub fn read(text: &[u8], name: &str) -> Option<Self> {
        let text = core::str::from_utf8(text).ok()?;
        let documents = documents(text)?;
        let mut manifest = Self {
            form: Form::Objects,
            name: name.to_owned(),
            servers: Vec::new(),
            plugins: Vec::new(),
            embedded: Vec::new(),
        };
        if documents.iter().any(platforms::is_talos) {
            manifest.form = Form::Talos;
            platforms::talos(&documents, text, &mut manifest);
        } else {
            for document in &documents {
                objects::object(document, &document.root, text, name, &mut manifest);
            }
        }
        let known = !manifest.servers.is_empty()
            || !manifest.plugins.is_empty()
            || !manifest.embedded.is_empty()
            || manifest.form == Form::Talos;
        known.then_some(manifest)
    }

    /// What kind of file it is.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The API servers it describes, in words.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().map(|s| s.what.as_str())
    }

    /// The configurations that it holds.
    #[must_use]
    pub fn embedded(&self) -> &[Embedded] {
        &self.embedded
    }

    /// The files that its API servers are told to read and that it does not hold.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for server in &self.servers {
            let Some(path) = server.path() else { continue };
            let host_path = match &server.mounts {
                Some(_) => server.mount_of(path).and_then(|m| m.on_host(path)),
                None => Some(path.to_owned()),
            };
            let held = |e: &Embedded| {
                let to = e.writes_to();
                to.is_some() && (to == host_path.as_deref() || to == Some(path))
            };
            if !self.embedded.iter().any(held) {
                found.push(Reference {
                    server: server.what.clone(),
                    path: path.to_owned(),
                    host_path,
                });
            }
        }
        found
    }

    /// The release of its API servers, if it says one.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.servers.iter().filter_map(|s| s.version).min()
    }

    /// Whether any of its API servers reloads the configuration by itself.
    #[must_use]
    pub fn reloads(&self) -> bool {
        self.servers.iter().any(Server::reloads)
    }

    /// The feature gate `KMSv1`, if its API servers set it.
    #[must_use]
    pub fn kmsv1(&self) -> Option<bool> {
        self.servers.iter().find_map(|s| s.kmsv1)
    }
}

/// What the manifest rules look at.
pub(crate) struct Facts<'m> {
    manifest: &'m Manifest,
    text: &'m str,
    /// Paths of the sockets that the judged configurations name; abstract ones begin with `@`.
    sockets: Vec<String>,
    version: Version,
}

/// Judges a manifest and the configurations that it holds: the worst findings first, then in file order. Spans lie
/// in `text`. `referenced` are the files that its API servers read, whose sockets must be mounted too.
#[must_use]
pub fn lint_manifest(
    text: &[u8],
    manifest: &Manifest,
    referenced: &[&[u8]],
    options: &LintOptions,
) -> Vec<Finding> {
    let Ok(text) = core::str::from_utf8(text) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut sockets = Vec::new();
    let mut mender = Mender::new(manifest, text);
    for (index, embedded) in manifest.embedded.iter().enumerate() {
        let inner = embedded.text().as_bytes();
        sockets.extend(sockets_of(inner, options));
        for finding in find(inner, options) {
            let fix = finding.fix.as_ref();
            let fix = fix.and_then(|fix| mender.outer(index, fix));
            findings.extend(embedded.place(Finding { fix, ..finding }));
        }
    }
    for file in referenced {
        sockets.extend(sockets_of(file, options));
    }
    let facts = Facts {
        manifest,
        text,
        sockets,
        version: options.server.version,
    };
    let mut report = Report::default();
    for (_, check) in rules::RULES {
        check(&facts, &mut report);
    }
    findings.extend(report.done());
    finish(text, &mut findings);
    findings
}

fn sockets_of(text: &[u8], options: &LintOptions) -> Vec<String> {
    let loaded = load(text, &options.server);
    let entries = loaded.model.as_ref().map_or(&[][..], |m| m.entries());
    let blocks = entries
        .iter()
        .flat_map(|e| e.providers().iter().filter_map(|p| p.kms.as_ref()));
    blocks
        .filter_map(|kms| crate::lint::socket_of(&kms.endpoint.text))
        .filter_map(|path| String::from_utf8(path).ok())
        .collect()
}
