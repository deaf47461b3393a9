import { optionsText } from "./config.js";
import { toBytes } from "./bytes.js";

/** A file that brings configurations to API servers: static pods, kubeadm, k3s and RKE2, Talos. */
export class Manifest {
  #instance;
  #raw;

  constructor(instance, raw) {
    this.#instance = instance;
    this.#raw = raw;
    Object.assign(this, instance.json(() => raw.json()));
    Object.freeze(this);
  }

  /** The text of a configuration that it holds, with its keys. */
  text(index) {
    return this.#instance.run(() => this.#raw.embedded(index)) ?? null;
  }

  /** The places of the entries of a configuration that it holds, in the manifest's own text. */
  outline(index, options) {
    return this.#instance.json(() => this.#raw.outline(index, optionsText(options)));
  }

  /** What kube-apiserver says of a configuration that it holds, with places in the manifest's own text. */
  validate(index, options) {
    const text = this.#instance.run(() => this.#raw.validate(index, optionsText(options)));
    return text === undefined ? null : JSON.parse(text);
  }

  /** What we advise on it and on what it holds, worst first; `files` are those that its servers read. */
  lint(files = [], options = undefined) {
    const read = files.map((file) => toBytes(file, "a file"));
    return this.#instance.json(() => this.#raw.lint(read, optionsText(options)));
  }

  /** Wipes it. */
  free() {
    this.#instance.run(() => this.#raw.free());
  }
}

export function readManifest(instance, text, { name = "" } = {}) {
  const bytes = toBytes(text, "the manifest");
  const raw = instance.run((module) => module.Manifest.read(bytes, name));
  return raw ? new Manifest(instance, raw) : null;
}
