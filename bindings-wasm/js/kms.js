import { fromHex, onlyBytes } from "./bytes.js";
import { StoredValueError, UsageError } from "./errors.js";

/** One Decrypt call that has to be made: what a caller sees of it, and the handle behind. */
export class DekRequest {
  #raw;

  constructor(instance, raw) {
    this.#raw = raw;
    const { annotations, ...said } = instance.json(() => raw.describe());
    Object.assign(this, said);
    this.annotations = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [name, fromHex(value)]));
    this.ciphertext = instance.run(() => raw.ciphertext());
    Object.freeze(this);
  }

  static raw(request) {
    if (!(request instanceof DekRequest)) {
      throw new UsageError({ code: "type", message: "a DekRequest is needed" });
    }
    return request.#raw;
  }
}

/** What asks a KMS: a function, or an object with `decrypt` and what its Status reports. */
export function asker(kms, name) {
  const given = Object.hasOwn(kms, name) ? kms[name] : undefined;
  if (typeof given === "function") return given;
  if (typeof given?.decrypt === "function") return (request) => given.decrypt(request);
  return null;
}

/** Tells `target` the state of every KMS of which something is said. */
export function tellStates(kms, tell) {
  for (const [name, given] of Object.entries(kms)) {
    if (typeof given === "function") continue;
    if (given?.neverHealthy || given?.keyId !== undefined) {
      tell(name, given.keyId, given.usesSeed ?? true, given.neverHealthy ?? false);
    }
  }
}

/** The plugin's answer: `{ dek }`, or `{ reason }` when it refused. */
export async function ask(decrypt, request) {
  try {
    return { dek: onlyBytes(await decrypt(request), "the answer of a KMS") };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

export function dekNeeded(request) {
  const message = `the value needs an answer of KMS provider ${JSON.stringify(request.provider)}, for which no kms was given`;
  return new StoredValueError({ code: "dek-needed", message, request });
}
