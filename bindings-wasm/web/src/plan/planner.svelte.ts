// The planner is in the large module, which is started when somebody plans for the first time.

import { Poisoned } from "../../../js/index.js";
import type { K8sencSnapshot } from "../../../js/snapshot.js";
import { fromBase64 } from "../core.svelte";

class Planner {
  #instance = $state.raw<K8sencSnapshot | null>(null);
  #starting = false;
  failed = $state("");

  /** Null until it is there. */
  get api(): K8sencSnapshot | null {
    return this.#instance;
  }

  start(): void {
    const [wasm, load] = [globalThis.k8sencSnapshot, globalThis.k8sencLarge];
    if (this.#starting || wasm === undefined || load === undefined) {
      // The script with the module is the last one that loads.
      if (!this.#starting) setTimeout(() => this.start(), 100);
      return;
    }
    this.#starting = true;
    this.failed = "";
    load(fromBase64(wasm)).then(
      (made) => (this.#instance = made),
      (error: unknown) => (this.failed = String(error)),
    );
  }

  /** Runs `work`; after a crash a new instance is started, and the error goes on. */
  run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof Poisoned) queueMicrotask(() => this.wipe());
      throw error;
    }
  }

  /** Overwrites its memory; the next plan starts another one. */
  wipe(): void {
    this.#instance?.close();
    this.#instance = null;
    this.#starting = false;
  }
}

export const planner = new Planner();
