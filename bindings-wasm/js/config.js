import { Chain } from "./chain.js";
import { UsageError } from "./errors.js";

const text = (options) => (options === undefined ? "" : JSON.stringify(options));

/** An EncryptionConfiguration that kube-apiserver loads. */
export class Config {
  #instance;
  #raw;

  constructor(instance, raw) {
    this.#instance = instance;
    this.#raw = raw;
    const { kms, ...summary } = instance.json(() => raw.summary());
    const blocks = kms.map(({ timeoutNanos, ...block }) => ({ ...block, timeoutMs: timeoutNanos / 1e6 }));
    Object.assign(this, summary, { kms: blocks });
    Object.freeze(this);
  }

  static raw(config) {
    if (!(config instanceof Config)) throw new UsageError({ code: "type", message: "a Config is needed" });
    return config.#raw;
  }

  /** Every built-in resource of a release with its chain, every rule, and the names that reach nothing. */
  effective({ version } = {}) {
    return this.#instance.json(() => this.#raw.effective(version));
  }

  /** The chain of one resource, custom ones too: `secrets`, `widgets.example.com`. */
  matching(resource) {
    return this.#instance.json(() => this.#raw.matching(resource));
  }

  /** What reads and writes do while each KMS is down. */
  failureModes() {
    return this.#instance.json(() => this.#raw.failureModes());
  }

  /** What `newer` does differently. */
  changes(newer) {
    return this.#instance.json(() => this.#raw.changes(Config.raw(newer)));
  }

  /** What is wrong with a change to `newer`, or (null) to no configuration. */
  hazards(newer, options) {
    this.#needsSnapshot("hazards");
    return this.#instance.json(() =>
      this.#raw.hazards(newer ? Config.raw(newer).share() : undefined, text(options)),
    );
  }

  /** Whether servers can go to `newer` one by one without a read that fails. */
  checkTransition(newer, options) {
    this.#needsSnapshot("transition");
    return this.#instance.json(() => this.#raw.transition(Config.raw(newer), text(options)));
  }

  #needsSnapshot(method) {
    if (this.#raw[method]) return;
    throw new UsageError({ code: "entry", message: "what a change does is told by an instance of k8senc/snapshot" });
  }

  /** The providers of a resource, picked as kube-apiserver picks them. */
  chain(resource) {
    return new Chain(this.#instance, this.#instance.run(() => this.#raw.chain(resource)));
  }

  /** Wipes the keys. */
  free() {
    this.#instance.run(() => this.#raw.free());
  }
}

export const parse = (instance, source, options) =>
  new Config(instance, instance.run((raw) => raw.Config.parse(source, text(options))));

export { text as optionsText };
