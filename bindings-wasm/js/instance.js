import { fromJson, Poisoned, UsageError } from "./errors.js";

/** One instance of the wasm module: every call goes through here, so that a crash is seen and ends it. */
export class Instance {
  #module;
  #glue;
  #memory;
  #raw;
  #end = null;

  constructor(module, glue) {
    this.#module = module;
    this.#glue = glue;
    this.#raw = glue();
    this.#memory = this.#raw.initSync({ module }).memory;
  }

  /** Another instance of the same module. */
  renew() {
    return new Instance(this.#module, this.#glue);
  }

  get poisoned() {
    return this.#end instanceof Poisoned;
  }

  /** Runs `work` with the raw exports. */
  run(work) {
    if (this.#end) throw this.#end;
    try {
      return work(this.#raw);
    } catch (error) {
      // What the Rust side throws is text.
      if (typeof error === "string") throw fromJson(error);
      if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
        throw this.#finish(new Poisoned(error));
      }
      if (error instanceof Error && /null pointer passed to rust/.test(error.message)) {
        throw new UsageError({ code: "freed", message: "this object was freed" }, { cause: error });
      }
      throw error;
    }
  }

  /** As `run`, for answers in JSON. */
  json(work) {
    return JSON.parse(this.run(work));
  }

  /** Wipes the memory and ends the instance. */
  close() {
    this.#finish(new UsageError({ code: "closed", message: "this k8senc was closed" }));
  }

  #finish(end) {
    if (!this.#end) {
      new Uint8Array(this.#memory.buffer).fill(0);
      this.#end = end;
      this.#raw = null;
      this.#memory = null;
    }
    return this.#end;
  }
}

/** What the package's own files are read with: `fetch` on the web, the file system in Node. */
async function ownFile(url) {
  if (url.protocol === "file:" && globalThis.process?.versions?.node) {
    const { readFile } = await import("node:fs/promises");
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new UsageError({ code: "wasm", message: `${url} answered ${response.status}` });
  return response.arrayBuffer();
}

/** A module, its bytes, a response or its address. */
export async function compile(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof URL || typeof source === "string") {
    return WebAssembly.compile(await ownFile(new URL(source, globalThis.location?.href)));
  }
  if (typeof Response !== "undefined" && source instanceof Response) {
    return WebAssembly.compile(await source.arrayBuffer());
  }
  return WebAssembly.compile(source);
}
