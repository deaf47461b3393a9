//! Runs one case under valgrind, with the secrets of the case poisoned: memcheck then reports each branch and each address
//! that depends on them. `scripts/test-secrets` runs all cases and says which reports are right.
//!
//! ```text
//! valgrind --error-exitcode=0 taint CASE
//! ```

use std::hint::black_box;
use std::process::ExitCode;

use k8senc::{
    Error,
    crypto::{Backend as _, PORTABLE},
    kms::keyset::{Beside, ClusterLabel, Identity, Keyset, LocalKek, Record, SetKey, WrapKey},
    secret::{Plaintext, SecretBytes},
    wire::{aescbc, aesgcm, kmsv2, secretbox},
};
use k8senc_secret_proof::taint::{poison, publish, publish_value, watched};

const AAD: &[u8] = b"/registry/secrets/default/a";
const PLAIN: &[u8] = &[0x61; 100];

type Case = fn() -> Result<(), Error>;

const CASES: &[(&str, Case)] = &[
    ("control-compare", control_compare),
    ("control-table", control_table),
    ("control-nothing", control_nothing),
    ("aescbc-open", aescbc_open),
    ("aescbc-open-bad-padding", aescbc_bad),
    ("aescbc-seal", aescbc_seal),
    ("aesgcm-open", aesgcm_open),
    ("aesgcm-open-bad-tag", aesgcm_bad),
    ("aesgcm-seal", aesgcm_seal),
    ("secretbox-open", secretbox_open),
    ("secretbox-open-bad-tag", secretbox_bad),
    ("secretbox-seal", secretbox_seal),
    ("kmsv2-seed-open", seed_open),
    ("kmsv2-seed-open-bad-tag", seed_bad),
    ("kmsv2-seed-seal", seed_seal),
    ("keyset-seal", keyset_seal),
    ("keyset-mac", keyset_mac),
    ("keyset-open", keyset_open),
    ("keyset-open-wrong-key", keyset_wrong),
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted == "list" {
        CASES.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let Some((_, case)) = CASES.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("taint: no case '{wanted}'; `taint list` names them");
        return ExitCode::from(2);
    };
    if !watched() {
        eprintln!("taint: valgrind does not run this program, so nothing would be seen");
        return ExitCode::from(2);
    }
    match case() {
        Ok(()) => println!("{wanted} ran"),
        Err(error) => println!("{wanted} ran: {}", error.code()),
    }
    ExitCode::SUCCESS
}

fn secret<const N: usize>(fill: u8) -> Box<[u8; N]> {
    let bytes = black_box(Box::new([fill; N]));
    poison(&*bytes);
    bytes
}

/// The answer is public, what it was made of is not: the caller of a real program looks at it too.
fn ended(result: Result<(), Error>, plain: &Plaintext) -> Result<(), Error> {
    publish_value(plain);
    publish(plain.reveal());
    result
}

/// A comparison that stops at the first difference.
fn control_compare() -> Result<(), Error> {
    let key = secret::<32>(7);
    if key.iter().zip([7u8; 32]).all(|(a, b)| *a == b) {
        black_box(1);
    }
    Ok(())
}

/// A look-up at a place that a secret names.
fn control_table() -> Result<(), Error> {
    let key = secret::<1>(7);
    let table = black_box([3u8; 256]);
    let [at] = *key;
    black_box(table.get(usize::from(at)).copied());
    Ok(())
}

/// A secret that is only added up.
fn control_nothing() -> Result<(), Error> {
    let key = secret::<32>(7);
    black_box(key.iter().fold(0u8, |sum, byte| sum ^ byte));
    Ok(())
}

fn aescbc_body(pad: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(cipher) = PORTABLE.cbc(&[7; 32]) {
        aescbc::seal(&*cipher, PLAIN, &[1; 16], &mut body);
    }
    pad(&mut body);
    body
}

fn aescbc_with(body: &[u8]) -> Result<(), Error> {
    let key = secret::<32>(7);
    let cipher = PORTABLE.cbc(&*key).ok_or(Error::NoKeys)?;
    let mut plain = Plaintext::new();
    let result = aescbc::open(&*cipher, body, &mut plain);
    ended(result, &plain)
}

fn aescbc_open() -> Result<(), Error> {
    aescbc_with(&aescbc_body(|_| {}))
}

fn aescbc_bad() -> Result<(), Error> {
    aescbc_with(&aescbc_body(|body| {
        if let Some(last) = body.last_mut() {
            *last ^= 1;
        }
    }))
}

fn aescbc_seal() -> Result<(), Error> {
    let key = secret::<32>(7);
    let plain = secret::<100>(0x61);
    let cipher = PORTABLE.cbc(&*key).ok_or(Error::NoKeys)?;
    aescbc::seal(&*cipher, &*plain, &[1; 16], &mut Vec::new());
    Ok(())
}

fn flipped(mut body: Vec<u8>) -> Vec<u8> {
    if let Some(last) = body.last_mut() {
        *last ^= 1;
    }
    body
}

fn aesgcm_body() -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(cipher) = PORTABLE.gcm(&[7; 32]) {
        aesgcm::seal(&*cipher, PLAIN, AAD, &[1; 12], &mut body);
    }
    body
}

fn aesgcm_with(body: &[u8]) -> Result<(), Error> {
    let key = secret::<32>(7);
    let cipher = PORTABLE.gcm(&*key).ok_or(Error::NoKeys)?;
    let mut plain = Plaintext::new();
    let result = aesgcm::open(&*cipher, body, AAD, &mut plain);
    ended(result, &plain)
}

fn aesgcm_open() -> Result<(), Error> {
    aesgcm_with(&aesgcm_body())
}

fn aesgcm_bad() -> Result<(), Error> {
    aesgcm_with(&flipped(aesgcm_body()))
}

fn aesgcm_seal() -> Result<(), Error> {
    let key = secret::<32>(7);
    let plain = secret::<100>(0x61);
    let cipher = PORTABLE.gcm(&*key).ok_or(Error::NoKeys)?;
    aesgcm::seal(&*cipher, &*plain, AAD, &[1; 12], &mut Vec::new());
    Ok(())
}

fn secretbox_body() -> Vec<u8> {
    let mut body = Vec::new();
    secretbox::seal(&*PORTABLE.secretbox(&[7; 32]), PLAIN, &[1; 24], &mut body);
    body
}

fn secretbox_with(body: &[u8]) -> Result<(), Error> {
    let cipher = PORTABLE.secretbox(&secret::<32>(7));
    let mut plain = Plaintext::new();
    let result = secretbox::open(&*cipher, body, &mut plain);
    ended(result, &plain)
}

fn secretbox_open() -> Result<(), Error> {
    secretbox_with(&secretbox_body())
}

fn secretbox_bad() -> Result<(), Error> {
    secretbox_with(&flipped(secretbox_body()))
}

fn secretbox_seal() -> Result<(), Error> {
    let cipher = PORTABLE.secretbox(&secret::<32>(7));
    secretbox::seal(&*cipher, &*secret::<100>(0x61), &[1; 24], &mut Vec::new());
    Ok(())
}

fn seed_body() -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let seed = PORTABLE.expander(&[7; 32]);
    let random = (&[1; 32], &[2; 12]);
    kmsv2::seal_seed(&PORTABLE, &*seed, PLAIN, AAD, random, &mut data)?;
    Ok(data)
}

fn seed_with(data: &[u8]) -> Result<(), Error> {
    let seed = PORTABLE.expander(&*secret::<32>(7));
    let mut plain = Plaintext::new();
    let result = kmsv2::open_seed(&PORTABLE, &*seed, data, AAD, &mut plain);
    ended(result, &plain)
}

fn seed_open() -> Result<(), Error> {
    seed_with(&seed_body()?)
}

fn seed_bad() -> Result<(), Error> {
    seed_with(&flipped(seed_body()?))
}

fn seed_seal() -> Result<(), Error> {
    let seed = PORTABLE.expander(&*secret::<32>(7));
    let plain = secret::<100>(0x61);
    let random = (&[1; 32], &[2; 12]);
    kmsv2::seal_seed(&PORTABLE, &*seed, &*plain, AAD, random, &mut Vec::new())
}

/// A set of one local KEK, with or without poison on the keys.
fn keyset(hidden: bool) -> Result<(Keyset, LocalKek), Error> {
    let hide = |fill| {
        let bytes = black_box([fill; 32]);
        if hidden {
            poison(&bytes);
        }
        SecretBytes::from_slice(&bytes)
    };
    let kek = LocalKek::new(hide(5))?;
    let mut member = kek.member(0);
    // What is stored of a KEK is public.
    member.identity = Identity::of_parts(&[b"kek"]);
    let set_key = SetKey::new(hide(6))?;
    let label = ClusterLabel::new("prod-1")?;
    let set = Keyset::new(label, 1, vec![member], Some(set_key));
    set.map(|set| (set, kek))
}

fn sealed() -> Result<Vec<u8>, Error> {
    let (set, kek) = keyset(false)?;
    let key = WrapKey::fresh(&[7; 32]);
    let wrap = kek.wrap(&PORTABLE, &key, &set.wrap_context(0), &[1; 12])?;
    set.seal(&PORTABLE, key, &[9; 32], &[(0, &wrap)])
}

fn keyset_seal() -> Result<(), Error> {
    let (set, kek) = keyset(false)?;
    let key = WrapKey::fresh(&secret::<32>(7));
    let wrap = kek.wrap(&PORTABLE, &key, &set.wrap_context(0), &[1; 12])?;
    let sealed = set.seal(&PORTABLE, key, &*secret::<32>(9), &[(0, &wrap)]);
    sealed.map(|_| ())
}

fn keyset_mac() -> Result<(), Error> {
    let (set, _) = keyset(false)?;
    let stored = sealed()?;
    let record = Record::try_from(stored.as_slice())?;
    let set_key = SetKey::new(SecretBytes::from_slice(&*secret::<32>(6)))?;
    record.check(&Beside {
        set_key: Some(&set_key),
        ..set.beside()
    })
}

fn keyset_open() -> Result<(), Error> {
    keyset_with(7)
}

fn keyset_wrong() -> Result<(), Error> {
    keyset_with(8)
}

fn keyset_with(fill: u8) -> Result<(), Error> {
    let (set, _) = keyset(false)?;
    let stored = sealed()?;
    let record = Record::try_from(stored.as_slice())?;
    let key = WrapKey::unwrapped(SecretBytes::from_slice(&*secret::<32>(fill)));
    record.open(&PORTABLE, 0, &key, &set.beside()).map(|_| ())
}
