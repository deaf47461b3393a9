// What the outer document hands in: the address of the page, for links, and the fragment it was opened with. The outer document
// is the only one that is listened to, and nothing is ever sent to it.

import { core, said } from "../core.svelte";
import { page } from "../state.svelte";
import { isShared, MOST, type Shared, unpack } from "./link";

class Arrival {
  /** The page's own address without a fragment; empty until it is known. */
  base = $state("");
  /** A configuration that waits for the person's word. */
  waiting = $state.raw<Shared | null>(null);
  /** What was restored from a link, as long as it is in the editor. */
  restored = $state("");
  refused = $state("");
  #fragment: string | null = null;
  #ready = false;

  /** Before anything else runs: the message comes once the document has loaded. */
  listen(): void {
    if (window.parent === window) return;
    addEventListener("message", (event) => {
      if (event.source !== window.parent) return;
      const told: unknown = event.data;
      if (typeof told !== "object" || told === null) return;
      const { base, fragment } = told as { base?: unknown; fragment?: unknown };
      if (typeof base === "string" && base.length < 2000 && /^(https?|file):\/\//.test(base)) this.base = base;
      if (typeof fragment !== "string" || !isShared(fragment)) return;
      this.#fragment = fragment.slice(0, MOST + 1);
      if (this.#ready) void this.open();
    });
  }

  /** The core is there. */
  start(): void {
    this.#ready = true;
    void this.open();
  }

  private async open(): Promise<void> {
    const fragment = this.#fragment;
    this.#fragment = null;
    if (fragment === null) return;
    [this.refused, this.waiting] = ["", null];
    try {
      const shared = await unpack(fragment, core.api);
      if (page.touched) this.waiting = shared;
      else this.take(shared);
    } catch (error) {
      this.refused = said(error);
      page.announce(`The link was not opened: ${this.refused}.`);
    }
  }

  /** Puts what the link carries in the place of what is there. */
  take(shared: Shared): void {
    this.waiting = null;
    page.version = shared.version;
    page.reload = shared.reload;
    page.kmsv1 = shared.kmsv1;
    page.put(shared.text);
    page.place = "configuration";
    this.restored = shared.text;
    page.announce("The configuration of the link is in the editor; its keys are placeholders.");
  }
}

export const arrival = new Arrival();
