import { onlyBytes, random, toBytes } from "./bytes.js";
import { StoredValueError, UsageError } from "./errors.js";
import { ask, asker, DekRequest, dekNeeded, tellStates } from "./kms.js";

/** A value that opened. The plaintext leaves by `reveal` alone. */
export class Opened {
  #instance;
  #raw;

  constructor(instance, raw) {
    this.#instance = instance;
    this.#raw = raw;
    Object.assign(this, instance.json(() => raw.how()));
    Object.freeze(this);
  }

  /** The plaintext. JavaScript's copy is yours to overwrite. */
  reveal() {
    return this.#instance.run(() => this.#raw.reveal());
  }

  /** What kind of object it is, without its values. */
  object() {
    return this.#instance.json(() => this.#raw.object());
  }

  /** The object as `yaml` or `json`, values masked unless asked for: `{text, unknownFields}`. */
  text({ form = "yaml", masked = true } = {}) {
    return this.#instance.json(() => this.#raw.text(form, masked));
  }

  /** Wipes the plaintext. */
  free() {
    this.#instance.run(() => this.#raw.free());
  }
}

/** What a KMS provider writes with. */
export class WriteSource {
  #instance;
  #raw;

  constructor(instance, raw) {
    this.#instance = instance;
    this.#raw = raw;
  }

  /** KMS v2 in key form: the last counter used. */
  get counter() {
    return this.#instance.run(() => this.#raw.counter()) ?? null;
  }

  static raw(source) {
    if (!(source instanceof WriteSource)) {
      throw new UsageError({ code: "type", message: "a WriteSource is needed" });
    }
    return source.#raw;
  }
}

const beside = (keyId, annotations) =>
  JSON.stringify({
    keyId,
    annotations: Object.fromEntries(
      Object.entries(annotations ?? {}).map(([name, value]) => [name, [...onlyBytes(value, "an annotation")]]),
    ),
  });

/** Makes a source from `{seed | dek, counter, encryptedDek, keyId, annotations}`; without `keyId` for KMS v1. */
export function writeSource(instance, { seed, dek, counter = 1_000_000_000n, encryptedDek, keyId, annotations }) {
  const wrapped = onlyBytes(encryptedDek, "encryptedDek");
  return instance.run((raw) => {
    if (keyId === undefined) return new WriteSource(instance, raw.WriteSource.v1(wrapped));
    const said = beside(keyId, annotations);
    if (seed !== undefined) {
      return new WriteSource(instance, raw.WriteSource.seed(onlyBytes(seed, "seed"), wrapped, said));
    }
    return new WriteSource(instance, raw.WriteSource.key(onlyBytes(dek, "dek"), BigInt(counter), wrapped, said));
  });
}

export const checkEncryptAnswer = (instance, { encryptedDek, keyId, annotations }) =>
  instance.run((raw) => raw.checkEncryptAnswer(onlyBytes(encryptedDek, "encryptedDek"), beside(keyId, annotations)));

/** The providers of one resource, in kube-apiserver's order: the first writes, all read. */
export class Chain {
  #instance;
  #raw;

  constructor(instance, raw) {
    this.#instance = instance;
    this.#raw = raw;
    this.providers = Object.freeze(instance.json(() => raw.describe()));
    Object.freeze(this);
  }

  /** Opens a stored value, asking the KMS where it must. */
  async open(stored, etcdKey, { kms = {} } = {}) {
    this.tell(kms);
    const refused = [];
    try {
      // Each round learns one more answer, and a value asks each KMS provider of the chain at most once.
      for (let round = 0; round <= this.providers.length; round += 1) {
        const { opened, request } = this.tryOpen(stored, etcdKey);
        if (opened) return opened;
        const decrypt = asker(kms, request.provider);
        if (!decrypt) throw dekNeeded(request);
        const { dek, reason } = await ask(decrypt, request);
        if (dek) this.supply(request, dek);
        else {
          this.refuse(request, reason);
          refused.push(request);
        }
      }
    } finally {
      // What a plugin cannot do now it may do at the next call.
      if (!this.#instance.poisoned) for (const request of refused) this.#forget(request);
    }
    const message = "the value asks for more KMS answers than its chain has providers";
    throw new StoredValueError({ code: "dek-needed", message });
  }

  /** One step without asking: `{opened}` or `{request}`. */
  tryOpen(stored, etcdKey) {
    const [value, key] = [onlyBytes(stored, "the stored value"), toBytes(etcdKey, "the etcd key")];
    const step = this.#instance.run(() => this.#raw.open(value, key));
    const [opened, request] = this.#instance.run(() => [step.takeOpened(), step.takeRequest()]);
    step.free();
    if (opened) return { opened: new Opened(this.#instance, opened), request: null };
    return { opened: null, request: new DekRequest(this.#instance, request) };
  }

  /** The Decrypt calls that reading this value may take and that are not answered yet. */
  needs(stored) {
    const requests = this.#instance.run(() => this.#raw.needs(onlyBytes(stored, "the stored value")));
    return requests.map((raw) => new DekRequest(this.#instance, raw));
  }

  supply(request, dek) {
    this.#instance.run(() => this.#raw.supply(DekRequest.raw(request), onlyBytes(dek, "a DEK")));
  }

  refuse(request, reason) {
    this.#instance.run(() => this.#raw.refuse(DekRequest.raw(request), String(reason)));
  }

  #forget(request) {
    this.#instance.run(() => this.#raw.forget(DekRequest.raw(request)));
  }

  /** Says what the Status of KMS v2 providers reports: `{name: {keyId, usesSeed} | {neverHealthy: true}}`. */
  tell(kms) {
    tellStates(kms, (...state) => this.#instance.run(() => this.#raw.setState(...state)));
  }

  /**
   * The stored value for a plaintext, with random bytes of the platform. A KMS provider needs
   * `{kms: {name: {encrypt: async key => ({ciphertext, keyId, annotations})}}}`.
   */
  async seal(plaintext, etcdKey, { kms = {} } = {}) {
    const [first] = this.providers;
    if (!first?.kind.startsWith("kms-")) {
      return this.sealWith(plaintext, etcdKey, random(this.#instance.run(() => this.#raw.randomLength())));
    }
    const encrypt = Object.hasOwn(kms, first.name) ? kms[first.name]?.encrypt : undefined;
    if (typeof encrypt !== "function") {
      const message = `writing needs kms.${first.name}.encrypt`;
      throw new UsageError({ code: "kms", message });
    }
    // KMS v1 draws its DEK in front of the nonce; in v2 the same 32 bytes are a seed.
    const drawn = random(first.kind === "kms-v1" ? 44 : 32);
    const key = drawn.slice(0, 32);
    try {
      const { ciphertext: encryptedDek, keyId, annotations } = await encrypt.call(kms[first.name], key);
      if (first.kind === "kms-v1") {
        return this.sealWith(plaintext, etcdKey, drawn, writeSource(this.#instance, { encryptedDek }));
      }
      const source = writeSource(this.#instance, { seed: key, encryptedDek, keyId: keyId ?? "", annotations });
      const length = this.#instance.run(() => this.#raw.randomLengthWith(WriteSource.raw(source)));
      return this.sealWith(plaintext, etcdKey, random(length), source);
    } finally {
      drawn.fill(0);
      key.fill(0);
    }
  }

  /** As `seal`, with given random bytes: fresh ones of a cryptographic source, for this value only. */
  sealWith(plaintext, etcdKey, fresh, source = null) {
    const [plain, key] = [onlyBytes(plaintext, "the plaintext"), toBytes(etcdKey, "the etcd key")];
    const drawn = onlyBytes(fresh, "the random bytes");
    return this.#instance.run(() =>
      source ? this.#raw.sealWith(plain, key, drawn, WriteSource.raw(source)) : this.#raw.seal(plain, key, drawn),
    );
  }

  /** Wipes the keys. */
  free() {
    this.#instance.run(() => this.#raw.free());
  }
}
