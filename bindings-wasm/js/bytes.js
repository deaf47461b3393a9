import { UsageError } from "./errors.js";

const encoder = new TextEncoder();

/** Text or bytes as bytes. */
export function toBytes(value, what) {
  if (typeof value === "string") return encoder.encode(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new UsageError({ code: "type", message: `${what} must be a string, a Uint8Array or an ArrayBuffer` });
}

/** Bytes only: a string here would be a mistake, because nobody can say how it is encoded. */
export function onlyBytes(value, what) {
  if (typeof value === "string") throw new UsageError({ code: "type", message: `${what} must be bytes, not a string` });
  return toBytes(value, what);
}

export function fromHex(text) {
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

export function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Bytes of the platform's cryptographic random source. */
export function random(length) {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}
