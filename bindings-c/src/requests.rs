//! What the KMS has to be asked.
#![expect(
    unsafe_code,
    reason = "a list of C's is taken back, and names are exported"
)]

use std::ffi::c_char;
use std::ptr;

use k8senc::kms::KmsApi;

use crate::guard::quietly;
use crate::owned::{self, Shown, Text};
use crate::packed;

/// One Decrypt call to a KMS plugin. Read only; all pointers live as long as what the struct came from (an error or a list).
#[repr(C)]
pub struct DekRequest {
    /// 1 or 2: the version of the plugin API.
    pub api: u32,
    /// Name of the provider block, with a NUL behind it.
    pub provider: *const c_char,
    /// Its length without the NUL.
    pub provider_len: usize,
    /// The encrypted DEK or seed.
    pub ciphertext: *const u8,
    /// Its length; 0 comes with a pointer that must not be read.
    pub ciphertext_len: usize,
    /// The key_id, with a NUL behind it; empty for KMS v1.
    pub key_id: *const c_char,
    /// Its length without the NUL.
    pub key_id_len: usize,
    /// Annotations: name, value, name, value, each with its length in front (4 bytes, big endian).
    pub annotations: *const u8,
    /// Bytes of all that; 0 comes with a pointer that must not be read.
    pub annotations_len: usize,
    /// Live values that wait for the answer, where a snapshot was surveyed; 0 elsewhere.
    pub live: u64,
    /// Superseded and deleted ones.
    pub history: u64,
}

/// What a [`DekRequest`] points into.
pub(crate) struct Parts {
    _provider: Text,
    _ciphertext: Vec<u8>,
    _key_id: Text,
    _annotations: Vec<u8>,
}

impl DekRequest {
    pub(crate) fn shown(
        request: k8senc::kms::DekRequest,
        (live, history): (u64, u64),
    ) -> Shown<Self, Parts> {
        let pairs = request.annotations.iter();
        let annotations = packed::pack(pairs.flat_map(|(k, v)| [k.as_bytes(), v.as_slice()]));
        let ciphertext = request.ciphertext;
        let (provider, key_id) = (Text::new(&request.provider), Text::new(&request.key_id));
        Shown {
            view: Self {
                api: match request.api {
                    KmsApi::V1 => 1,
                    KmsApi::V2 => 2,
                },
                provider: provider.pointer(),
                provider_len: provider.len(),
                ciphertext: ciphertext.as_ptr(),
                ciphertext_len: ciphertext.len(),
                key_id: key_id.pointer(),
                key_id_len: key_id.len(),
                annotations: annotations.as_ptr(),
                annotations_len: annotations.len(),
                live,
                history,
            },
            parts: Parts {
                _provider: provider,
                _ciphertext: ciphertext,
                _key_id: key_id,
                _annotations: annotations,
            },
        }
    }
}

/// Distinct requests. Read only; free it with `k8senc_requests_free`.
#[repr(C)]
pub struct Requests {
    /// `len` pointers, in the order in which to ask.
    pub items: *const *const DekRequest,
    /// How many.
    pub len: usize,
    /// How many more there are than can be listed: only a crafted snapshot has any.
    pub beyond: u64,
}

/// What [`Requests`] points into.
pub(crate) struct Items {
    _requests: Vec<Shown<DekRequest, Parts>>,
    _pointers: Vec<*const DekRequest>,
}

impl Requests {
    pub(crate) fn give(requests: Vec<Shown<DekRequest, Parts>>, beyond: u64) -> *mut Self {
        let pointers = requests.iter().map(|shown| &raw const shown.view);
        let pointers: Vec<*const DekRequest> = pointers.collect();
        let items = if pointers.is_empty() {
            ptr::null()
        } else {
            pointers.as_ptr()
        };
        owned::give(Shown {
            view: Self {
                items,
                len: pointers.len(),
                beyond,
            },
            parts: Items {
                _requests: requests,
                _pointers: pointers,
            },
        })
    }
}

/// Frees a list and its requests. NULL is allowed. Takes `requests`.
///
/// # Safety
/// `requests` is NULL or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_requests_free(requests: *mut Requests) {
    quietly((), || {
        // SAFETY: every list is made by `Requests::give`; the rest is the caller's contract.
        unsafe { owned::take::<Requests, Items>(requests) }
    });
}

/// Frees an error with all it points to. NULL is allowed. Takes `error`.
///
/// # Safety
/// `error` is NULL or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_error_free(error: *mut crate::fault::Error) {
    quietly((), || {
        // SAFETY: every error is made by `Fault::into_error`; the rest is the caller's contract.
        unsafe { owned::take::<crate::fault::Error, crate::fault::Texts>(error) }
    });
}
