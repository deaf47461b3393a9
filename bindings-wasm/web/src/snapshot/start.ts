// Starts the worker from the text that the page carries: an opaque origin may load no script by its address.

import { fromBase64 } from "../core.svelte";

interface Policy {
  createScriptURL(url: string): string;
}
declare const trustedTypes: { createPolicy(name: string, rules: Policy): Policy } | undefined;

let ours: string | undefined;

// Made before anything is entered: the name can be taken once, and so nobody else makes a policy under it.
const rules: Policy = {
  createScriptURL: (url) => {
    if (ours === undefined || url !== ours) throw new TypeError("no other worker than the audit's");
    return url;
  },
};
const policy = typeof trustedTypes === "undefined" ? rules : trustedTypes.createPolicy("k8senc-worker", rules);

export function startWorker(): Worker {
  const [wasm, text] = [globalThis.k8sencSnapshot, globalThis.k8sencWorker];
  if (wasm === undefined || text === undefined) throw new Error("the snapshot reader is still loading; try again in a moment");
  ours ??= URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(policy.createScriptURL(ours));
  worker.postMessage(fromBase64(wasm));
  return worker;
}
