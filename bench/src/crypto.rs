//! Answers one line `BACKEND FAMILY DIRECTION KEY SIZE` with nanoseconds a call and a digest of what came out, as the Go
//! program beside it does; `scripts/bench crypto` asks both in turn.
//!
//! The families `gcm`, `cbc`, `secretbox`, `hkdf`, `kmsv2` go from an input that stays to memory that is used again, on both sides.
//! `value-...` runs whole chains, prefix to plaintext, with fresh memory and fresh random bytes for each value.

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use k8senc::chain::{Answer, Chain, NamedKey, ProviderSpec, WriteKey};
use k8senc::crypto::{Backend, CbcMessage, PORTABLE};
use k8senc::kms::{DekTable, EncryptAnswer, WriteSource};
use k8senc::secret::{Plaintext, SecretBytes};
use k8senc::wire::{aescbc, aesgcm, kmsv2, secretbox};
use k8senc_backends::NATIVE;
use sha2::{Digest as _, Sha256};

use crate::Outcome;

const ETCD_KEY: &[u8] = b"/registry/secrets/team-042/secret-001234";
/// A sample should end before the scheduler looks.
const SAMPLE: Duration = Duration::from_micros(60);
const SAMPLES: usize = 9;
/// Messages of a batch.
const LANES: usize = 8;

/// One call; what it made is left in the buffer.
pub type Operation = Box<dyn FnMut(&mut Plaintext, &mut Vec<u8>) -> Outcome<Made>>;

/// Where an operation left what it made.
#[derive(Clone, Copy)]
pub enum Made {
    /// In the plaintext.
    Plain,
    /// In the bytes, behind so many that were drawn for it.
    Bytes(usize),
    /// In neither: each value had memory of its own.
    Elsewhere,
}

/// Answers lines until they end.
pub fn worker() -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [backend, family, direction, key, size] = words.as_slice() else {
            return Err(format!("a line needs 5 words: {line:?}").into());
        };
        let backend: &'static dyn Backend = match *backend {
            "native" => &NATIVE,
            "portable" => &PORTABLE,
            other => return Err(format!("no backend {other:?}").into()),
        };
        let operation = prepare(
            backend,
            family.trim_end_matches("-std"),
            *direction == "seal",
            *key == "fresh",
            size.parse()?,
        )?;
        let (mut ns, check) = measure(operation)?;
        if family.starts_with("cbc8") {
            ns /= LANES as f64;
        }
        writeln!(out, "{ns:.2} {check}")?;
        out.flush()?;
    }
    Ok(())
}

/// The median of samples of some sixty microseconds, a whole number of calls each.
fn measure(mut operation: Operation) -> Outcome<(f64, String)> {
    let (mut plain, mut bytes) = (Plaintext::new(), Vec::new());
    let check = match operation(&mut plain, &mut bytes)? {
        Made::Plain => digest(plain.reveal()),
        Made::Bytes(drawn) => digest(bytes.get(drawn..).unwrap_or_default()),
        Made::Elsewhere => "elsewhere".into(),
    };
    let mut run = |calls: usize| -> Outcome<Duration> {
        let begin = Instant::now();
        for _ in 0..calls {
            operation(&mut plain, &mut bytes)?;
        }
        Ok(begin.elapsed())
    };
    let mut calls = 1;
    loop {
        let spent = run(calls)?;
        if spent >= SAMPLE / 2 {
            let fit = calls as f64 * SAMPLE.as_secs_f64() / spent.as_secs_f64();
            calls = (fit as usize).max(1);
            break;
        }
        calls *= 2;
    }
    let mut all = [0.0; SAMPLES];
    for sample in &mut all {
        *sample = run(calls)?.as_nanos() as f64 / calls as f64;
    }
    all.sort_by(f64::total_cmp);
    Ok((all.get(SAMPLES / 2).copied().unwrap_or(f64::NAN), check))
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// What both programs encrypt: the same bytes in both.
fn pattern(len: usize, start: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (start + 7 * i + (i >> 8)).to_le_bytes()[0])
        .collect()
}

fn chunk<const N: usize>(start: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&pattern(N, start));
    out
}

/// What `family` does with `size` bytes: `fresh` sets the key up anew in each call.
pub fn prepare(
    backend: &'static dyn Backend,
    family: &str,
    seal: bool,
    fresh: bool,
    size: usize,
) -> Outcome<Operation> {
    let (plain, key): (_, [u8; 32]) = (pattern(size, 3), chunk(1));
    match family {
        "gcm" => gcm(backend, key, plain, seal, fresh),
        "cbc" => cbc(backend, key, plain, seal, fresh),
        "cbc8" => cbc8(backend, key, plain),
        "secretbox" => sealed_box(backend, key, plain, seal, fresh),
        "hkdf" => Ok(hkdf(backend, key, fresh)),
        "kmsv2" => seeded(backend, key, plain, seal, fresh),
        _ => match family.strip_prefix("value-") {
            Some(name) => value(backend, name, &key, plain, seal),
            None => Err(format!("no operation {family:?}").into()),
        },
    }
}

fn gcm(
    backend: &'static dyn Backend,
    key: [u8; 32],
    plain: Vec<u8>,
    seal: bool,
    fresh: bool,
) -> Outcome<Operation> {
    let kept = backend.gcm(&key).ok_or("no cipher")?;
    let nonce = chunk(5);
    let mut body = Vec::new();
    aesgcm::seal(&*kept, &plain, ETCD_KEY, &nonce, &mut body);
    Ok(Box::new(move |opened, bytes| {
        let made = fresh
            .then(|| backend.gcm(&key).ok_or("no cipher"))
            .transpose()?;
        let cipher = made.as_deref().unwrap_or(&*kept);
        if seal {
            bytes.resize(plain.len() + 16, 0);
            let (sealed, tag) = bytes.split_last_chunk_mut().ok_or("no room")?;
            *tag = cipher.seal(&nonce, ETCD_KEY, &plain, sealed);
            return Ok(Made::Bytes(0));
        }
        aesgcm::open(cipher, &body, ETCD_KEY, opened)?;
        Ok(Made::Plain)
    }))
}

fn cbc(
    backend: &'static dyn Backend,
    key: [u8; 32],
    plain: Vec<u8>,
    seal: bool,
    fresh: bool,
) -> Outcome<Operation> {
    let kept = backend.cbc(&key).ok_or("no cipher")?;
    let iv = chunk(5);
    let mut body = Vec::new();
    aescbc::seal(&*kept, &plain, &iv, &mut body);
    Ok(Box::new(move |opened, bytes| {
        let made = fresh
            .then(|| backend.cbc(&key).ok_or("no cipher"))
            .transpose()?;
        let cipher = made.as_deref().unwrap_or(&*kept);
        if seal {
            bytes.clear();
            aescbc::seal(cipher, &plain, &iv, bytes);
            return Ok(Made::Bytes(aescbc::RANDOM_LEN));
        }
        aescbc::open(cipher, &body, opened)?;
        Ok(Made::Plain)
    }))
}

fn cbc8(backend: &'static dyn Backend, key: [u8; 32], plain: Vec<u8>) -> Outcome<Operation> {
    let cipher = backend.cbc(&key).ok_or("no cipher")?;
    let iv = chunk(5);
    let padding = 16 - plain.len() % 16;
    let mut padded = plain;
    padded.resize(padded.len() + padding, u8::try_from(padding)?);
    let mut room = vec![padded.clone(); LANES];
    Ok(Box::new(move |_, bytes| {
        let mut messages: Vec<CbcMessage<'_>> = room
            .iter_mut()
            .map(|buf| {
                buf.copy_from_slice(&padded);
                CbcMessage { iv, buf }
            })
            .collect();
        cipher.encrypt_batch(&mut messages);
        if bytes.is_empty() {
            bytes.extend_from_slice(room.last().ok_or("no message")?);
        }
        Ok(Made::Bytes(0))
    }))
}

fn sealed_box(
    backend: &'static dyn Backend,
    key: [u8; 32],
    plain: Vec<u8>,
    seal: bool,
    fresh: bool,
) -> Outcome<Operation> {
    let kept = backend.secretbox(&key);
    let nonce = chunk(5);
    let mut body = Vec::new();
    secretbox::seal(&*kept, &plain, &nonce, &mut body);
    Ok(Box::new(move |opened, bytes| {
        let made = fresh.then(|| backend.secretbox(&key));
        let cipher = made.as_deref().unwrap_or(&*kept);
        if seal {
            bytes.resize(plain.len() + 16, 0);
            let (tag, sealed) = bytes.split_first_chunk_mut().ok_or("no room")?;
            *tag = cipher.seal(&nonce, &plain, sealed);
            return Ok(Made::Bytes(0));
        }
        secretbox::open(cipher, &body, opened)?;
        Ok(Made::Plain)
    }))
}

fn hkdf(backend: &'static dyn Backend, seed: [u8; 32], fresh: bool) -> Operation {
    let kept = backend.expander(&seed);
    let (info, mut key) = (chunk(9), [0; 32]);
    Box::new(move |_, bytes| {
        let made = fresh.then(|| backend.expander(&seed));
        made.as_deref().unwrap_or(&*kept).derive(&info, &mut key);
        bytes.clear();
        bytes.extend_from_slice(&key);
        Ok(Made::Bytes(0))
    })
}

fn seeded(
    backend: &'static dyn Backend,
    seed: [u8; 32],
    plain: Vec<u8>,
    seal: bool,
    fresh: bool,
) -> Outcome<Operation> {
    let kept = backend.expander(&seed);
    let (info, nonce) = (chunk(9), chunk(5));
    let mut data = Vec::new();
    kmsv2::seal_seed(
        backend,
        &*kept,
        &plain,
        ETCD_KEY,
        (&info, &nonce),
        &mut data,
    )?;
    Ok(Box::new(move |opened, bytes| {
        let made = fresh.then(|| backend.expander(&seed));
        let expander = made.as_deref().unwrap_or(&*kept);
        if seal {
            bytes.clear();
            kmsv2::seal_seed(backend, expander, &plain, ETCD_KEY, (&info, &nonce), bytes)?;
            return Ok(Made::Bytes(kmsv2::SEED_RANDOM_LEN));
        }
        kmsv2::open_seed(backend, expander, &data, ETCD_KEY, opened)?;
        Ok(Made::Plain)
    }))
}

/// A chain of one provider, as it is used: fresh memory for each value, random bytes from the operating system.
fn value(
    backend: &'static dyn Backend,
    name: &str,
    key: &[u8; 32],
    plain: Vec<u8>,
    seal: bool,
) -> Outcome<Operation> {
    let keys = vec![NamedKey {
        name: "key1".into(),
        secret: SecretBytes::from_slice(key),
    }];
    let provider = || "vault".into();
    let spec = match name {
        "identity" => ProviderSpec::Identity,
        "aescbc" => ProviderSpec::AesCbc(keys),
        "aesgcm" => ProviderSpec::AesGcm(keys),
        "secretbox" => ProviderSpec::Secretbox(keys),
        "kmsv1" => ProviderSpec::KmsV1 { name: provider() },
        "kmsv2" | "kmsv2-key" => ProviderSpec::KmsV2 { name: provider() },
        other => return Err(format!("no provider {other:?}").into()),
    };
    let chain = Chain::new(vec![spec], backend)?;
    let mut source = source(backend, name, key)?;
    let mut random = chunk::<44>(5);
    let mut deks = DekTable::with_backend(backend);
    let stored = chain.seal(&plain, ETCD_KEY, &random, write_key(name, &mut source))?;
    // What KMS v1 writes with is drawn with the value.
    let dek = if name == "kmsv1" {
        random.first_chunk().ok_or("no DEK")?
    } else {
        key
    };
    for request in chain.needs([stored.as_slice()], &deks) {
        deks.supply(&request, SecretBytes::from_slice(dek));
    }
    match chain.open(&stored, ETCD_KEY, &deks)? {
        Answer::Opened(opened) if opened.plaintext.reveal() == plain => {}
        answer => return Err(format!("{name} answered {answer:?}").into()),
    }
    let name = name.to_owned();
    Ok(Box::new(move |_, _| {
        if seal {
            getrandom::fill(&mut random)?;
            let key = write_key(&name, &mut source);
            std::hint::black_box(chain.seal(&plain, ETCD_KEY, &random, key)?);
            return Ok(Made::Elsewhere);
        }
        match chain.open(&stored, ETCD_KEY, &deks)? {
            Answer::Opened(opened) => std::hint::black_box(opened),
            Answer::Needs(_) => return Err("a DEK is missing".into()),
        };
        Ok(Made::Elsewhere)
    }))
}

fn source(backend: &dyn Backend, name: &str, key: &[u8]) -> Outcome<WriteSource> {
    let secret = SecretBytes::from_slice(key);
    let answer = EncryptAnswer {
        ciphertext: pattern(96, 11),
        key_id: "key-1".into(),
        ..EncryptAnswer::default()
    };
    Ok(if name == "kmsv2-key" {
        WriteSource::key(backend, &secret, kmsv2::COUNTER_START, answer)?
    } else {
        WriteSource::seed(backend, &secret, answer)?
    })
}

fn write_key<'a>(name: &str, source: &'a mut WriteSource) -> WriteKey<'a> {
    match name {
        "kmsv1" => WriteKey::KmsV1 {
            encrypted_dek: b"sixty-four bytes, which is about what the plugins answer for one",
        },
        "kmsv2" | "kmsv2-key" => WriteKey::KmsV2(source),
        _ => WriteKey::None,
    }
}
