//! Writing: what a KMS provider writes with, and sealing one value or many.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8senc::chain;
use k8senc::kms::{EncryptAnswer, WriteSource};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;
use zeroize::Zeroizing;

use crate::chain::Chain;
use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::kmsv2::Machine;
use crate::packed::Batch;
use crate::random;
use crate::raw::{self, Room};
use crate::status::Status;
use crate::{contract, kmsv2};

/// What a KMS provider writes with. Any number of threads may use it; they write one after the other.
pub struct WriteKey(Inner);

enum Inner {
    /// One write's DEK, taken by that write.
    V1 {
        dek: Mutex<Option<Zeroizing<[u8; 32]>>>,
        encrypted_dek: Vec<u8>,
    },
    Fixed(Mutex<WriteSource>),
    /// Whatever the state machine has at the time of the write.
    Following(Arc<Machine>),
}

impl WriteKey {
    fn give(out: &mut MaybeUninit<*mut Self>, inner: Inner) {
        out.write(Box::into_raw(Box::new(Self(inner))));
    }

    pub(crate) fn follow(out: &mut MaybeUninit<*mut Self>, machine: Arc<Machine>) {
        Self::give(out, Inner::Following(machine));
    }

    /// Lends the key to `work`, with the DEK that it draws first, if it does.
    fn lend<T>(
        key: Option<&Self>,
        now: Duration,
        work: impl FnOnce(chain::WriteKey<'_>, Option<&[u8; 32]>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Some(Self(inner)) = key else {
            return work(chain::WriteKey::None, None);
        };
        match inner {
            Inner::V1 { dek, encrypted_dek } => {
                let dek = dek.lock().unwrap_or_else(PoisonError::into_inner).take();
                let spent = || Fault::call(Status::Spent, "a KMS v1 write key seals one value");
                let dek = dek.ok_or_else(spent)?;
                work(chain::WriteKey::KmsV1 { encrypted_dek }, Some(&dek))
            }
            Inner::Fixed(source) => {
                let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                work(chain::WriteKey::KmsV2(&mut source), None)
            }
            Inner::Following(machine) => {
                let mut machine = kmsv2::lock(machine);
                work(chain::WriteKey::KmsV2(machine.write_source(now)?), None)
            }
        }
    }

    /// As [`lend`](Self::lend), for questions: nothing is used up.
    fn look<T>(
        key: Option<&Self>,
        now: Duration,
        ask: impl FnOnce(chain::WriteKey<'_>) -> T,
    ) -> Result<T, Fault> {
        match key {
            Some(Self(Inner::V1 { encrypted_dek, .. })) => {
                Ok(ask(chain::WriteKey::KmsV1 { encrypted_dek }))
            }
            _ => Self::lend(key, now, |key, _| Ok(ask(key))),
        }
    }
}

/// For one KMS v1 value: a fresh DEK of 32 random bytes, and what the plugin's Encrypt answered for it. Serves one
/// `k8senc_chain_seal`; the next is `K8SENC_STATUS_SPENT`. Gives `*key`, for `k8senc_write_key_free`.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `key` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_write_key_kmsv1_new(
    dek: *const u8,
    dek_len: usize,
    encrypted_dek: *const u8,
    encrypted_dek_len: usize,
    key: Option<&mut MaybeUninit<*mut WriteKey>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(key, "key")?;
        // SAFETY: the caller's contract.
        let dek = unsafe { raw::bytes(dek, dek_len, "dek")? };
        // SAFETY: the caller's contract.
        let encrypted = unsafe { raw::bytes(encrypted_dek, encrypted_dek_len, "encrypted_dek")? };
        let dek: &[u8; 32] = dek
            .try_into()
            .map_err(|_| k8senc::Error::DekSize { got: dek_len })?;
        let inner = Inner::V1 {
            dek: Mutex::new(Some(Zeroizing::new(*dek))),
            encrypted_dek: encrypted.to_vec(),
        };
        WriteKey::give(out, inner);
        Ok(())
    })
}

/// A KMS v2 seed of 32 bytes or more, as kube-apiserver writes since 1.29, with what the plugin's Encrypt answered for it:
/// `annotations` as in `k8senc_dek_request`. The answer is checked as kube-apiserver does. For a plugin that is followed over
/// time use `k8senc_kmsv2_write_key_new`. Gives `*key`, for `k8senc_write_key_free`.
///
/// # Safety
/// As `k8senc_write_key_kmsv1_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_write_key_seed_new(
    seed: *const u8,
    seed_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    key: Option<&mut MaybeUninit<*mut WriteKey>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let answer = contract::Parts {
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        let out = need(key, "key")?;
        // SAFETY: the caller's contract.
        let seed = SecretBytes::from_slice(unsafe { raw::bytes(seed, seed_len, "seed")? });
        // SAFETY: the caller's contract.
        let answer: EncryptAnswer = unsafe { answer.read()? };
        let source = WriteSource::seed(&NATIVE, &seed, answer)?;
        WriteKey::give(out, Inner::Fixed(Mutex::new(source)));
        Ok(())
    })
}

/// A KMS v2 DEK of 16, 24 or 32 bytes in key form, as Kubernetes 1.27 and 1.28 wrote; `counter` is the last one used,
/// 1,000,000,000 for a fresh DEK. Write with a DEK in one place only, and never let its counter go back: a nonce used twice
/// gives both plaintexts away. Gives `*key`, for `k8senc_write_key_free`.
///
/// # Safety
/// As `k8senc_write_key_kmsv1_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_write_key_dek_new(
    dek: *const u8,
    dek_len: usize,
    counter: u64,
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    key: Option<&mut MaybeUninit<*mut WriteKey>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let answer = contract::Parts {
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        let out = need(key, "key")?;
        // SAFETY: the caller's contract.
        let dek = SecretBytes::from_slice(unsafe { raw::bytes(dek, dek_len, "dek")? });
        // SAFETY: the caller's contract.
        let answer: EncryptAnswer = unsafe { answer.read()? };
        let source = WriteSource::key(&NATIVE, &dek, counter, answer)?;
        WriteKey::give(out, Inner::Fixed(Mutex::new(source)));
        Ok(())
    })
}

/// Wipes and frees a write key. NULL is allowed. Takes `key`.
///
/// # Safety
/// `key` is NULL or came from this library, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_write_key_free(key: Option<Box<WriteKey>>) {
    quietly((), || drop(key));
}

/// Bytes that a stored value has beyond its plaintext, at most: what to add to the length of a plaintext for the output
/// buffer of `k8senc_chain_seal`. It changes with the key_id and annotations of a KMS v2 key, so ask again after
/// `K8SENC_STATUS_BUFFER_TOO_SMALL`. `key` and `now_ns` as there. Borrows.
///
/// # Safety
/// `chain` and `key` came from this library; `overhead` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_seal_overhead(
    chain: Option<&Chain>,
    key: Option<&WriteKey>,
    now_ns: u64,
    overhead: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (chain, out) = (need(chain, "chain")?, need(overhead, "overhead")?);
        let now = Duration::from_nanos(now_ns);
        out.write(WriteKey::look(key, now, |key| chain.chain.overhead(&key))?);
        Ok(())
    })
}

/// Seals one value as kube-apiserver would write it, with randomness of the operating system. The stored value goes to `out`,
/// which must have room for `plaintext_len` and the overhead of `k8senc_chain_seal_overhead` and overlap no input; `*written`
/// is its length. What `out` holds after a failure means nothing. `key` is NULL unless the first provider is a KMS. `now_ns` is the wall clock, in nanoseconds since 1970,
/// and counts only for keys that follow a plugin. Borrows; a KMS v1 key is spent.
///
/// # Safety
/// Each pointer is NULL or readable, `out` writable, for the length beside it; `chain` and `key` came from this library;
/// `written` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_seal(
    chain: Option<&Chain>,
    key: Option<&WriteKey>,
    now_ns: u64,
    plaintext: *const u8,
    plaintext_len: usize,
    etcd_key: *const u8,
    etcd_key_len: usize,
    out: *mut u8,
    out_cap: usize,
    written: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (chain, written) = (need(chain, "chain")?, need(written, "written")?);
        // SAFETY: the caller's contract.
        let plaintext = unsafe { raw::bytes(plaintext, plaintext_len, "plaintext")? };
        // SAFETY: the caller's contract.
        let etcd_key = unsafe { raw::bytes(etcd_key, etcd_key_len, "etcd_key")? };
        let value = (plaintext, etcd_key);
        // SAFETY: the caller's contract.
        let out = unsafe { raw::output(out, out_cap, 0, &[plaintext, etcd_key])? };
        written.write(seal(chain, key, now_ns, value, None, out)?);
        Ok(())
    })
}

/// As `k8senc_chain_seal`, with the caller's randomness: for test vectors and for machines with a generator of their own.
/// `random` must come from a cryptographic random source and be used for this value only. In the order in which kube-apiserver
/// draws them: aescbc IV 16; aesgcm nonce 12; secretbox nonce 24; KMS v1 nonce 12 (the DEK is in `key`); KMS v2 seed form info
/// 32, nonce 12; KMS v2 key form nonce 4.
///
/// # Safety
/// As `k8senc_chain_seal`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_seal_with_random(
    chain: Option<&Chain>,
    key: Option<&WriteKey>,
    now_ns: u64,
    plaintext: *const u8,
    plaintext_len: usize,
    etcd_key: *const u8,
    etcd_key_len: usize,
    random: *const u8,
    random_len: usize,
    out: *mut u8,
    out_cap: usize,
    written: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (chain, written) = (need(chain, "chain")?, need(written, "written")?);
        // SAFETY: the caller's contract.
        let plaintext = unsafe { raw::bytes(plaintext, plaintext_len, "plaintext")? };
        // SAFETY: the caller's contract.
        let etcd_key = unsafe { raw::bytes(etcd_key, etcd_key_len, "etcd_key")? };
        // SAFETY: the caller's contract.
        let random = unsafe { raw::bytes(random, random_len, "random")? };
        let value = (plaintext, etcd_key);
        // SAFETY: the caller's contract.
        let out = unsafe { raw::output(out, out_cap, 0, &[plaintext, etcd_key, random])? };
        written.write(seal(chain, key, now_ns, value, Some(random), out)?);
        Ok(())
    })
}

/// Seals `count` values in one crossing, with randomness of the operating system. Plaintexts and etcd keys lie end to end, as
/// in `k8senc_chain_open_batch`. The stored values go end to end to `out`, which must have room for `plaintexts_len` and
/// `count` times the overhead; `ends[i]` becomes the offset behind value i. Many aescbc values are sealed several times as fast
/// as one by one. Not for KMS v1, which needs a DEK for each value. Borrows.
///
/// # Safety
/// Each pointer is NULL or readable, `out` writable, for the length beside it, `plaintext_ends` and `etcd_key_ends` readable
/// and `ends` writable for `count` numbers; `chain` and `key` came from this library; `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_chain_seal_batch(
    chain: Option<&Chain>,
    key: Option<&WriteKey>,
    now_ns: u64,
    count: usize,
    plaintexts: *const u8,
    plaintexts_len: usize,
    plaintext_ends: *const usize,
    etcd_keys: *const u8,
    etcd_keys_len: usize,
    etcd_key_ends: *const usize,
    out: *mut u8,
    out_cap: usize,
    ends: *mut usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let chain = need(chain, "chain")?;
        // SAFETY: the caller's contract.
        let plaintexts = unsafe { raw::bytes(plaintexts, plaintexts_len, "plaintexts")? };
        // SAFETY: the caller's contract.
        let plaintext_ends = unsafe { raw::sizes(plaintext_ends, count, "plaintext_ends")? };
        // SAFETY: the caller's contract.
        let etcd_keys = unsafe { raw::bytes(etcd_keys, etcd_keys_len, "etcd_keys")? };
        // SAFETY: the caller's contract.
        let etcd_key_ends = unsafe { raw::sizes(etcd_key_ends, count, "etcd_key_ends")? };
        let values = Batch::new(plaintexts, plaintext_ends, "plaintexts")?;
        let keys = Batch::new(etcd_keys, etcd_key_ends, "etcd_keys")?;
        let mut results = Room::new(ends, count, count, "ends")?;
        let pairs = values.iter().zip(keys.iter());
        let pairs = pairs.map(|(plaintext, etcd_key)| chain::Unsealed {
            plaintext,
            etcd_key,
        });
        let pairs: Vec<_> = pairs.collect();
        if matches!(key, Some(WriteKey(Inner::V1 { .. }))) {
            return Err(Fault::argument("KMS v1 seals one value with one key"));
        }
        // SAFETY: the caller's contract.
        let out = unsafe { raw::output(out, out_cap, 0, &[plaintexts, etcd_keys])? };
        // One lock and one draw of random bytes for all of them.
        let made = WriteKey::lend(key, Duration::from_nanos(now_ns), |key, _| {
            let overhead = chain.chain.overhead(&key).saturating_mul(count);
            enough(out, plaintexts_len, overhead)?;
            let random = random::draw(chain.chain.random_len(&key).saturating_mul(count))?;
            let made = chain.chain.seal_batch(&pairs, &random, key, out)?;
            made.ok_or_else(short)
        })?;
        // SAFETY: the caller's contract.
        unsafe { results.put(0, &made) }
    })
}

/// One stored value, and its length. The room is checked before anything is used up: a counter, a DEK, random bytes.
fn seal(
    chain: &Chain,
    key: Option<&WriteKey>,
    now_ns: u64,
    (plaintext, etcd_key): (&[u8], &[u8]),
    random: Option<&[u8]>,
    out: &mut [u8],
) -> Result<usize, Fault> {
    let now = Duration::from_nanos(now_ns);
    if let Some(WriteKey(Inner::V1 { .. })) = key {
        let overhead = WriteKey::look(key, now, |key| chain.chain.overhead(&key))?;
        enough(out, plaintext.len(), overhead)?;
    }
    WriteKey::lend(key, now, |key, dek| {
        enough(out, plaintext.len(), chain.chain.overhead(&key))?;
        // Core's order for KMS v1: the DEK, then the nonce.
        let written = match (dek, random) {
            (None, Some(given)) => chain.chain.seal_to(plaintext, etcd_key, given, key, out)?,
            (dek, given) => {
                let all = random_for(dek, given, chain.chain.random_len(&key))?;
                chain.chain.seal_to(plaintext, etcd_key, &all, key, out)?
            }
        };
        written.ok_or_else(short)
    })
}

/// The DEK, if there is one, and what was given, or drawn up to `need` bytes in all.
fn random_for(
    dek: Option<&[u8; 32]>,
    given: Option<&[u8]>,
    need: usize,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let dek = dek.map_or(&[][..], |dek| dek.as_slice());
    let len = given.map_or(need, |given| dek.len().saturating_add(given.len()));
    let mut all = Zeroizing::new(vec![0; len]);
    let (head, rest) = all.split_at_mut_checked(dek.len()).ok_or_else(short)?;
    head.copy_from_slice(dek);
    match given {
        Some(given) => rest.copy_from_slice(given),
        None => random::fill(rest)?,
    }
    Ok(all)
}

/// That `out` has room for plaintexts of `len` bytes in all, and what is added to them.
fn enough(out: &[u8], len: usize, overhead: usize) -> Result<(), Fault> {
    let need = len.saturating_add(overhead);
    if out.len() >= need {
        return Ok(());
    }
    let text = format!("out has room for {}, {need} are needed", out.len());
    Err(Fault::call(Status::BufferTooSmall, text))
}

fn short() -> Fault {
    Fault::call(
        Status::BufferTooSmall,
        "out is shorter than the stored value",
    )
}
