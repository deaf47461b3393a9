// The forms in which people have a stored value at hand are the core's to know: here its answers are put into words.

import { core } from "../core.svelte";

export interface Given {
  stored: Uint8Array<ArrayBuffer>;
  form: string;
  etcdKey: string | null;
  /** How many values stood in the text; the first one is shown. */
  of: number;
}

/** No stored value is larger than what etcd takes in a request. */
export const MOST = 64 << 20;

const WORDS: Record<string, string> = { "etcdctl-json": "etcdctl -w json", "etcdctl-fields": "etcdctl -w fields" };

function read(text: string | Uint8Array): Given | null {
  const values = core.run((api) => api.readPasted(text));
  const first = values?.[0];
  if (!values || !first) return null;
  const etcdKey = first.etcdKey ? new TextDecoder().decode(first.etcdKey) : null;
  return { stored: first.stored, form: WORDS[first.form] ?? first.form, etcdKey, of: values.length };
}

/** A browser writes this where bytes were no text. */
const LOST = "\ufffd";

/** The first value in a text, or null when it holds none whole. */
export const readText = (text: string) => (text.trim() && !text.includes(LOST) ? read(text) : null);

/** A dropped file: text in one of the forms, or the value itself. */
export function readBytes(bytes: Uint8Array<ArrayBuffer>): Given {
  return read(bytes) ?? { stored: bytes, form: "raw bytes", etcdKey: null, of: 1 };
}

/** Why a text holds no value, in one sentence. */
export function whyNot(text: string): string {
  if (text.includes(LOST)) return "Bytes were lost when this was copied: raw bytes do not survive a clipboard. Paste what etcdctl prints with -w json, or drop a file with the bytes.";
  if (core.run((api) => api.readPasted(text))) return "etcdctl found no key: its answer holds no value.";
  return "This is no whole value in a form that is known: etcdctl's output, hex, base64, or a dump by xxd, hexdump or od from its first line to its last. A value in raw bytes can be dropped here as a file.";
}

/** A typed key, DEK or seed. */
export const readKey = (text: string) => (text.trim() ? core.run((api) => api.parseKey(text)) : null);
