//! AES-CBC over any block cipher of RustCrypto, written so that the CPU's AES units have work.
//!
//! The crate `cbc` does the same with a copy of the ciphertext for each kilobyte read, and with the block before behind a reference
//! when it writes: a third slower, and a sixth. It has no way to write several messages at once.

use alloc::vec::Vec;
use core::slice::IterMut;

use aes::cipher::{
    BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, ParBlocks, array::Array, consts::U16,
    typenum::Unsigned as _,
};

use super::CbcMessage;

/// A block of one message needs the block before it, so one message alone leaves most of the AES units idle; blocks of
/// eight messages do not need each other. More at a time were not faster where it was measured.
const LANES: usize = 8;

type AesBlock = Array<u8, U16>;

/// Decrypts the whole blocks of `ciphertext` into `plain`, which is as long.
pub(super) fn decrypt<C>(cipher: &C, iv: &[u8; 16], ciphertext: &[u8], plain: &mut [u8])
where
    C: BlockCipherDecrypt<BlockSize = U16>,
{
    cipher.decrypt_with_backend(Decrypt {
        iv,
        ciphertext: ciphertext.as_chunks::<16>().0.as_flattened(),
        plain: plain.as_chunks_mut::<16>().0.as_flattened_mut(),
    });
}

struct Decrypt<'m> {
    iv: &'m [u8; 16],
    ciphertext: &'m [u8],
    plain: &'m mut [u8],
}

impl BlockSizeUser for Decrypt<'_> {
    type BlockSize = U16;
}

impl BlockCipherDecClosure for Decrypt<'_> {
    #[inline(always)]
    fn call<B: BlockCipherDecBackend<BlockSize = U16>>(self, backend: &B) {
        let at_once = 16 * B::ParBlocksSize::USIZE;
        let mut before = self.iv;
        let parts = self.ciphertext.chunks(at_once);
        for (ciphertext, plain) in parts.zip(self.plain.chunks_mut(at_once)) {
            let (from, _) = Array::slice_as_chunks(ciphertext);
            let (to, _) = Array::slice_as_chunks_mut(plain);
            let (from_groups, from_left) = ParBlocks::<B>::slice_as_chunks(from);
            let (to_groups, to_left) = ParBlocks::<B>::slice_as_chunks_mut(to);
            for group in from_groups.iter().zip(to_groups) {
                backend.decrypt_par_blocks(group.into());
            }
            for block in from_left.iter().zip(to_left) {
                backend.decrypt_block(block.into());
            }
            let (head, rest) = plain.split_at_mut(16.min(plain.len()));
            xor(head, before);
            xor(rest, ciphertext);
            before = ciphertext.last_chunk().unwrap_or(before);
        }
    }
}

/// Encrypts the whole blocks of all messages.
pub(super) fn encrypt<C>(cipher: &C, messages: &mut [CbcMessage<'_>])
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    cipher.encrypt_with_backend(Lockstep { messages });
}

/// Encrypts the whole blocks of one message.
pub(super) fn encrypt_one<C>(cipher: &C, iv: &[u8; 16], buf: &mut [u8])
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    cipher.encrypt_with_backend(Alone(Lane {
        chain: (*iv).into(),
        rest: Array::slice_as_chunks_mut(buf).0,
    }));
}

struct Alone<'m>(Lane<'m>);

impl BlockSizeUser for Alone<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Alone<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(mut self, backend: &B) {
        let steps = self.0.rest.len();
        single(backend, &mut self.0, steps);
    }
}

/// A message that is under way: the block before, and what is left.
struct Lane<'m> {
    chain: AesBlock,
    rest: &'m mut [AesBlock],
}

struct Lockstep<'m, 'a> {
    messages: &'m mut [CbcMessage<'a>],
}

impl BlockSizeUser for Lockstep<'_, '_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Lockstep<'_, '_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut queue = self
            .messages
            .iter_mut()
            .map(|message| Lane {
                chain: message.iv.into(),
                rest: Array::slice_as_chunks_mut(message.buf).0,
            })
            .filter(|lane| !lane.rest.is_empty());
        let mut lanes: Vec<Lane<'_>> = queue.by_ref().take(LANES).collect();
        while let Some(steps) = lanes.iter().map(|lane| lane.rest.len()).min() {
            match lanes.as_mut_slice().try_into() {
                Ok(all) => full(backend, all, steps),
                Err(_) => lanes
                    .iter_mut()
                    .for_each(|lane| single(backend, lane, steps)),
            }
            lanes.retain(|lane| !lane.rest.is_empty());
            lanes.extend(queue.by_ref().take(LANES.saturating_sub(lanes.len())));
        }
    }
}

/// `steps` blocks of every lane, all lanes in step.
#[inline(always)]
fn full<'m, B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    lanes: &mut [Lane<'m>; LANES],
    steps: usize,
) {
    let mut chain = lanes.each_ref().map(|lane| lane.chain);
    let mut parts: [IterMut<'m, AesBlock>; LANES] =
        lanes.each_mut().map(|lane| take(lane, steps).iter_mut());
    for _ in 0..steps {
        let blocks = parts.each_mut().map(Iterator::next);
        for (chain, block) in chain.iter_mut().zip(&blocks) {
            if let Some(block) = block {
                xor(chain, block);
            }
        }
        let (groups, left) = ParBlocks::<B>::slice_as_chunks_mut(&mut chain);
        for group in groups {
            backend.encrypt_par_blocks_inplace(group);
        }
        backend.encrypt_tail_blocks_inplace(left);
        for (chain, block) in chain.iter().zip(blocks) {
            if let Some(block) = block {
                *block = *chain;
            }
        }
    }
    for (lane, chain) in lanes.iter_mut().zip(chain) {
        lane.chain = chain;
    }
}

/// `steps` blocks of one lane: the last few messages of a batch.
#[inline(always)]
fn single<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    lane: &mut Lane<'_>,
    steps: usize,
) {
    let mut chain = lane.chain;
    for block in take(lane, steps) {
        xor(&mut chain, block);
        backend.encrypt_block_inplace(&mut chain);
        *block = chain;
    }
    lane.chain = chain;
}

/// The next `steps` blocks, which every lane has.
fn take<'m>(lane: &mut Lane<'m>, steps: usize) -> &'m mut [AesBlock] {
    let rest = core::mem::take(&mut lane.rest);
    let at = steps.min(rest.len());
    let (now, later) = rest.split_at_mut(at);
    lane.rest = later;
    now
}

/// As far as both go.
#[inline(always)]
fn xor(into: &mut [u8], from: &[u8]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into ^= from;
    }
}
