// The one instance of the core, and what happens when it crashes: the answer is lost, the page is not.

import { type K8senc, load, Poisoned } from "../../js/index.js";

/** Bytes of base64 text. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const { fromBase64: quick } = Uint8Array as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  if (quick) return quick.call(Uint8Array, text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

/** Made at once where a browser does that: its functions are compiled when they are called, and nothing else comes between. */
function ready(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module | Uint8Array<ArrayBuffer> {
  try {
    return new WebAssembly.Module(bytes);
  } catch {
    return bytes;
  }
}

class Core {
  #instance: K8senc | undefined;
  /** Raised whenever everything loaded so far is gone. */
  generation = $state(0);
  crashed = $state(false);
  digest = $state("");

  async start(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    // The glue of the core asks for the address of the script that runs; in the single file none has one, and it waits until none runs.
    if (document.currentScript?.getAttribute("src") === null) await new Promise((go) => setTimeout(go));
    this.#instance = await load(ready(bytes));
    void this.measure(bytes);
  }

  /** Nothing waits for the digest: only the panel shows it. */
  private async measure(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    // Over plain http a page has no SubtleCrypto; the panel then says so.
    const digest = await globalThis.crypto.subtle?.digest("SHA-256", bytes);
    if (digest) this.digest = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  get api(): K8senc {
    if (!this.#instance) throw new Error("the core is not loaded yet");
    return this.#instance;
  }

  /** Runs `work`; after a crash a new instance takes over and the error goes on. */
  run<T>(work: (api: K8senc) => T): T {
    try {
      return work(this.api);
    } catch (error) {
      this.recover(error);
      throw error;
    }
  }

  /** As `run`, for work that waits. */
  async later<T>(work: (api: K8senc) => Promise<T>): Promise<T> {
    try {
      return await work(this.api);
    } catch (error) {
      this.recover(error);
      throw error;
    }
  }

  /** Overwrites the memory of the instance and starts an empty one. */
  wipe(): void {
    const fresh = this.api.renew();
    this.api.close();
    this.#instance = fresh;
    this.generation += 1;
  }

  private recover(error: unknown): void {
    if (!(error instanceof Poisoned)) return;
    this.#instance = this.api.renew();
    // A crash may happen while something is derived, where state must not change.
    queueMicrotask(() => {
      this.crashed = true;
      this.generation += 1;
    });
  }
}

export const core = new Core();

export const start = () => core.start(fromBase64(globalThis.k8sencCore));

/** One sentence of an error, for people. */
export const said = (error: unknown) => (error instanceof Error ? error.message : String(error));
