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
  // A buffer sent to nobody is given up at once; the collector lets hundreds of megabytes of them stand.
  const { port1: nowhere, port2 } = new MessageChannel();
  port2.close();
  return {
    size: file.size,
    read: (offset, length) => new Uint8Array(reader.readAsArrayBuffer(file.slice(offset, offset + length))),
    release: ({ buffer }) => nowhere.postMessage(null, [buffer]),
  };
}

const BLOCK = 1 << 20;
/** Most blocks read ahead, and most of all that are kept, in which two of these must fit: 16 and 32 MiB. */
const READ = 16;
const KEPT = 48;

const length = ({ first, end }) => end - first;

/** How many blocks to read after a stretch: twice as many while they are used, half as many when most were not. */
function onwards(stretch) {
  let used = 0;
  for (let marks = stretch.used; marks !== 0; marks &= marks - 1) used += 1;
  return 2 * used >= length(stretch) ? Math.min(READ, 2 * stretch.reach) : Math.max(1, stretch.reach >> 1);
}

/**
 * Reads stretches of blocks of 1 MiB and keeps the ones used last. What goes on near a stretch that is kept, forwards or
 * backwards, is read ahead: a read of a browser's `File` costs milliseconds whatever its length.
 */
export function cached({ size, read, release }) {
  // The stretch that holds a block; all of them, the one used last at the end; the one used last.
  const holders = new Map();
  const stretches = new Set();
  let [kept, latest, lent] = [0, null, null];

  const drop = (stretch) => {
    for (let at = stretch.first; at < stretch.end; at += 1) holders.delete(at);
    stretches.delete(stretch);
    kept -= length(stretch);
    if (latest === stretch) latest = null;
    release?.(stretch.bytes);
  };

  /** The nearest stretch on one side, if it reached so far that what lies between is worth reading too. */
  const near = (block, step) => {
    for (let far = 1; far <= READ; far += 1) {
      const found = holders.get(block + step * far);
      if (found) return far <= 4 * found.reach ? found : undefined;
    }
    return undefined;
  };

  const range = (block) => {
    const [before, behind] = [near(block, -1), near(block, 1)];
    if (before && behind) {
      before.reach = behind.reach = Math.max(before.reach, behind.reach);
      return { first: before.end, end: behind.first, reach: before.reach };
    }
    const beside = before ?? behind;
    const reach = beside ? onwards(beside) : 1;
    let [first, end] = [before ? before.end : block, behind ? behind.first : block + 1];
    if (before) {
      while (end < first + reach && end * BLOCK < size && !holders.has(end)) end += 1;
    }
    while (behind && first > end - reach && first > 0 && !holders.has(first - 1)) first -= 1;
    return { first, end, reach };
  };

  const load = (block) => {
    const stretch = { ...range(block), used: 0, start: 0, bytes: null };
    for (const oldest of stretches) {
      if (kept + length(stretch) <= KEPT) break;
      drop(oldest);
    }
    stretch.start = stretch.first * BLOCK;
    const wanted = Math.min(stretch.end * BLOCK, size) - stretch.start;
    stretch.bytes = read(stretch.start, wanted);
    if (stretch.bytes.length !== wanted) throw new RangeError(`${stretch.bytes.length} bytes instead of ${wanted}`);
    for (let at = stretch.first; at < stretch.end; at += 1) holders.set(at, stretch);
    stretches.add(stretch);
    kept += length(stretch);
    return stretch;
  };

  const holder = (block) => {
    if (!latest || block < latest.first || block >= latest.end) {
      const known = holders.get(block);
      // Those used last stand at the end.
      if (known && stretches.delete(known)) stretches.add(known);
      latest = known ?? load(block);
    }
    latest.used |= 1 << (block - latest.first);
    return latest;
  };

  /** Lends bytes until the next call. */
  return (offset, wanted) => {
    if (lent) release?.(lent);
    lent = wanted > BLOCK ? read(offset, wanted) : null;
    if (lent) return lent;
    if (offset + wanted > size) throw new RangeError(`no ${wanted} bytes at ${offset}`);
    const { start, bytes, end } = holder(Math.floor(offset / BLOCK));
    const from = offset - start;
    if (from + wanted <= bytes.length) return bytes.subarray(from, from + wanted);
    const out = new Uint8Array(wanted);
    const head = bytes.subarray(from);
    out.set(head);
    out.set(holder(end).bytes.subarray(0, wanted - head.length), head.length);
    return out;
  };
}
