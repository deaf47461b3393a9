//! Several AES-CBC messages at once. A block of one message needs the block before it, so one message alone leaves most of a CPU's
//! AES units idle; blocks of eight messages do not need each other.

use alloc::vec::Vec;
use core::slice::IterMut;

use cbc::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, ParBlocks,
    array::Array, consts::U16,
};

use super::CbcMessage;

/// More messages than this at a time were not faster where it was measured.
const LANES: usize = 8;

type AesBlock = Array<u8, U16>;

/// Encrypts the whole blocks of all messages.
pub(super) fn encrypt<C>(cipher: &C, messages: &mut [CbcMessage<'_>])
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    cipher.encrypt_with_backend(Lockstep { messages });
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
    for block in take(lane, steps) {
        xor(&mut lane.chain, block);
        backend.encrypt_block_inplace(&mut lane.chain);
        *block = lane.chain;
    }
}

/// The next `steps` blocks, which every lane has.
fn take<'m>(lane: &mut Lane<'m>, steps: usize) -> &'m mut [AesBlock] {
    let rest = core::mem::take(&mut lane.rest);
    let at = steps.min(rest.len());
    let (now, later) = rest.split_at_mut(at);
    lane.rest = later;
    now
}

#[inline(always)]
fn xor(chain: &mut AesBlock, block: &AesBlock) {
    for (c, b) in chain.iter_mut().zip(block) {
        *c ^= b;
    }
}
