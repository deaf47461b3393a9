//! Files that bring configurations to API servers: static pods, kubeadm, k3s and RKE2, Talos.

use js_sys::Uint8Array;
use k8senc_config::lint_manifest;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::{Places, Range, json};
use crate::failure::Failure;
use crate::lint::finding_answers;
use crate::options::{AdviceOptions, ServerOptions, read};
use crate::places::entries;
use crate::verdict::VerdictAnswer;

/// Such a file. It holds what the file holds, keys included.
#[wasm_bindgen]
pub struct Manifest {
    text: Vec<u8>,
    inner: k8senc_config::Manifest,
}

#[derive(Serialize)]
struct Summary {
    form: &'static str,
    servers: Vec<String>,
    version: Option<String>,
    reload: bool,
    kmsv1: Option<bool>,
    references: Vec<ReferenceAnswer>,
    embedded: Vec<EmbeddedAnswer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferenceAnswer {
    server: String,
    path: String,
    host_path: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EmbeddedAnswer {
    origin: String,
    writes_to: Option<String>,
    verbatim: bool,
    range: Option<Range>,
}

#[wasm_bindgen]
impl Manifest {
    /// Reads a file; none when it is an EncryptionConfiguration itself, or nothing that is known.
    pub fn read(text: Vec<u8>, name: &str) -> Option<Manifest> {
        let inner = k8senc_config::Manifest::read(&text, name)?;
        Some(Self { text, inner })
    }

    /// What it is, which files its servers read, and what it holds, without the texts of those.
    pub fn json(&self) -> String {
        let places = Places::new(&self.text);
        let references = self.inner.references().into_iter();
        let embedded = self.inner.embedded().iter().map(|it| EmbeddedAnswer {
            origin: it.origin().to_owned(),
            writes_to: it.writes_to().map(str::to_owned),
            verbatim: it.is_verbatim(),
            range: places.range(it.outer(k8senc_config::Span::default())),
        });
        json(&Summary {
            form: self.inner.form().name(),
            servers: self.inner.servers().map(str::to_owned).collect(),
            version: self.inner.version().map(|it| it.to_string()),
            reload: self.inner.reloads(),
            kmsv1: self.inner.kmsv1(),
            references: references
                .map(|it| ReferenceAnswer {
                    server: it.server,
                    path: it.path,
                    host_path: it.host_path,
                })
                .collect(),
            embedded: embedded.collect(),
        })
    }

    /// The text of a configuration that it holds, with its keys.
    pub fn embedded(&self, index: usize) -> Option<String> {
        Some(self.inner.embedded().get(index)?.text().to_owned())
    }

    /// The places of every entry of a configuration that it holds, in the text of the manifest.
    ///
    /// # Errors
    /// Options that do not exist.
    pub fn outline(&self, index: usize, options: &str) -> Result<String, Failure> {
        let options = read::<ServerOptions>(options)?.server()?;
        let Some(embedded) = self.inner.embedded().get(index) else {
            return Ok("[]".to_owned());
        };
        let found = k8senc_config::outline(embedded.text().as_bytes(), &options);
        Ok(entries(found, &Places::new(&self.text), |span| {
            embedded.outer(span)
        }))
    }

    /// What kube-apiserver says of a configuration that it holds, with places in the text of the manifest.
    ///
    /// # Errors
    /// Options that do not exist.
    pub fn validate(&self, index: usize, options: &str) -> Result<Option<String>, Failure> {
        let options = read::<ServerOptions>(options)?.server()?;
        let embedded = self.inner.embedded().get(index);
        Ok(embedded.map(|embedded| {
            let verdict = k8senc_config::validate(embedded.text().as_bytes(), &options);
            json(&VerdictAnswer::placed(&self.text, &verdict, |span| {
                embedded.outer(span)
            }))
        }))
    }

    /// What we say of it and of the configurations that it holds. `files` are those that its servers read.
    ///
    /// # Errors
    /// Options that do not exist.
    pub fn lint(&self, files: Vec<Uint8Array>, options: &str) -> Result<String, Failure> {
        let options = read::<AdviceOptions>(options)?.lint()?;
        let files: Vec<Vec<u8>> = files.iter().map(Uint8Array::to_vec).collect();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let found = lint_manifest(&self.text, &self.inner, &files, &options);
        Ok(finding_answers(&found, &self.text))
    }
}
