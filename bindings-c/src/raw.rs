//! From pointers and lengths to slices: the only place where memory of the caller is touched.
#![expect(
    unsafe_code,
    reason = "C hands over pointers; this file turns them into slices"
)]

use std::slice;

use crate::fault::Fault;
use crate::status::Status;

/// `len` bytes at `ptr`; NULL with length 0 is the empty slice, because cgo sends that.
///
/// # Safety
/// For `'a`, `ptr` is readable for `len` bytes, which nobody changes, or it is NULL.
pub(crate) unsafe fn bytes<'a>(ptr: *const u8, len: usize, name: &str) -> Result<&'a [u8], Fault> {
    elements(ptr, len, name)?;
    if len == 0 {
        return Ok(&[]);
    }
    // SAFETY: not NULL, below isize::MAX in all, and by the contract readable and left alone.
    Ok(unsafe { slice::from_raw_parts(ptr, len) })
}

/// As [`bytes`], UTF-8.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(ptr: *const u8, len: usize, name: &str) -> Result<&'a str, Fault> {
    // SAFETY: the same contract.
    let bytes = unsafe { bytes(ptr, len, name)? };
    std::str::from_utf8(bytes)
        .map_err(|_| Fault::call(Status::NotUtf8, format!("{name} is not UTF-8")))
}

/// As [`bytes`], numbers.
///
/// # Safety
/// As [`bytes`], for `len` numbers, and aligned for them.
pub(crate) unsafe fn sizes<'a>(
    ptr: *const usize,
    len: usize,
    name: &str,
) -> Result<&'a [usize], Fault> {
    elements(ptr, len, name)?;
    if len == 0 {
        return Ok(&[]);
    }
    // SAFETY: as in `bytes`.
    Ok(unsafe { slice::from_raw_parts(ptr, len) })
}

/// `cap` bytes at `ptr` for a function to decrypt or encrypt into, `need` of which it asks for. Nothing reads them before they
/// are written. `inputs` are what they must not overlap.
///
/// # Safety
/// For `'a`, `ptr` is writable for `cap` bytes, which nobody else reads or changes, or it is NULL.
pub(crate) unsafe fn output<'a>(
    ptr: *mut u8,
    cap: usize,
    need: usize,
    inputs: &[&[u8]],
) -> Result<&'a mut [u8], Fault> {
    Room::new(ptr, cap, need, "out")?;
    if cap == 0 {
        return Ok(&mut []);
    }
    let (start, end) = (ptr.addr(), ptr.addr().saturating_add(cap));
    let overlaps = |input: &&[u8]| {
        let input = input.as_ptr_range();
        input.start.addr() < end && start < input.end.addr()
    };
    // Not only a wrong result: Rust may take it that they are apart.
    if inputs.iter().any(overlaps) {
        return Err(Fault::argument("out overlaps an input"));
    }
    // SAFETY: not NULL, below isize::MAX in all, apart from the inputs, and by the contract writable and nobody else's.
    Ok(unsafe { slice::from_raw_parts_mut(ptr, cap) })
}

/// Room for a function to write `need` elements to, of `cap` that there are. Nothing is read from it, and nothing is
/// written before the function succeeds.
pub(crate) struct Room<T> {
    ptr: *mut T,
    cap: usize,
}

impl<T: Copy> Room<T> {
    /// Checks the caller's buffer.
    pub(crate) fn new(ptr: *mut T, cap: usize, need: usize, name: &str) -> Result<Self, Fault> {
        if cap < need {
            return Err(Fault::call(
                Status::BufferTooSmall,
                format!("{name} has room for {cap}, {need} are needed"),
            ));
        }
        elements(ptr, cap, name)?;
        Ok(Self { ptr, cap })
    }

    /// Writes `from` at `at`.
    ///
    /// # Safety
    /// The buffer of [`new`](Self::new) is writable for its `cap` elements, aligned for them, and overlaps no input.
    pub(crate) unsafe fn put(&mut self, at: usize, from: &[T]) -> Result<(), Fault> {
        let fits = self
            .cap
            .checked_sub(at)
            .is_some_and(|left| from.len() <= left);
        if !fits {
            return Err(Fault::call(
                Status::BufferTooSmall,
                "an output is longer than was promised",
            ));
        }
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: `at` lies within the buffer.
        let to = unsafe { self.ptr.add(at) };
        // SAFETY: checked above that it fits; the contract says the rest.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        Ok(())
    }
}

fn elements<T>(ptr: *const T, len: usize, name: &str) -> Result<(), Fault> {
    if ptr.is_null() && len != 0 {
        return Err(Fault::call(
            Status::NullPointer,
            format!("{name} is NULL and its length {len}"),
        ));
    }
    // What no allocation can have is a negative number somewhere.
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Fault::argument(format!("the length of {name} is {len}")));
    }
    if !ptr.is_null() && !ptr.is_aligned() {
        return Err(Fault::argument(format!("{name} is not aligned")));
    }
    Ok(())
}
