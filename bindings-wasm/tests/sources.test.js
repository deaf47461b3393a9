// The blocks that a snapshot is read by: the file's own bytes whatever the order, few reads where an order is to be seen, bounded memory.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cached } from "../js/sources.js";

const MIB = 1 << 20;
const PAGE = 4096;

/** A file of which each page says its number, read lazily; counts what is asked of it. */
function file(size) {
  const asked = { reads: 0, bytes: 0, most: 0 };
  const read = (offset, length) => {
    asked.reads += 1;
    asked.bytes += length;
    asked.most = Math.max(asked.most, length);
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at + 4 <= length; at += PAGE) view.setUint32(at, (offset + at) / PAGE);
    return bytes;
  };
  return { asked, size, read };
}

/** Reads pages in an order, and holds each against its number. */
function pages(source, order) {
  const read = cached(source);
  for (const page of order) {
    const bytes = read(page * PAGE, PAGE);
    assert.equal(bytes.length, PAGE);
    assert.equal(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), page);
  }
  return source.asked;
}

const size = 200 * MIB + 3 * PAGE;
const ascending = Array.from({ length: size / PAGE }, (_, page) => page);

test("forwards and backwards each byte is read once, in long reads", () => {
  for (const order of [ascending, ascending.toReversed()]) {
    const { reads, bytes, most } = pages(file(size), order);
    assert.equal(bytes, size);
    assert.ok(reads <= 20, `${reads} reads`);
    assert.ok(most <= 16 * MIB, `${most} bytes at once`);
  }
});

test("a page further on now and then, as branches lie, costs no second reading", () => {
  const branches = ascending.toReversed().flatMap((page) => (page % 2560 === 0 && page >= 2560 ? [page, page - 2560] : [page]));
  const { reads, bytes } = pages(file(size), branches);
  assert.ok(bytes <= 1.2 * size, `${bytes} of ${size} bytes`);
  assert.ok(reads <= 40, `${reads} reads`);
});

test("without an order every byte is still the file's, and reads stay bounded", () => {
  let state = 1;
  const order = Array.from({ length: 2000 }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * (size / PAGE));
  });
  const { reads, bytes, most } = pages(file(size), order);
  assert.ok(most <= 32 * MIB, `${most} bytes at once`);
  assert.ok(reads <= order.length && bytes <= 4 * MIB * reads, `${reads} reads of ${bytes} bytes`);
});

test("bytes over the end of a block, longer than one, at the end and beyond", () => {
  const whole = Uint8Array.from({ length: 3 * MIB + 5 }, (_, at) => (at * 7 + (at >> 8)) & 255);
  const read = cached({ size: whole.length, read: (offset, length) => whole.slice(offset, offset + length) });
  for (const [offset, length] of [[MIB - 3, 7], [3 * MIB - 1, 6], [3 * MIB + 4, 1], [0, MIB], [1, MIB], [5, 2 * MIB], [2 * MIB + 2, MIB]]) {
    const wanted = whole.subarray(offset, offset + length);
    assert.ok(Buffer.from(read(offset, length)).equals(wanted), `${length} at ${offset}`);
  }
  assert.throws(() => read(3 * MIB, 6), RangeError);
});

test("a source that answers with less is refused, and asked again later", () => {
  let short = true;
  const read = cached({ size: 2 * MIB, read: (_, length) => new Uint8Array(short ? length - 1 : length) });
  assert.throws(() => read(0, 16), RangeError);
  short = false;
  assert.equal(read(0, 16).length, 16);
});
