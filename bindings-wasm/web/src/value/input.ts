// The forms in which people have a stored value at hand: what etcdctl prints, hex, base64, a hexdump, or the bytes.

import { fromBase64 } from "../core.svelte";

export interface Given {
  stored: Uint8Array<ArrayBuffer>;
  form: string;
  etcdKey: string | null;
}

const MOST = 64 << 20;
const HEXDUMP = /^([0-9a-f]{7,8}) {2}((?:[0-9a-f]{2} {1,2}){1,16}) *\|.{1,16}\| *$/;
const XXD = /^([0-9a-f]{8}): ((?:[0-9a-f]{2,4} )+) +.{1,16}$/;
const HEXDUMP_END = /^[0-9a-f]{7,8}$/;

/** The first value in a text, or null when the text is none of the known forms. */
export function readText(text: string): Given | null {
  const trimmed = text.trim();
  if (!trimmed) return null;
  return etcdctlJson(trimmed) ?? hexdump(text) ?? escapedHex(trimmed) ?? hex(trimmed) ?? base64(trimmed);
}

/** A dropped file: text in one of the forms, or the value itself. */
export function readBytes(bytes: Uint8Array<ArrayBuffer>): Given {
  const printable = bytes.length < MOST && bytes.every((byte) => byte >= 0x20 ? byte < 0x7f : byte === 9 || byte === 10 || byte === 13);
  const found = printable ? readText(new TextDecoder().decode(bytes)) : null;
  return found ?? { stored: bytes, form: "raw bytes", etcdKey: null };
}

function etcdctlJson(text: string): Given | null {
  if (!text.startsWith("{")) return null;
  try {
    const answer = JSON.parse(text) as { header?: unknown; kvs?: { key: string; value?: string }[] };
    const pair = answer.kvs?.[0];
    if (answer.header === undefined || !pair) return null;
    return { stored: fromBase64(pair.value ?? ""), form: "etcdctl -w json", etcdKey: new TextDecoder().decode(fromBase64(pair.key)) };
  } catch {
    return null;
  }
}

function hexdump(text: string): Given | null {
  const out: number[] = [];
  let starred = false;
  for (const line of text.trim().split(/\r?\n/)) {
    if (line === "*" && out.length) {
      starred = true;
      continue;
    }
    const matched = HEXDUMP.exec(line) ?? XXD.exec(line) ?? (out.length ? HEXDUMP_END.exec(line) : null);
    if (!matched) return null;
    const offset = Number.parseInt(matched[1] ?? matched[0], 16);
    if (starred && offset <= MOST) while (out.length < offset) out.push(...out.slice(-16));
    starred = false;
    if (offset !== out.length) return null;
    for (const pair of (matched[2] ?? "").replaceAll(" ", "").match(/../g) ?? []) out.push(Number.parseInt(pair, 16));
  }
  return out.length ? { stored: Uint8Array.from(out), form: "hexdump", etcdKey: null } : null;
}

function escapedHex(text: string): Given | null {
  const lines = text.split(/\s+/);
  if (!lines.every((line) => /^(?:\\x[0-9a-fA-F]{2})+$/.test(line))) return null;
  const parts = lines.map((line) => bytesOfHex(line.replaceAll("\\x", "")));
  const [first, second] = parts;
  if (!first) return null;
  return second ? { stored: second, form: "etcdctl --hex", etcdKey: new TextDecoder().decode(first) } : { stored: first, form: "etcdctl --hex", etcdKey: null };
}

function hex(text: string): Given | null {
  const digits = text.replaceAll(/\s+/g, "");
  return /^(?:[0-9a-fA-F]{2})+$/.test(digits) ? { stored: bytesOfHex(digits), form: "hex", etcdKey: null } : null;
}

function base64(text: string): Given | null {
  const packed = text.replaceAll(/\s+/g, "");
  if (!/^[A-Za-z0-9+/]{4,}={0,2}$/.test(packed)) return null;
  try {
    return { stored: fromBase64(packed), form: "base64", etcdKey: null };
  } catch {
    return null;
  }
}

function bytesOfHex(digits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** A typed key, DEK or seed: base64 or hex. */
export function readKey(text: string): Uint8Array<ArrayBuffer> | null {
  const given = text.trim();
  return (hex(given) ?? base64(given))?.stored ?? null;
}
