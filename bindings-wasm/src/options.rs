//! Options as JSON objects. An unknown field is an error, so that a misspelt one is not silently without effect.

use k8senc_config::{FileFacts, LintOptions, Migration, Options, Version};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Reads the options of a call; empty text is no options.
pub fn read<T: DeserializeOwned + Default>(text: &str) -> Result<T, Failure> {
    if text.is_empty() {
        return Ok(T::default());
    }
    // From bytes, as objects are read elsewhere: one parser in the wasm file, not two.
    serde_json::from_slice(text.as_bytes())
        .map_err(|error| Failure::usage("options", format!("options: {error}")))
}

/// A release of Kubernetes.
pub fn version(text: Option<&str>) -> Result<Version, Failure> {
    let Some(text) = text else {
        return Ok(Version::LATEST);
    };
    text.parse()
        .map_err(|error: k8senc_config::UnknownVersion| {
            Failure::usage("kubernetes-version", format!("{text:?} is {error}"))
        })
}

/// The server that is asked.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerOptions {
    version: Option<String>,
    reload: bool,
    kmsv1: Option<bool>,
    path: Option<String>,
}

impl ServerOptions {
    /// As the configuration crate takes them.
    pub fn server(&self) -> Result<Options, Failure> {
        let mut options = Options::default();
        options.version = version(self.version.as_deref())?;
        options.reload = self.reload;
        options.kmsv1 = self.kmsv1;
        if let Some(path) = &self.path {
            options.path.clone_from(path);
        }
        Ok(options)
    }
}

/// The server, and what is known besides the text.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AdviceOptions {
    version: Option<String>,
    reload: bool,
    kmsv1: Option<bool>,
    path: Option<String>,
    migration: Option<Phase>,
    file: Facts,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Phase {
    Encrypting,
    Done,
    Decrypting,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Facts {
    mode: Option<u32>,
    owned_by_server: Option<bool>,
    directory_writable_by_others: Option<bool>,
    shared: Option<bool>,
}

impl AdviceOptions {
    /// As the configuration crate takes them.
    pub fn lint(self) -> Result<LintOptions, Failure> {
        let server = ServerOptions {
            version: self.version,
            reload: self.reload,
            kmsv1: self.kmsv1,
            path: self.path,
        };
        let mut options = LintOptions::default();
        options.server = server.server()?;
        options.migration = self.migration.map(|phase| match phase {
            Phase::Encrypting => Migration::Encrypting,
            Phase::Done => Migration::Done,
            Phase::Decrypting => Migration::Decrypting,
        });
        let mut file = FileFacts::default();
        file.mode = self.file.mode;
        file.owned_by_server = self.file.owned_by_server;
        file.directory_writable_by_others = self.file.directory_writable_by_others;
        file.shared = self.file.shared;
        options.file = file;
        Ok(options)
    }
}
