//! Plaintext in a member's write-ahead log, which keeps every value written since its oldest file began, whatever was
//! compacted and defragmented meanwhile.

use std::collections::BTreeMap;

use etcd_store::PageSource;
use etcd_store::wal::{Log, Place};
use k8s_object::{EtcdKey, parse_etcd_key};
use k8senc::inspect::{Format, inspect};
use k8senc_config::Config;

use crate::chains::Chains;
use crate::escape::shown;
use crate::report::{Class, Example, Finding, Report, Severity};
use crate::{AuditError, Options, findings, policy};

/// What one file of a write-ahead log held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRead {
    /// Raft entries.
    pub entries: u64,
    /// Values that requests wrote.
    pub values: u64,
    /// Values in plaintext of a resource that a rule encrypts, and Secrets.
    pub exposed: u64,
    /// Whether it ends inside a record, as the newest file of a killed member may.
    pub torn: bool,
}

impl Report {
    /// Reads one file of `member/wal`, and adds a finding for each resource with plaintext in it. `name` is the file's.
    ///
    /// # Errors
    /// When the file cannot be read or is no write-ahead log.
    pub fn add_log(
        &mut self,
        source: &(dyn PageSource + Sync),
        name: &[u8],
        config: Option<&Config>,
        options: &Options<'_>,
    ) -> Result<LogRead, AuditError> {
        let chains = config.map(|c| Chains::new(c, options)).transpose()?;
        let (mut log, mut buffer, mut read) =
            (Log::new(source, None), Vec::new(), LogRead::default());
        let mut found: BTreeMap<String, (u64, Vec<Example>)> = BTreeMap::new();
        while let Some(record) = log.next_record(&mut buffer)? {
            if options
                .cancel
                .is_some_and(|flag| flag.load(std::sync::atomic::Ordering::Relaxed))
            {
                return Err(AuditError::Cancelled);
            }
            let Some(entry) = record.entry()? else {
                continue;
            };
            read.entries += 1;
            let index = i64::try_from(entry.index).unwrap_or(i64::MAX);
            // An entry that is no request of a client names no values.
            let _ = entry.values(&mut |written| {
                read.values += 1;
                let EtcdKey::Object(object) =
                    parse_etcd_key(written.key, options.etcd_prefix.as_deref())
                else {
                    return;
                };
                let sensitive = object.resource == "secrets" && object.group == Some("");
                let covered = chains.as_ref().is_some_and(|c| c.of(&object).covered);
                let plain = inspect(written.value).format == Format::Plain
                    && written.place != Place::Compare;
                if plain && (sensitive || covered) {
                    read.exposed += 1;
                    let (count, examples) = found
                        .entry(shown(object.to_string().as_bytes()))
                        .or_default();
                    *count += 1;
                    if examples.len() < options.examples {
                        examples.push(Example {
                            etcd_key: shown(written.key),
                            revision: index,
                        });
                    }
                }
            });
        }
        read.torn = log.is_torn();
        let name = shown(name);
        for (resource, (count, examples)) in found {
            self.findings.push(Finding {
                code: "log-plaintext",
                severity: Severity::Warning,
                class: Class::Residue,
                resource: Some(resource),
                count,
                message: format!("{} in plaintext in the write-ahead log {name}, by raft index", findings::are(count, "value")),
                advice: "rewrite all objects, then let the log turn over: etcd deletes a file when enough snapshots of its own lie behind it; until then whoever reads the data directory of this member reads these values",
                examples,
                ..Finding::default()
            });
        }
        policy::sort(&mut self.findings);
        Ok(read)
    }
}
