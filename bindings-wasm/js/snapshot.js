import { glue } from "../dist/k8senc-snapshot.js";
import { Audit, runAudit } from "./audit.js";
import { toBytes } from "./bytes.js";
import { compile, Instance } from "./instance.js";
import { K8senc } from "./k8senc.js";

export { Chain, Opened, WriteSource } from "./chain.js";
export { Config } from "./config.js";
export { ConfigError, K8sencError, Poisoned, SnapshotError, StoredValueError, UsageError } from "./errors.js";
export { K8senc } from "./k8senc.js";
export { DekRequest } from "./kms.js";
export { Audit } from "./audit.js";
export { bytesSource, fileSource } from "./sources.js";
export { auditInWorker, serveAudits } from "./worker.js";

/** `K8senc` with the audit of snapshots. */
export class K8sencSnapshot extends K8senc {
  /** An audit in steps, for those who ask the KMS themselves. */
  openAudit(source, options) {
    return new Audit(K8senc.instance(this), source, options);
  }

  /** The whole audit. Blocks between the questions to the KMS: run it in a worker. */
  async audit(source, { kms, maxKmsCalls, onProgress, ...options } = {}) {
    const audit = this.openAudit(source, options);
    try {
      return await runAudit(audit, { kms, maxKmsCalls, onProgress });
    } finally {
      if (!this.poisoned) audit.free();
    }
  }

  /** Text of unknown origin, made fit to be shown. */
  escape(text) {
    return K8senc.instance(this).run((raw) => raw.escape(toBytes(text, "the text")));
  }
}

/** As `load` of the small module, with the audit of snapshots. */
export async function load(source = new URL("../dist/k8senc-snapshot.wasm", import.meta.url)) {
  return new K8sencSnapshot(new Instance(await compile(source), glue));
}
