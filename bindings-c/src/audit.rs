//! The audit of a snapshot file.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::path::Path;

use k8senc_audit::{AnySource, AuditError, Options};
use k8senc_backends::NATIVE;

use crate::buf::{Buf, write_json};
use crate::config::Config;
use crate::deks::Deks;
use crate::fault::{Error, Fault, need};
use crate::guard::guard;
use crate::options::AuditOptions;
use crate::raw;
use crate::requests::{DekRequest, Requests};
use crate::status::Status;

/// Audits an etcd snapshot or a member's db file, by its path: a JSON report, whose schema is
/// `audit/schema/audit-report.schema.json`. Without a `config` values are classified by what they begin with; with one all
/// are opened and judged, with what `deks` knows, which may be NULL. `options` is JSON, see `docs/c.md`; empty for all
/// defaults. `*exit_code` is the exit code that the command would end with: 0 clean, 1 findings, 4 partly undecidable. Works
/// in the calling thread alone. Gives `*json`, for `k8senc_buf_free`.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `config` and `deks` came from this library; `json`, `exit_code`
/// and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_audit_file(
    path: *const u8,
    path_len: usize,
    config: Option<&Config>,
    deks: Option<&Deks>,
    options: *const u8,
    options_len: usize,
    json: Option<&mut MaybeUninit<Buf>>,
    exit_code: Option<&mut MaybeUninit<u32>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let exit_code = need(exit_code, "exit_code")?;
        let json = Some(need(json, "json")?);
        // SAFETY: the caller's contract.
        let source = open(unsafe { raw::bytes(path, path_len, "path")? })?;
        // SAFETY: the caller's contract.
        let options = self::options(unsafe { raw::bytes(options, options_len, "options")? })?;
        let config = config.map(|config| &config.0);
        let report = Deks::lend(deks, |deks| {
            k8senc_audit::audit(&source, config, deks, &options)
        });
        let report = report.map_err(fault)?;
        write_json(json, &report)?;
        exit_code.write(report.exit_code().into());
        Ok(())
    })
}

/// What the KMS has to be asked before an audit can decide everything, beyond what `deks` knows, most needed first, with how
/// many values wait for each answer. Opens no value. Gives `*requests`, for `k8senc_requests_free`.
///
/// # Safety
/// As `k8senc_audit_file`; `requests` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_audit_requests(
    path: *const u8,
    path_len: usize,
    config: Option<&Config>,
    deks: Option<&Deks>,
    options: *const u8,
    options_len: usize,
    requests: Option<&mut MaybeUninit<*mut Requests>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (config, out) = (need(config, "config")?, need(requests, "requests")?);
        // SAFETY: the caller's contract.
        let source = open(unsafe { raw::bytes(path, path_len, "path")? })?;
        // SAFETY: the caller's contract.
        let options = self::options(unsafe { raw::bytes(options, options_len, "options")? })?;
        let survey = Deks::lend(deks, |deks| {
            k8senc_audit::dek_requests(&source, &config.0, deks, &options)
        });
        let survey = survey.map_err(fault)?;
        let needs = survey.needs.into_iter();
        let shown = needs.map(|need| DekRequest::shown(need.request, (need.live, need.history)));
        out.write(Requests::give(shown.collect(), survey.beyond));
        Ok(())
    })
}

fn options(json: &[u8]) -> Result<Options<'static>, Fault> {
    let given = AuditOptions::read(json)?;
    let mut options = Options::new(&NATIVE);
    // No thread but the caller's.
    options.threads = 1;
    if let Some(hash) = given.hash {
        options.hash = hash;
    }
    if let Some(examples) = given.examples {
        options.examples = examples;
    }
    options.etcd_prefix = given.etcd_prefix.map(String::into_bytes);
    Ok(options)
}

fn open(path: &[u8]) -> Result<AnySource, Fault> {
    AnySource::open(as_path(path)?).map_err(fault)
}

#[cfg(unix)]
fn as_path(path: &[u8]) -> Result<&Path, Fault> {
    use std::os::unix::ffi::OsStrExt as _;
    Ok(Path::new(std::ffi::OsStr::from_bytes(path)))
}

#[cfg(not(unix))]
fn as_path(path: &[u8]) -> Result<&Path, Fault> {
    let text = std::str::from_utf8(path);
    text.map(Path::new)
        .map_err(|_| Fault::call(Status::NotUtf8, "path is not UTF-8"))
}

fn fault(error: AuditError) -> Fault {
    let status = match &error {
        AuditError::Configuration(error) => Status::of(error),
        AuditError::Open(_) => Status::SnapshotOpen,
        AuditError::NotAFile => Status::SnapshotNotAFile,
        _ => Status::SnapshotUnreadable,
    };
    Fault::Other {
        status,
        code: error.code(),
        text: error.to_string(),
        upstream: None,
        json: None,
    }
}
