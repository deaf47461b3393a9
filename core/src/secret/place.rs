//! Where what was opened or sealed is written: into memory of ours that grows, or into the caller's.

use alloc::vec::Vec;

use zeroize::Zeroize as _;

/// What a plaintext is decrypted into. Public in a private module: others name it nowhere, so a plaintext has no second way out.
pub trait Target {
    /// Room for `len` bytes to be written over; what stands there is left from before.
    fn sized(&mut self, len: usize) -> &mut [u8];
    /// Keeps the first `len` bytes.
    fn truncate(&mut self, len: usize);
    /// Wipes what was decrypted, and nothing is left.
    fn refuse(&mut self);

    /// Replaces the content.
    fn fill(&mut self, bytes: &[u8]) {
        let room = self.sized(bytes.len());
        // As long as asked for, or empty: then the target knows that it was short.
        if room.len() == bytes.len() {
            room.copy_from_slice(bytes);
        }
    }
}

/// Memory of the caller that a plaintext is written into. It is wiped again unless it is [kept](Self::keep).
pub(crate) struct Landing<'a> {
    out: &'a mut [u8],
    len: usize,
    /// How far something was written.
    touched: usize,
    short: bool,
}

impl<'a> Landing<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self {
            out,
            len: 0,
            touched: 0,
            short: false,
        }
    }

    /// Whether something had no room.
    pub(crate) fn short(&self) -> bool {
        self.short
    }

    /// Leaves the plaintext where it is and says how long it is. What else was decrypted behind it, its padding, is wiped.
    pub(crate) fn keep(mut self) -> usize {
        let len = self.len;
        // Most have nothing behind them.
        if self.touched > len
            && let Some(behind) = self.out.get_mut(len..self.touched)
        {
            behind.zeroize();
        }
        self.touched = 0;
        len
    }
}

impl Target for Landing<'_> {
    fn sized(&mut self, len: usize) -> &mut [u8] {
        let Some(room) = self.out.get_mut(..len) else {
            self.short = true;
            return &mut [];
        };
        self.len = len;
        self.touched = self.touched.max(len);
        room
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    fn refuse(&mut self) {
        if self.touched > 0
            && let Some(written) = self.out.get_mut(..self.touched)
        {
            written.zeroize();
        }
        self.touched = 0;
        self.len = 0;
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.refuse();
    }
}

/// Memory that a stored value is written into, from the front. It is wiped again unless it is [done](Self::done): plaintext
/// stands in it until it is encrypted in place.
pub(crate) struct Filling<'a> {
    out: &'a mut [u8],
    len: usize,
    short: bool,
}

impl<'a> Filling<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self {
            out,
            len: 0,
            short: false,
        }
    }

    /// The next `len` bytes, to be written over.
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        let end = self.len.saturating_add(len);
        match self.out.get_mut(self.len..end) {
            Some(room) => {
                self.len = end;
                room
            }
            None => {
                self.short = true;
                &mut []
            }
        }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let room = self.room(bytes.len());
        if room.len() == bytes.len() {
            room.copy_from_slice(bytes);
        }
    }

    /// How many bytes were written so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes were written, or `None` if something had no room.
    pub(crate) fn done(mut self) -> Option<usize> {
        if self.short {
            return None;
        }
        Some(core::mem::take(&mut self.len))
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        if self.len > 0
            && let Some(written) = self.out.get_mut(..self.len)
        {
            written.zeroize();
        }
    }
}

/// Appends what `write` writes, `room` bytes at most.
pub(crate) fn append(out: &mut Vec<u8>, room: usize, write: impl FnOnce(&mut Filling<'_>)) {
    let start = out.len();
    // Reserved at once: growing would leave plaintext behind in freed memory.
    out.reserve_exact(room);
    out.resize(start.saturating_add(room), 0);
    let mut filling = Filling::new(out.get_mut(start..).unwrap_or_default());
    write(&mut filling);
    let written = filling.done().unwrap_or_default();
    out.truncate(start.saturating_add(written));
}
