//! Secrets as types of their own: wiped on drop, not `Clone`, and `Debug` says only their size.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

mod place;

pub(crate) use place::{Filling, Landing, Target, append};

/// A key, DEK, seed or KEK of any length.
pub struct SecretBytes(Zeroizing<Box<[u8]>>);

impl SecretBytes {
    /// Takes over `bytes`. Spare capacity is wiped, not leaked to the allocator.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut bytes = Zeroizing::new(bytes);
        if bytes.len() == bytes.capacity() {
            return Self(Zeroizing::new(
                core::mem::take(&mut *bytes).into_boxed_slice(),
            ));
        }
        Self::from_slice(&bytes)
    }

    /// Copies `bytes`; the caller's copy stays the caller's to wipe.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(Box::from(bytes)))
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is not one byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, by a call that stands out.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes, redacted)", self.len())
    }
}

/// What a stored value held. Also serves as scratch space that is filled again and again.
#[derive(Default)]
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is not one byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The plaintext, by a call that stands out. The audit has no call to it.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Looks at the plaintext and keeps only a verdict of it, which cannot borrow from it.
    pub fn judge<T: 'static>(&self, verdict: impl FnOnce(&[u8]) -> T) -> T {
        verdict(&self.0)
    }

    /// As `Vec::zeroize`, which goes byte by byte and takes longer than decrypting did.
    pub(crate) fn wipe(&mut self) {
        self.0.spare_capacity_mut().zeroize();
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }
}

impl Target for Plaintext {
    /// Memory that is outgrown is wiped before it is given back.
    fn sized(&mut self, len: usize) -> &mut [u8] {
        if self.0.capacity() < len {
            self.wipe();
            self.0 = Vec::with_capacity(len);
        }
        self.0.resize(len, 0);
        &mut self.0
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn refuse(&mut self) {
        self.wipe();
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl ZeroizeOnDrop for Plaintext {}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({} bytes, redacted)", self.len())
    }
}

/// Runs `work` in a frame of its own and writes over what it left on the stack: keys that were moved, and registers that
/// were put aside. Otherwise it could get into the unused bytes of values that are built there next, and with them anywhere.
pub fn scrubbed<T>(work: impl FnOnce() -> T) -> T {
    let out = apart(work);
    scrub();
    out
}

#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// More than the primitives leave; some 20 ns.
const SCRUBBED: usize = 2048;

/// Writes over what earlier calls left below this one on the stack.
#[inline(never)]
pub(crate) fn scrub() {
    core::hint::black_box(&mut [0u8; SCRUBBED]);
}
