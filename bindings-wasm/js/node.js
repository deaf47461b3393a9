import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** A file on disk; `close` it when done. */
export function fileSource(path) {
  const file = openSync(path, "r");
  return {
    size: fstatSync(file).size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      const got = readSync(file, bytes, 0, length, offset);
      return bytes.subarray(0, got);
    },
    close: () => closeSync(file),
  };
}
