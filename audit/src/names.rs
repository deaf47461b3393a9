//! Maps from keyed hashes of names.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use etcd_store::NameHash;

/// A map whose keys are hashes under a key that no file can know, so they need no second hashing.
pub(crate) type ByName<T> = HashMap<NameHash, T, BuildHasherDefault<Given>>;

/// Takes the bits it is given.
#[derive(Default)]
pub(crate) struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = self.0.rotate_left(1) ^ bits;
    }

    fn write_u8(&mut self, _: u8) {}
}
