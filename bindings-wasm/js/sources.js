import { UsageError } from "./errors.js";

/** Bytes in memory. */
export function bytesSource(bytes) {
  return { size: bytes.byteLength, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** A `File` or `Blob`, read in a worker, where reading may wait. */
export function fileSource(file) {
  if (typeof FileReaderSync === "undefined") {
    const message = "a File can be read in a worker only; see auditInWorker";
    throw new UsageError({ code: "worker", message });
  }
  const reader = new FileReaderSync();
  return {
    size: file.size,
    read: (offset, length) => new Uint8Array(reader.readAsArrayBuffer(file.slice(offset, offset + length))),
  };
}

const BLOCK = 1 << 20;
const BLOCKS = 16;

/** Reads whole blocks and keeps the ones used last, at most 16 MiB. */
export function cached({ size, read }) {
  const blocks = new Map();
  const block = (start) => {
    const known = blocks.get(start);
    if (known) {
      blocks.delete(start);
      blocks.set(start, known);
      return known;
    }
    const bytes = read(start, Math.min(BLOCK, size - start));
    if (blocks.size >= BLOCKS) blocks.delete(blocks.keys().next().value);
    blocks.set(start, bytes);
    return bytes;
  };
  return (offset, length) => {
    const start = offset - (offset % BLOCK);
    if (length > BLOCK) return read(offset, length);
    if (offset + length <= start + BLOCK) return block(start).subarray(offset - start, offset - start + length);
    const out = new Uint8Array(length);
    const head = block(start).subarray(offset - start);
    out.set(head);
    out.set(block(start + BLOCK).subarray(0, length - head.length), head.length);
    return out;
  };
}
