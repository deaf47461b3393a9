import { glue } from "../dist/k8senc.js";
import { compile, Instance } from "./instance.js";
import { K8senc } from "./k8senc.js";

export { Chain, Opened, WriteSource } from "./chain.js";
export { Config } from "./config.js";
export { ConfigError, K8sencError, Poisoned, SnapshotError, StoredValueError, UsageError } from "./errors.js";
export { K8senc } from "./k8senc.js";
export { DekRequest } from "./kms.js";

/**
 * Compiles the wasm module and makes an instance. Without a source the package's own file is read; a page that must not
 * fetch gives the bytes.
 */
export async function load(source = new URL("../dist/k8senc.wasm", import.meta.url)) {
  return new K8senc(new Instance(await compile(source), glue));
}
