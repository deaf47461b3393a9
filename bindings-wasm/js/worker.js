import { fromJsonObject, toJsonObject } from "./errors.js";
import { ask, asker } from "./kms.js";
import { bytesSource, fileSource } from "./sources.js";

/**
 * Runs in a worker: answers `auditInWorker`. `load` gives the k8senc of snapshots, so that the worker's own bundle decides
 * where the wasm comes from.
 */
export function serveAudits(load, port = globalThis) {
  let answered = null;
  const question = (message) =>
    new Promise((resolve) => {
      answered = resolve;
      port.postMessage(message);
    });
  port.onmessage = async ({ data }) => {
    if (data.what === "answer") {
      answered?.(data);
      return;
    }
    const { file, config: text, kms, maxKmsCalls, documents, options } = data;
    try {
      const k8senc = await load();
      const config = text == null ? null : k8senc.Config.parse(text);
      const source = file instanceof Uint8Array ? bytesSource(file) : fileSource(file);
      const askers = Object.entries(kms).map(([name, state]) => [
        name,
        {
          ...state,
          async decrypt({ apiVersion, provider, keyId, ciphertext, annotations }) {
            const request = { apiVersion, provider, keyId, ciphertext, annotations };
            const { dek, reason } = await question({ what: "question", name, request });
            if (dek) return dek;
            throw new Error(reason);
          },
        },
      ]);
      const onProgress = (at) => port.postMessage({ what: "progress", at });
      const found = await k8senc.audit(source, {
        ...options,
        config,
        kms: Object.fromEntries(askers),
        maxKmsCalls,
        documents,
        onProgress,
      });
      k8senc.close();
      port.postMessage({ what: "done", ...found });
    } catch (error) {
      port.postMessage({ what: "failed", error: toJsonObject(error) });
    }
  };
}

/**
 * Has a worker (one that called `serveAudits`) audit a file. Ends the worker when done; aborting `signal` ends it at once,
 * with all that it held.
 */
export function auditInWorker(worker, file, { config = null, kms = {}, maxKmsCalls, documents = [], onProgress, signal, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const end = (settle, value) => {
      signal?.removeEventListener("abort", stop);
      worker.terminate();
      settle(value);
    };
    const stop = () => end(reject, signal.reason);
    if (signal?.aborted) {
      stop();
      return;
    }
    signal?.addEventListener("abort", stop);
    worker.onerror = (event) => end(reject, new Error(event.message ?? "the worker failed"));
    worker.onmessage = async ({ data }) => {
      if (data.what === "progress") onProgress?.(data.at);
      else if (data.what === "question") {
        worker.postMessage({ what: "answer", ...(await ask(asker(kms, data.name), data.request)) });
      } else if (data.what === "done") end(resolve, { report: data.report, exitCode: data.exitCode, documents: data.documents });
      else if (data.what === "failed") end(reject, fromJsonObject(data.error));
    };
    const states = Object.entries(kms).map(([name, given]) => [
      name,
      typeof given === "function" ? {} : { keyId: given.keyId, usesSeed: given.usesSeed },
    ]);
    worker.postMessage({ file, config, kms: Object.fromEntries(states), maxKmsCalls, documents, options });
  });
}
