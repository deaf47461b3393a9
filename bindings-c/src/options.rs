//! Options that come in as JSON, so that new ones do not change the ABI. An unknown field is refused, never ignored.

use k8senc_config::{LintOptions, Migration, Options};
use serde::Deserialize;

use crate::fault::Fault;
use crate::status::Status;

/// Of `k8senc_config_validate`, `_lint` and `_new`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ConfigOptions {
    version: Option<String>,
    reload: bool,
    kmsv1: Option<bool>,
    path: Option<String>,
    migration: Option<MigrationName>,
    file: FileFacts,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum MigrationName {
    Encrypting,
    Done,
    Decrypting,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct FileFacts {
    mode: Option<u32>,
    owned_by_server: Option<bool>,
    directory_writable_by_others: Option<bool>,
    shared: Option<bool>,
}

impl ConfigOptions {
    pub(crate) fn read(json: &[u8]) -> Result<Self, Fault> {
        read(json)
    }

    pub(crate) fn server(&self) -> Result<Options, Fault> {
        let mut options = Options::default();
        options.reload = self.reload;
        options.kmsv1 = self.kmsv1;
        if let Some(path) = &self.path {
            options.path.clone_from(path);
        }
        if let Some(version) = &self.version {
            let parsed = version.parse();
            options.version =
                parsed.map_err(|error: k8senc_config::UnknownVersion| Fault::Other {
                    status: Status::UnknownVersion,
                    code: "unknown-version",
                    text: format!("{version:?} is {error}"),
                    upstream: None,
                    json: None,
                })?;
        }
        Ok(options)
    }

    pub(crate) fn lint(&self) -> Result<LintOptions, Fault> {
        let mut options = LintOptions::default();
        options.server = self.server()?;
        options.migration = self.migration.as_ref().map(|name| match name {
            MigrationName::Encrypting => Migration::Encrypting,
            MigrationName::Done => Migration::Done,
            MigrationName::Decrypting => Migration::Decrypting,
        });
        options.file.mode = self.file.mode;
        options.file.owned_by_server = self.file.owned_by_server;
        options.file.directory_writable_by_others = self.file.directory_writable_by_others;
        options.file.shared = self.file.shared;
        Ok(options)
    }
}

/// Of `k8senc_audit_file`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct AuditOptions {
    pub(crate) hash: Option<bool>,
    pub(crate) examples: Option<usize>,
    pub(crate) etcd_prefix: Option<String>,
}

impl AuditOptions {
    pub(crate) fn read(json: &[u8]) -> Result<Self, Fault> {
        read(json)
    }
}

fn read<'a, T: Default + Deserialize<'a>>(json: &'a [u8]) -> Result<T, Fault> {
    if json.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(json).map_err(|error| {
        Fault::call(
            Status::BadOptions,
            format!("the options are no good: {error}"),
        )
    })
}
