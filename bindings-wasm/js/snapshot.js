import { glue } from "../dist/k8senc-snapshot.js";
import { Audit, runAudit } from "./audit.js";
import { onlyBytes, random, toBytes } from "./bytes.js";
import { optionsText } from "./config.js";
import { UsageError } from "./errors.js";
import { compile, Instance } from "./instance.js";
import { K8senc } from "./k8senc.js";
import { readManifest } from "./manifest.js";

export { Chain, Opened, WriteSource } from "./chain.js";
export { Config } from "./config.js";
export { ConfigError, K8sencError, Poisoned, SnapshotError, StoredValueError, UsageError } from "./errors.js";
export { K8senc } from "./k8senc.js";
export { DekRequest } from "./kms.js";
export { Manifest } from "./manifest.js";
export { Audit } from "./audit.js";
export { bytesSource, fileSource } from "./sources.js";
export { auditInWorker, serveAudits } from "./worker.js";

/** `K8senc` with the audit of snapshots. */
export class K8sencSnapshot extends K8senc {
  /** A static pod, a configuration of kubeadm, k3s, RKE2 or Talos; null for anything else. */
  manifest(text, options) {
    return readManifest(K8senc.instance(this), text, options);
  }

  /** An audit in steps, for those who ask the KMS themselves. */
  openAudit(source, options) {
    return new Audit(K8senc.instance(this), source, options);
  }

  /** The whole audit. Blocks between the questions to the KMS: run it in a worker. */
  async audit(source, { kms, maxKmsCalls, documents, onProgress, ...options } = {}) {
    const audit = this.openAudit(source, options);
    try {
      return await runAudit(audit, { kms, maxKmsCalls, documents, onProgress });
    } finally {
      if (!this.poisoned) audit.free();
    }
  }

  /** The steps from a configuration's text towards a goal such as `rotate-key`. */
  plan(text, goal, options) {
    // No goal makes as many keys as this is for.
    const fresh = random(32 * 64);
    return this.#planned((raw) => raw.Plan.forGoal(toBytes(text, "the file"), goal, optionsText(options), fresh));
  }

  /** The steps from one file to another; null is no file. */
  planChange(old, newer, options) {
    const [from, to] = [old, newer].map((text) => (text == null ? undefined : toBytes(text, "a file")));
    return this.#planned((raw) => raw.Plan.change(from, to, optionsText(options)));
  }

  /** The steps from two files in use at once to one. */
  planConverge(one, other, options) {
    return this.#planned((raw) =>
      raw.Plan.converge(toBytes(one, "a file"), toBytes(other, "a file"), optionsText(options)),
    );
  }

  /** The wraps of a keyset record. */
  readKeyset(record) {
    return K8senc.instance(this).json((raw) => raw.readKeyset(onlyBytes(record, "the record")));
  }

  /**
   * Opens a keyset record with the private key of a recovery recipient or a local KEK, which the record itself does not
   * vouch for: `provenance` says what the opening proves.
   */
  openKeyset(record, { keyId, cluster, recoveryKey, localKek, setKey }) {
    if ((recoveryKey === undefined) === (localKek === undefined)) {
      throw new UsageError({ code: "keyset-key", message: "either recoveryKey or localKek is needed" });
    }
    const key = onlyBytes(recoveryKey ?? localKek, "the key");
    const bytes = onlyBytes(record, "the record");
    const proof = setKey === undefined ? undefined : onlyBytes(setKey, "the set key");
    return K8senc.instance(this).run((raw) => {
      const opened = raw.openKeyset(bytes, keyId, cluster, key, recoveryKey !== undefined, proof);
      const found = { seed: opened.reveal(), provenance: opened.provenance(), slot: opened.slot() };
      opened.free();
      return found;
    });
  }

  #planned(work) {
    return K8senc.instance(this).run((raw) => {
      const plan = work(raw);
      const found = JSON.parse(plan.json());
      for (const step of found.steps) {
        if (step.file) step.file.text = plan.file(step.number) ?? null;
      }
      plan.free();
      return found;
    });
  }
}

/** As `load` of the small module, with the audit of snapshots. */
export async function load(source = new URL("../dist/k8senc-snapshot.wasm", import.meta.url)) {
  return new K8sencSnapshot(new Instance(await compile(source), glue));
}
