// What a link carries: one configuration without its keys, and the server that judges it. Packed into the fragment, which
// browsers send to nobody. Everything in a link is taken for hostile.

import type { K8senc } from "../../../js/index.js";
import { said } from "../core.svelte";

/** What is in a link, and nothing else. */
export interface Shared {
  text: string;
  version: string;
  reload: boolean;
  kmsv1: boolean;
}

const MARK = "k8senc-1=";
/** Longest fragment that is looked at. */
export const MOST = 32_768;
/** Longest text that one may unpack to. */
const MOST_UNPACKED = 262_144;

const toUrl = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

function fromUrl(text: string): Uint8Array<ArrayBuffer> {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (char) => char.charCodeAt(0));
}

/** All bytes of a stream; throws when there are more than `most`. */
async function collect(stream: ReadableStream<Uint8Array>, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw new Error("it unpacks to more than a configuration has");
    }
    parts.push(value);
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const through = (bytes: Uint8Array<ArrayBuffer>, how: CompressionStream | DecompressionStream) =>
  new Blob([bytes]).stream().pipeThrough(how as ReadableWritablePair<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>);

/** The fragment, without `#`. `shared.text` has to be redacted already. */
export async function pack(shared: Shared): Promise<string> {
  const { text, version, reload, kmsv1 } = shared;
  const bytes = new TextEncoder().encode(JSON.stringify({ text, version, reload, kmsv1 }));
  const fragment = MARK + toUrl(await collect(through(bytes, new CompressionStream("deflate-raw")), MOST));
  if (fragment.length > MOST) throw new Error(`the link would have ${fragment.length} characters; ${MOST} are the most`);
  return fragment;
}

/** Whether a fragment is meant for this page at all. */
export const isShared = (fragment: string) => fragment.startsWith("k8senc-");

/** What a fragment carries; throws with the reason, as a clause. */
export async function unpack(fragment: string, api: K8senc): Promise<Shared> {
  if (fragment.length > MOST) throw new Error("it is longer than any link of this page");
  if (!fragment.startsWith(MARK)) throw new Error("it was made by another version of this page");
  const packed = fragment.slice(MARK.length);
  if (!/^[A-Za-z0-9_-]+$/.test(packed)) throw new Error("it was cut or changed on its way");
  const shared = checked(await unpacked(packed));
  let redacted: string;
  try {
    redacted = api.redact(shared.text);
  } catch (error) {
    throw new Error(`its configuration is none that this page would have shared: ${said(error)}`);
  }
  if (redacted !== shared.text) throw new Error("it carries what may be keys or comments, which links of this page never do");
  return shared;
}

async function unpacked(packed: string): Promise<unknown> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await collect(through(fromUrl(packed), new DecompressionStream("deflate-raw")), MOST_UNPACKED);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("it unpacks")) throw error;
    throw new Error("it was cut or changed on its way");
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Error("it was cut or changed on its way");
  }
}

/** Exactly the four fields, each of its kind. */
function checked(found: unknown): Shared {
  const wrong = new Error("it holds something else than a configuration");
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw wrong;
  const fields = Object.entries(found);
  const kinds: Record<string, string> = { text: "string", version: "string", reload: "boolean", kmsv1: "boolean" };
  if (fields.length !== 4 || !fields.every(([name, value]) => Object.hasOwn(kinds, name) && typeof value === kinds[name])) throw wrong;
  const shared = found as Shared;
  if (!/^1\.[0-9]{1,2}$/.test(shared.version)) throw wrong;
  return shared;
}
