//! The providers of one resource, and opening stored values with them.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;

use k8senc::chain::{How, Outcome, Staleness};
use k8senc::wire::kmsv2::SourceType;
use k8senc_backends::NATIVE;
use k8senc_config::GroupResource;
use serde::Serialize;

use crate::buf::{Buf, write_json};
use crate::config::Config;
use crate::deks::Deks;
use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::packed::Batch;
use crate::raw::{self, Room};
use crate::requests::{DekRequest, Requests};
use crate::status::Status;

/// The ordered providers of one resource: the first writes, all read. Never changes; any number of threads may use it.
pub struct Chain {
    pub(crate) chain: k8senc::chain::Chain,
    /// Whether one of its providers is a KMS.
    pub(crate) asks_kms: bool,
}

/// Another provider is first in the list.
pub const K8SENC_REASON_NOT_FIRST_PROVIDER: u32 = 1;
/// Another key is first in its provider.
pub const K8SENC_REASON_NOT_FIRST_KEY: u32 = 2;
/// KMS v1 with a CBC body, as Kubernetes 1.24 and older wrote.
pub const K8SENC_REASON_LEGACY_BODY: u32 = 4;
/// KMS v2: the plugin reports another key_id now.
pub const K8SENC_REASON_KEY_ID: u32 = 8;
/// KMS v2: key form where seed form is written now, or the other way round.
pub const K8SENC_REASON_SOURCE_TYPE: u32 = 16;
/// `k8senc_opened.key` of a provider without static keys.
pub const K8SENC_NO_KEY: u32 = 0xffff_ffff;

/// Whether kube-apiserver would rewrite a value at a no-op update.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// It would not.
    Fresh = 0,
    /// It would.
    Stale = 1,
    /// It depends on what the KMS v2 plugin reports, which nobody asked.
    Unknown = 2,
}

/// How KMS v2 stored a value.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Not KMS v2.
    None = 0,
    /// A DEK with counter nonces, as before Kubernetes 1.29.
    Key = 1,
    /// A seed from which a key is derived for each value.
    Seed = 2,
}

/// A value that opened. Written by the library into memory of the caller.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// In a batch: whether this value opened; all but the first three fields mean nothing if it did not. Alone: OK.
    pub status: Status,
    /// Where in the output buffer the plaintext begins.
    pub start: usize,
    /// How many bytes it has.
    pub len: usize,
    /// kube-apiserver's stale flag.
    pub stale: Stale,
    /// Why it is stale: the sum of `K8SENC_REASON_...`.
    pub reasons: u32,
    /// Index of the provider in the chain.
    pub provider: u32,
    /// Index of the key in a static provider; `K8SENC_NO_KEY` for others.
    pub key: u32,
    /// KMS v2 only.
    pub form: Form,
    /// Whether nothing authenticates it: aescbc, and KMS v1 with a CBC body. One wrong key in 256 "opens" such a value.
    pub unauthenticated: bool,
}

impl Chain {
    /// The table, unless no provider would look at it.
    fn needed<'a>(&self, deks: Option<&'a Deks>) -> Option<&'a Deks> {
        deks.filter(|_| self.asks_kms)
    }
}

impl Opened {
    fn refused(status: Status, start: usize) -> Self {
        Self {
            status,
            start,
            len: 0,
            stale: Stale::Unknown,
            reasons: 0,
            provider: 0,
            key: K8SENC_NO_KEY,
            form: Form::None,
            unauthenticated: false,
        }
    }

    fn new(how: &How, start: usize, len: usize) -> Self {
        let (stale, reasons) = match how.stale {
            Staleness::Fresh => (Stale::Fresh, 0),
            Staleness::Unknown => (Stale::Unknown, 0),
            Staleness::Stale(why) => {
                let bits = [
                    (why.not_first_provider, K8SENC_REASON_NOT_FIRST_PROVIDER),
                    (why.not_first_key, K8SENC_REASON_NOT_FIRST_KEY),
                    (why.legacy_body, K8SENC_REASON_LEGACY_BODY),
                    (why.key_id_changed, K8SENC_REASON_KEY_ID),
                    (why.source_type_changed, K8SENC_REASON_SOURCE_TYPE),
                ];
                let sum = bits.iter().filter(|(holds, _)| *holds).map(|(_, bit)| bit);
                (Stale::Stale, sum.sum())
            }
        };
        let index = |index: usize| u32::try_from(index).unwrap_or(K8SENC_NO_KEY);
        Self {
            status: Status::Ok,
            start,
            len,
            stale,
            reasons,
            provider: index(how.provider),
            key: how.key.map_or(K8SENC_NO_KEY, index),
            form: match how.source_type {
                None => Form::None,
                Some(SourceType::Key) => Form::Key,
                Some(SourceType::Seed) => Form::Seed,
            },
            unauthenticated: how.unauthenticated,
        }
    }
}

/// The chain that kube-apiserver uses for a resource of storage, such as `secrets` or `deployments.apps`; plaintext for a
/// resource that no rule covers. Gives `*chain`, for `k8senc_chain_free`; it does not need `config` any more.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `config` came from `k8senc_config_new`; `chain` and `error`
/// are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_new(
    config: Option<&Config>,
    resource: *const u8,
    resource_len: usize,
    chain: Option<&mut MaybeUninit<*mut Chain>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (config, out) = (need(config, "config")?, need(chain, "chain")?);
        // SAFETY: the caller's contract.
        let resource = unsafe { raw::text(resource, resource_len, "resource")? };
        let chain = config.0.chain(&GroupResource::parse(resource), &NATIVE)?;
        let mut providers = (0..chain.len()).filter_map(|index| chain.describe(index));
        // Only KMS providers have a name.
        let asks_kms = providers.any(|provider| provider.name.is_some());
        out.write(Box::into_raw(Box::new(Chain { chain, asks_kms })));
        Ok(())
    })
}

/// Wipes and frees a chain. NULL is allowed. Takes `chain`.
///
/// # Safety
/// `chain` is NULL or came from `k8senc_chain_new`, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_free(chain: Option<Box<Chain>>) {
    quietly((), || drop(chain));
}

#[derive(Serialize)]
struct ProviderJson<'a> {
    kind: &'static str,
    /// Of a KMS provider.
    name: Option<&'a str>,
    keys: Vec<&'a str>,
}

/// The providers in order, as JSON: `[{"kind": "aescbc", "name": null, "keys": ["key1"]}, ...]`; what the indexes in
/// `k8senc_opened` count. Gives `*json`, for `k8senc_buf_free`.
///
/// # Safety
/// `chain` came from `k8senc_chain_new`; `json` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_describe(
    chain: Option<&Chain>,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let chain = &need(chain, "chain")?.chain;
        let all = (0..chain.len()).filter_map(|index| {
            let info = chain.describe(index)?;
            Some(ProviderJson {
                kind: info.kind,
                name: info.name,
                keys: (0..).map_while(|key| chain.key_name(index, key)).collect(),
            })
        });
        write_json(json, &all.collect::<Vec<_>>())
    })
}

/// Opens one stored value as kube-apiserver does. The plaintext goes to `out`, which must have room for it and its padding, as
/// `stored_len` bytes always are, and overlap no input; `*opened` says how long it is and whether it is stale. `etcd_key` is the
/// whole key. `deks` may be NULL for chains without KMS. Borrows.
///
/// The value is decrypted in `out` before it is known to be good: no other thread should look at `out` until the call returns. What
/// was decrypted and refused is wiped before that, so `out` then has zeros where it was written to. The bytes behind the plaintext
/// mean nothing and hold no more of the value.
///
/// `K8SENC_STATUS_DEK_NEEDED` is not final: ask the KMS for `error->request`, hand its answer to `k8senc_deks_supply` or
/// `k8senc_deks_refuse`, and call again; that happens once for each KMS provider of the chain at most.
///
/// # Safety
/// Each pointer is NULL or readable, `out` writable, for the length beside it; `chain` and `deks` came from this library;
/// `opened` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_open(
    chain: Option<&Chain>,
    deks: Option<&Deks>,
    stored: *const u8,
    stored_len: usize,
    etcd_key: *const u8,
    etcd_key_len: usize,
    out: *mut u8,
    out_cap: usize,
    opened: Option<&mut MaybeUninit<Opened>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (chain, opened) = (need(chain, "chain")?, need(opened, "opened")?);
        // SAFETY: the caller's contract.
        let stored = unsafe { raw::bytes(stored, stored_len, "stored")? };
        // SAFETY: the caller's contract.
        let etcd_key = unsafe { raw::bytes(etcd_key, etcd_key_len, "etcd_key")? };
        // SAFETY: the caller's contract.
        let out = unsafe { raw::output(out, out_cap, 0, &[stored, etcd_key])? };
        let outcome = Deks::lend(chain.needed(deks), |deks| {
            chain.chain.open_to(stored, etcd_key, deks, out)
        })?;
        match outcome {
            Some((Outcome::Opened(how), len)) => {
                opened.write(Opened::new(&how, 0, len));
                Ok(())
            }
            Some((Outcome::Needs(request), _)) => Err(Fault::Needs(Box::new(request))),
            None => Err(too_small()),
        }
    })
}

/// Opens `count` stored values in one crossing. `stored` has them end to end, `stored_ends[i]` is the offset behind value i;
/// `etcd_keys` and `etcd_key_ends` likewise. The plaintexts go end to end to `out`, which must have room for `stored_len`
/// bytes; `opened[i].status` says whether value i opened (open it alone to know more). `out` is used as by `k8senc_chain_open`.
/// The call fails only if its arguments are wrong. What the KMS has to be asked is best learned before, by `k8senc_chain_needs`. Borrows.
///
/// # Safety
/// Each pointer is NULL or readable, `out` writable, for the length beside it, the ends for `count` numbers, `opened`
/// writable for `count` elements; `chain` and `deks` came from this library; `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_open_batch(
    chain: Option<&Chain>,
    deks: Option<&Deks>,
    count: usize,
    stored: *const u8,
    stored_len: usize,
    stored_ends: *const usize,
    etcd_keys: *const u8,
    etcd_keys_len: usize,
    etcd_key_ends: *const usize,
    out: *mut u8,
    out_cap: usize,
    opened: *mut Opened,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let chain = need(chain, "chain")?;
        // SAFETY: the caller's contract.
        let stored = unsafe { raw::bytes(stored, stored_len, "stored")? };
        // SAFETY: the caller's contract.
        let stored_ends = unsafe { raw::sizes(stored_ends, count, "stored_ends")? };
        // SAFETY: the caller's contract.
        let etcd_keys = unsafe { raw::bytes(etcd_keys, etcd_keys_len, "etcd_keys")? };
        // SAFETY: the caller's contract.
        let etcd_key_ends = unsafe { raw::sizes(etcd_key_ends, count, "etcd_key_ends")? };
        let values = Batch::new(stored, stored_ends, "stored")?;
        let keys = Batch::new(etcd_keys, etcd_key_ends, "etcd_keys")?;
        // SAFETY: the caller's contract.
        let out = unsafe { raw::output(out, out_cap, stored_len, &[stored, etcd_keys])? };
        let mut results = Room::new(opened, count, count, "opened")?;
        let made = Deks::lend(chain.needed(deks), |deks| {
            let mut made = Vec::with_capacity(count);
            let mut at = 0;
            for (value, key) in values.iter().zip(keys.iter()) {
                // What is behind has room for the values that are left.
                let room = out.get_mut(at..).unwrap_or_default();
                let result = match chain.chain.open_to(value, key, deks, room) {
                    Ok(Some((Outcome::Opened(how), len))) => Opened::new(&how, at, len),
                    Ok(Some((Outcome::Needs(_), _))) => Opened::refused(Status::DekNeeded, at),
                    Ok(None) => Opened::refused(Status::BufferTooSmall, at),
                    Err(error) => Opened::refused(Status::of(&error), at),
                };
                at = at.saturating_add(result.len);
                made.push(result);
            }
            made
        });
        // SAFETY: the caller's contract.
        unsafe { results.put(0, &made) }
    })
}

/// The distinct requests that these values need and that `deks` has no answer to: what to ask the KMS before opening them
/// all. Values as in `k8senc_chain_open_batch`. Gives `*requests`, for `k8senc_requests_free`.
///
/// # Safety
/// As `k8senc_chain_open_batch`; `requests` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_needs(
    chain: Option<&Chain>,
    deks: Option<&Deks>,
    count: usize,
    stored: *const u8,
    stored_len: usize,
    stored_ends: *const usize,
    requests: Option<&mut MaybeUninit<*mut Requests>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (chain, out) = (need(chain, "chain")?, need(requests, "requests")?);
        // SAFETY: the caller's contract.
        let stored = unsafe { raw::bytes(stored, stored_len, "stored")? };
        // SAFETY: the caller's contract.
        let stored_ends = unsafe { raw::sizes(stored_ends, count, "stored_ends")? };
        let values = Batch::new(stored, stored_ends, "stored")?;
        let needed = Deks::lend(chain.needed(deks), |deks| {
            chain.chain.needs(values.iter(), deks)
        });
        let shown = needed
            .into_iter()
            .map(|request| DekRequest::shown(request, (0, 0)));
        out.write(Requests::give(shown.collect(), 0));
        Ok(())
    })
}

fn too_small() -> Fault {
    Fault::call(
        Status::BufferTooSmall,
        "out has no room for the plaintext and its padding; stored_len bytes are enough",
    )
}
