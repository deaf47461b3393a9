// Writes an etcd file whose leaves lie in no order, as in every cluster that has been written to for a while.

import { closeSync, openSync, writeSync } from "node:fs";

const PAGE = 4096;
const [BRANCH, LEAF, META] = [1, 2, 4];
const NAME = Buffer.from("k8s:enc:aesgcm:v1:key1:");

function header(page, id, flags, count) {
  page.writeBigUInt64LE(BigInt(id), 0);
  page.writeUInt16LE(flags, 8);
  page.writeUInt16LE(count, 10);
}

/** A page from its elements: `[flags, key, value]` of a leaf, `[child, key]` of a branch. */
function page(id, flags, elements, size = PAGE) {
  const out = Buffer.alloc(size);
  header(out, id, flags, elements.length);
  let data = 16 + 16 * elements.length;
  elements.forEach(([first, key, value], index) => {
    const at = 16 + 16 * index;
    if (flags === BRANCH) {
      out.writeUInt32LE(data - at, at);
      out.writeUInt32LE(key.length, at + 4);
      out.writeBigUInt64LE(BigInt(first), at + 8);
    } else {
      [first, data - at, key.length, value.length].forEach((word, n) => out.writeUInt32LE(word, at + 4 * n));
    }
    data += key.copy(out, data);
    if (value) data += value.copy(out, data);
  });
  return size === PAGE ? out : out.subarray(0, data);
}

function meta(slot, root, pages) {
  const out = Buffer.alloc(PAGE);
  header(out, slot, META, 0);
  [0xed0cdaed, 2, PAGE, 0].forEach((word, n) => out.writeUInt32LE(word, 16 + 4 * n));
  const stored = [root, 0, 0xffffffffffffffffn, pages, slot + 1];
  stored.forEach((word, n) => out.writeBigUInt64LE(BigInt(word), 32 + 8 * n));
  let sum = 0xcbf29ce484222325n;
  for (const byte of out.subarray(16, 72)) sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
  out.writeBigUInt64LE(sum, 72);
  return out;
}

function rowKey(revision) {
  const key = Buffer.alloc(17);
  key.writeBigUInt64BE(BigInt(revision), 0);
  key[8] = 0x5f;
  return key;
}

function varint(number) {
  const out = [];
  for (; number > 0x7f; number = Math.floor(number / 128)) out.push((number % 128) | 0x80);
  return Buffer.from([...out, number]);
}

/** A Secret of 1.5 kB under aesgcm, as etcd keeps it: 1 key, 2 and 3 revisions, 4 version, 5 value. */
function row(revision) {
  const [name, stored] = [Buffer.from(`/registry/secrets/ns-${revision % 50}/name-${revision}`), Buffer.alloc(1500, revision % 251)];
  NAME.copy(stored);
  const fields = [[0x0a], varint(name.length), name, [0x10], varint(revision), [0x18], varint(revision), [0x20, 1, 0x2a], varint(stored.length), stored];
  return [0, rowKey(revision), Buffer.concat(fields.map((field) => Buffer.from(field)))];
}

/** Writes a file of `leaves` pages with two Secrets each; answers how many Secrets that are. */
export function writeScattered(path, leaves) {
  const file = openSync(path, "w");
  const put = (bytes, id) => writeSync(file, bytes, 0, bytes.length, id * PAGE);
  // A prime that does not divide the number of places visits each place once.
  const places = leaves + 1000;
  const step = [1_000_003, 1_000_033].find((prime) => places % prime !== 0);
  let next = 0;
  const place = () => 3 + ((next++ * step) % places);
  let level = Array.from({ length: leaves }, (_, n) => {
    const [id, revision] = [place(), 2 + 2 * n];
    put(page(id, LEAF, [row(revision), row(revision + 1)]), id);
    return [id, rowKey(revision)];
  });
  while (level.length > 1) {
    const above = [];
    for (let at = 0; at < level.length; at += 100) {
      const id = place();
      const children = level.slice(at, at + 100);
      put(page(id, BRANCH, children), id);
      above.push([id, children[0][1]]);
    }
    level = above;
  }
  const root = Buffer.alloc(16);
  root.writeBigUInt64LE(BigInt(level[0][0]), 0);
  const index = page(0, LEAF, [[0, Buffer.from("consistent_index"), Buffer.from([0, 0, 0, 0, 0, 0, 0, 9])]], 256);
  put(page(2, LEAF, [[1, Buffer.from("key"), root], [1, Buffer.from("meta"), Buffer.concat([Buffer.alloc(16), index])]]), 2);
  for (const slot of [0, 1]) put(meta(slot, 2, places + 4), slot);
  put(Buffer.alloc(PAGE), places + 3);
  closeSync(file);
  return 2 * leaves;
}
