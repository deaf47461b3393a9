//! EncryptionConfigurations: verdicts, advice, and chains.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;

use k8senc_config::{Lines, LintOptions};

use crate::buf::{Buf, write_json};
use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::options::ConfigOptions;
use crate::raw;
use crate::report;
use crate::status::Status;

/// A configuration that kube-apiserver loads. Never changes; any number of threads may use it.
pub struct Config(pub(crate) k8senc_config::Config);

/// Says what kube-apiserver says of an EncryptionConfiguration, as JSON: `docs/c.md` has the fields. Gives `*json`, for
/// `k8senc_buf_free`. A refused configuration is an answer, not an error. `options` is JSON, see `docs/c.md`; empty for all
/// defaults.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `json` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_config_validate(
    text: *const u8,
    text_len: usize,
    options: *const u8,
    options_len: usize,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        // SAFETY: the caller's contract.
        let text = unsafe { raw::bytes(text, text_len, "text")? };
        // SAFETY: the caller's contract.
        let options = ConfigOptions::read(unsafe { raw::bytes(options, options_len, "options")? })?;
        let verdict = k8senc_config::validate(text, &options.server()?);
        write_json(json, &report::Verdict::new(&verdict, lines(text).as_ref()))
    })
}

/// Judges an EncryptionConfiguration by every lint rule, worst first, as JSON: `docs/c.md` has the fields. Gives `*json`, for
/// `k8senc_buf_free`. `options` is JSON, see `docs/c.md`; empty for all defaults.
///
/// # Safety
/// As `k8senc_config_validate`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_config_lint(
    text: *const u8,
    text_len: usize,
    options: *const u8,
    options_len: usize,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        // SAFETY: the caller's contract.
        let text = unsafe { raw::bytes(text, text_len, "text")? };
        // SAFETY: the caller's contract.
        let options = ConfigOptions::read(unsafe { raw::bytes(options, options_len, "options")? })?;
        let options: LintOptions = options.lint()?;
        let findings = k8senc_config::lint(text, &options);
        let lines = lines(text);
        let list: Vec<_> = findings
            .iter()
            .map(|finding| report::Finding::new(finding, lines.as_ref()))
            .collect();
        write_json(json, &list)
    })
}

/// Reads an EncryptionConfiguration, YAML or JSON. Gives `*config`, for `k8senc_config_free`. Without options it is read as
/// the current kube-apiserver does, KMS v1 allowed, so that what an older server wrote can still be read. A refusal is
/// `K8SENC_STATUS_CONFIG_REFUSED`, with the verdict of `k8senc_config_validate` in `error->json`.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `config` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_config_new(
    text: *const u8,
    text_len: usize,
    options: *const u8,
    options_len: usize,
    config: Option<&mut MaybeUninit<*mut Config>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(config, "config")?;
        // SAFETY: the caller's contract.
        let text = unsafe { raw::bytes(text, text_len, "text")? };
        // SAFETY: the caller's contract.
        let options = unsafe { raw::bytes(options, options_len, "options")? };
        let parsed = if options.is_empty() {
            k8senc_config::Config::parse(text)
        } else {
            k8senc_config::Config::parse_as(text, &ConfigOptions::read(options)?.server()?)
        };
        let parsed = parsed.map_err(|refused| self::refused(&refused, text))?;
        out.write(Box::into_raw(Box::new(Config(parsed))));
        Ok(())
    })
}

/// Wipes and frees a configuration; chains made from it live on. NULL is allowed. Takes `config`.
///
/// # Safety
/// `config` is NULL or came from `k8senc_config_new`, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_config_free(config: Option<Box<Config>>) {
    quietly((), || drop(config));
}

/// What a configuration is made of, without its keys, as JSON: `docs/c.md` has the fields. `reload` is whether the server
/// reloads the file by itself. Gives `*json`, for `k8senc_buf_free`.
///
/// # Safety
/// `config` came from `k8senc_config_new`; `json` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_config_describe(
    config: Option<&Config>,
    reload: bool,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let config = need(config, "config")?;
        write_json(json, &report::Description::new(&config.0, reload))
    })
}

fn refused(found: &k8senc_config::ConfigError, text: &[u8]) -> Fault {
    let verdict = &found.verdict;
    let report = report::Verdict::new(verdict, lines(text).as_ref());
    Fault::Other {
        status: Status::ConfigRefused,
        code: verdict.problems.first().map_or("config", |p| p.code),
        text: found.to_string(),
        upstream: verdict.upstream.clone(),
        json: serde_json::to_string(&report).ok(),
    }
}

/// Spans of a text that is not UTF-8 count in another text than the caller's.
fn lines(text: &[u8]) -> Option<Lines<'_>> {
    std::str::from_utf8(text).ok().map(Lines::new)
}
