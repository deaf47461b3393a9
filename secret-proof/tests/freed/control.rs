//! That the search can find: each kind of leak it is for, made on purpose.

use k8senc_secret_proof::leaked_by;

use crate::secrets;

#[test]
fn what_is_not_wiped_is_found() {
    let key = secrets::aes_key("control", 32);
    let dropped = leaked_by(|| drop(std::hint::black_box(key.to_vec())));
    assert_eq!(dropped.len(), 1);
    let found = dropped.first().unwrap();
    assert_eq!((found.block, found.at), (32, 0));
    assert!(
        found.trace.contains("what_is_not_wiped_is_found"),
        "{}",
        found.trace
    );

    // A piece of 8 bytes in the middle of something else.
    let piece = leaked_by(|| {
        let mut block = vec![7u8; 1000];
        block[501..509].copy_from_slice(&key[13..21]);
        drop(std::hint::black_box(block));
    });
    assert_eq!(piece.first().map(|found| found.at), Some(501));
}

#[test]
fn what_growing_leaves_behind_is_found() {
    let key = secrets::plain("control-growing", 32);
    let grown = leaked_by(|| {
        let mut block = key.to_vec();
        block.reserve_exact(100_000);
        block.fill(0);
        drop(std::hint::black_box(block));
    });
    assert_eq!(grown.len(), 1);
}

#[test]
fn round_keys_texts_and_kept_states_are_found() {
    let key = secrets::aes_key("control-schedule", 32);
    let schedule = k8senc_secret_proof::aes::round_keys(key);
    assert_ne!(leaked_by(|| drop(schedule)).len(), 0);
    let inverse = k8senc_secret_proof::aes::inverse_round_keys(key);
    assert_ne!(leaked_by(|| drop(inverse)).len(), 0);
    let text = secrets::text(key);
    assert_eq!(
        leaked_by(|| drop(std::hint::black_box(text[5..14].to_owned()))).len(),
        1
    );

    // The state that HMAC keeps, in a box that is not wiped because it is taken apart first.
    let seed = secrets::seed("control-seed", 32);
    let state = leaked_by(|| {
        use hmac::{Hmac, KeyInit as _};
        let mut mac = Box::new(Hmac::<sha2::Sha256>::new_from_slice(seed).unwrap());
        std::hint::black_box(&mut mac);
        let moved = *mac;
        std::mem::forget(std::hint::black_box(moved));
    });
    assert_eq!(state.len(), 1);
}

#[test]
fn what_is_wiped_is_not_found() {
    let key = secrets::plain("control-wiped", 32);
    let found = leaked_by(|| {
        let mut block = key.to_vec();
        block.fill(0);
        drop(std::hint::black_box(block));
    });
    assert!(found.is_empty(), "{found:?}");
}

/// What a C library gives back; glibc's `strdup` stands for it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
#[expect(unsafe_code, reason = "calls the C library")]
fn what_a_c_library_frees_is_found() {
    use core::ffi::{c_char, c_void};
    unsafe extern "C" {
        fn strdup(text: *const c_char) -> *mut c_char;
        fn free(at: *mut c_void);
    }
    let key = secrets::random("control-c", 32);
    let text = std::ffi::CString::new(secrets::text(key)).unwrap();
    // SAFETY: the text ends with a zero; its copy is freed once.
    let found = leaked_by(|| unsafe { free(std::hint::black_box(strdup(text.as_ptr())).cast()) });
    assert_eq!(found.len(), 1);
    std::mem::forget(text);
}
