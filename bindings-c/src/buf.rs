//! Bytes that the library hands out.
#![expect(
    unsafe_code,
    reason = "a buffer of C's is taken back, and names are exported"
)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use zeroize::{Zeroize as _, Zeroizing};

use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::raw::Room;
use crate::status::Status;

/// Bytes that a function handed out. `ptr` is NULL if there are none. Free it with `k8senc_buf_free`, which wipes.
#[repr(C)]
pub struct Buf {
    /// The bytes, with a NUL behind them.
    pub ptr: *mut u8,
    /// How many, without the NUL.
    pub len: usize,
}

impl Buf {
    pub(crate) fn new(mut bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        if len == 0 {
            return Self {
                ptr: ptr::null_mut(),
                len: 0,
            };
        }
        // Exactly as long as `k8senc_buf_free` will take it for; growing in place could leave a copy behind.
        let mut owned = Vec::with_capacity(len.saturating_add(1));
        owned.extend_from_slice(&bytes);
        owned.push(0);
        bytes.zeroize();
        Self {
            ptr: Box::into_raw(owned.into_boxed_slice()).cast(),
            len,
        }
    }
}

/// The output argument of a function that hands out bytes.
pub(crate) type OutBuf<'a> = Option<&'a mut MaybeUninit<Buf>>;

/// Bytes that leave no copy behind when they grow: the change that cures a finding may hold keys.
struct Growing(Zeroizing<Vec<u8>>);

impl io::Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let need = self.0.len().saturating_add(bytes.len());
        if need > self.0.capacity() {
            let room = need.max(self.0.capacity().saturating_mul(2)).max(4096);
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn write_json<T: serde::Serialize>(out: OutBuf<'_>, value: &T) -> Result<(), Fault> {
    let out = need(out, "json")?;
    let mut text = Growing(Zeroizing::default());
    serde_json::to_writer(&mut text, value)
        .map_err(|error| Fault::argument(format!("the report has no JSON form: {error}")))?;
    out.write(Buf::new(core::mem::take(&mut *text.0)));
    Ok(())
}

/// Wipes and frees what a function handed out, and sets `buf` to NULL and 0, so that a second call does nothing. NULL is
/// allowed. Takes what `buf` points to; `buf` itself stays the caller's.
///
/// # Safety
/// `buf` is NULL or holds what a function of this library wrote, unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_buf_free(buf: Option<&mut Buf>) {
    quietly((), || {
        let Some(buf) = buf else { return };
        let (ptr, len) = (buf.ptr, buf.len);
        (buf.ptr, buf.len) = (ptr::null_mut(), 0);
        if !ptr.is_null() {
            let slice = ptr::slice_from_raw_parts_mut(ptr, len.saturating_add(1));
            // SAFETY: made by `Buf::new` out of a box of this length, and not freed before: freeing leaves NULL.
            let mut bytes = unsafe { Box::from_raw(slice) };
            bytes.zeroize();
        }
    });
}

/// Fills `out` with `len` random bytes of the operating system.
///
/// # Safety
/// `out` is writable for `len` bytes. `error` is NULL or writable; what is written there, on failure only, is given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_random(
    out: *mut u8,
    len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let mut room = Room::new(out, len, len, "out")?;
        let random = crate::random::draw(len)?;
        // SAFETY: the caller's contract.
        unsafe { room.put(0, &random) }
    })
}
