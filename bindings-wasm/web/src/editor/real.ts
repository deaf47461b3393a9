// Whether a text seems to hold a real key: random-looking bytes of a cipher's key length.

import { core, fromBase64 } from "../core.svelte";
import { PUBLIC } from "../examples";
import { secretRanges } from "./secrets";

const LENGTHS = new Set([16, 24, 32]);

export function looksReal(text: string): boolean {
  return secretRanges(text).some(({ from, to }) => {
    const value = text.slice(from, to).replaceAll(/^[|>][-+0-9]*|["'\s]/g, "");
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value) || PUBLIC.includes(value)) return false;
    let bytes: Uint8Array;
    try {
      bytes = fromBase64(value);
    } catch {
      return false;
    }
    // Printable bytes are a phrase, and what is known to be guessable has no fingerprint.
    if (!LENGTHS.has(bytes.length) || bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) return false;
    return core.run((api) => api.fingerprint(bytes)) !== null;
  });
}
