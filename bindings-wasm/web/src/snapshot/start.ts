// Starts the worker from the text that the page carries: an opaque origin may load no script by its address.

import { fromBase64 } from "../core.svelte";

interface Policy {
  createScriptURL(url: string): string;
}
declare const trustedTypes: { createPolicy(name: string, rules: Policy): Policy } | undefined;

let trusted: string | undefined;

/** The address of the worker's text, which is the only one that the policy lets through. */
function script(workerText: string): string {
  if (trusted !== undefined) return trusted;
  const ours = URL.createObjectURL(new Blob([workerText], { type: "text/javascript" }));
  const createScriptURL = (url: string) => {
    if (url !== ours) throw new TypeError("no other worker than the audit's");
    return url;
  };
  trusted = typeof trustedTypes === "undefined" ? ours : trustedTypes.createPolicy("k8senc-worker", { createScriptURL }).createScriptURL(ours);
  return trusted;
}

export function startWorker(): Worker {
  const [wasm, text] = [globalThis.k8sencSnapshot, globalThis.k8sencWorker];
  if (wasm === undefined || text === undefined) throw new Error("the snapshot reader is still loading; try again in a moment");
  const worker = new Worker(script(text));
  worker.postMessage(fromBase64(wasm));
  return worker;
}
