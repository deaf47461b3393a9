import { onlyBytes, random, toBase64, toBytes } from "./bytes.js";
import { Chain, checkEncryptAnswer, writeSource } from "./chain.js";
import { Config, optionsText, parse } from "./config.js";
import { StoredValueError, UsageError } from "./errors.js";

/** All of k8senc in one instance of the wasm module. */
export class K8senc {
  #instance;

  constructor(instance) {
    this.#instance = instance;
    this.version = instance.run((raw) => raw.version());
    this.errorCodes = Object.freeze(instance.json((raw) => raw.errorCodes()));
    /** `Config.parse(text, options)`: throws `ConfigError`. */
    this.Config = Object.freeze({
      parse: (text, options) => parse(instance, toBytes(text, "the configuration"), options),
    });
  }

  static instance(k8senc) {
    return k8senc.#instance;
  }

  /** True after a crash: every call throws `Poisoned` from then on. */
  get poisoned() {
    return this.#instance.poisoned;
  }

  /** A new, empty instance of the same module. */
  renew() {
    return new this.constructor(this.#instance.renew());
  }

  /** Overwrites the whole memory of the instance and ends it. */
  close() {
    this.#instance.close();
  }

  /** What kube-apiserver says of a configuration. */
  validate(text, options) {
    const bytes = toBytes(text, "the configuration");
    return this.#instance.json((raw) => raw.validate(bytes, optionsText(options)));
  }

  /** What we advise, worst first. */
  lint(text, options) {
    const bytes = toBytes(text, "the configuration");
    return this.#instance.json((raw) => raw.lint(bytes, optionsText(options)));
  }

  /** Where the entries, names, providers and keys of a configuration stand. */
  outline(text, options) {
    const bytes = toBytes(text, "the configuration");
    return this.#instance.json((raw) => raw.outline(bytes, optionsText(options)));
  }

  /** Where a text of any kind may hold keys, in order: what to cover before it is shown. */
  secrets(text) {
    const ends = this.#instance.run((raw) => raw.secrets(toBytes(text, "the text")));
    return Array.from({ length: ends.length / 2 }, (_, at) => ({ from: ends[2 * at], to: ends[2 * at + 1] }));
  }

  /** A configuration with placeholders for its keys and without comments; throws with code `unsure` where that cannot be promised. */
  redact(text) {
    return this.#instance.run((raw) => raw.redact(toBytes(text, "the configuration")));
  }

  /** The text with a fix applied. */
  applyFix(text, fix) {
    let [out, done] = ["", 0];
    for (const { from, to, insert } of fix.edits) {
      out += text.slice(done, from) + insert;
      done = to;
    }
    return out + text.slice(done);
  }

  /** Every lint rule. */
  rules() {
    return this.#instance.json((raw) => raw.rules());
  }

  /** The rule of a code, or what to do about a line of kube-apiserver's log. */
  explain(query) {
    return this.#instance.json((raw) => raw.explain(query));
  }

  /** The resources that a release of kube-apiserver stores by itself. */
  resources({ version } = {}) {
    return this.#instance.json((raw) => raw.resources(version));
  }

  /**
   * The stored values in what etcdctl, a tool that dumps bytes, or a clipboard gives; null for none of the known forms, which
   * may be a value in raw bytes.
   */
  readPasted(data) {
    const bytes = toBytes(data, "what was pasted");
    return this.#instance.run((raw) => {
      const found = raw.readPasted(bytes);
      const recognised = found.recognised();
      const values = found.take().map((one) => {
        const [etcdKey, revision] = [one.etcdKey(), one.modRevision()];
        const modRevision = revision === undefined ? null : Number(revision);
        const value = { stored: one.stored(), form: one.form(), etcdKey: etcdKey ?? null, modRevision };
        one.free();
        return value;
      });
      found.free();
      return recognised ? values : null;
    });
  }

  /** A key as people keep it: 16, 24 or 32 bytes, raw or as base64 or hex; null for anything else. */
  parseKey(text) {
    const bytes = toBytes(text, "the key");
    return this.#instance.run((raw) => raw.parseKey(bytes) ?? null);
  }

  /** All that a stored value says without a key, and what each of its bytes is. */
  inspect(stored, { name } = {}) {
    const bytes = onlyBytes(stored, "the stored value");
    const known = name === undefined ? undefined : toBytes(name, "the name");
    return this.#instance.json((raw) => raw.inspect(bytes, known));
  }

  /** What kind of object a plaintext is, without its values. */
  object(plaintext) {
    return this.#instance.json((raw) => raw.object(onlyBytes(plaintext, "the plaintext")));
  }

  /** A plaintext as `yaml` or `json`, values masked unless asked for: `{text, unknownFields}`. */
  objectText(plaintext, { form = "yaml", masked = true } = {}) {
    return this.#instance.json((raw) => raw.objectText(onlyBytes(plaintext, "the plaintext"), form, masked));
  }

  /** Why a value does not open, and what would open it: tries the keys of a configuration and typed ones. */
  diagnose(stored, etcdKey, { config = null, keys = [] } = {}) {
    const [value, key] = [onlyBytes(stored, "the stored value"), toBytes(etcdKey, "the etcd key")];
    const typed = keys.map((it) => onlyBytes(it, "a key"));
    return this.#instance.json((raw) => raw.diagnose(value, key, config ? Config.raw(config).share() : undefined, typed));
  }

  /** Text of unknown origin, made fit to be shown: what is not printable is escaped. */
  escape(text) {
    return this.#instance.run((raw) => raw.escape(toBytes(text, "the text")));
  }

  /** Which object an etcd key belongs to. */
  parseEtcdKey(key, { prefix } = {}) {
    const below = prefix === undefined ? undefined : toBytes(prefix, "the prefix");
    return this.#instance.json((raw) => raw.parseEtcdKey(toBytes(key, "the etcd key"), below));
  }

  /** Sixteen digits that tell keys apart and say nothing of them; null for a key that could be guessed. */
  fingerprint(key) {
    return this.#instance.run((raw) => raw.fingerprint(onlyBytes(key, "the key"))) ?? null;
  }

  /** A new key for a configuration: its bytes, and the base64 to paste. */
  generateKey(length = 32) {
    if (![16, 24, 32].includes(length)) {
      throw new UsageError({ code: "key-size", message: `a key of ${length} bytes; 16, 24 and 32 exist` });
    }
    const bytes = random(length);
    return { bytes, base64: toBase64(bytes) };
  }

  /** What serves a resource that no rule covers: plaintext, and encrypted values are refused. */
  bareChain() {
    return new Chain(this.#instance, this.#instance.run((raw) => raw.Chain.bare()));
  }

  /** One typed key: `aescbc`, `aesgcm` or `secretbox`. */
  chainWithKey(provider, name, key) {
    const bytes = onlyBytes(key, "the key");
    return new Chain(this.#instance, this.#instance.run((raw) => raw.Chain.withKey(provider, name, bytes)));
  }

  /** One KMS provider, API version `v1` or `v2`. */
  chainWithKms(apiVersion, name) {
    return new Chain(this.#instance, this.#instance.run((raw) => raw.Chain.withKms(apiVersion, name)));
  }

  /** Opens a value with a typed key, DEK or seed, whatever name stands in it. */
  async openWith(stored, etcdKey, secret) {
    const { provider, name, candidates } = this.inspect(stored);
    let refused = null;
    for (const candidate of provider.startsWith("kms-") ? [name] : candidates) {
      const chain = provider.startsWith("kms-")
        ? this.chainWithKms(provider.slice(4), candidate ?? "")
        : this.chainWithKey(provider, candidate, secret);
      try {
        return await chain.open(stored, etcdKey, { kms: { [candidate]: () => secret } });
      } catch (error) {
        if (!(error instanceof StoredValueError)) throw error;
        refused ??= error;
      } finally {
        if (!this.poisoned) chain.free();
      }
    }
    throw refused ?? new UsageError({ code: "provider", message: `no key opens a value of kind ${provider}` });
  }

  /** What a KMS provider writes with: `{seed | dek, counter, encryptedDek, keyId, annotations}`. */
  writeSource(parts) {
    return writeSource(this.#instance, parts);
  }

  /** Throws unless kube-apiserver accepts this answer of a KMS v2 plugin's Encrypt. */
  checkEncryptAnswer(answer) {
    checkEncryptAnswer(this.#instance, answer);
  }

  /** Which KMS plugins write such a ciphertext, and what has to be known to unwrap it. */
  recognise({ ciphertext, keyId = "", annotations = {} }) {
    const beside = JSON.stringify({
      keyId,
      annotations: Object.fromEntries(Object.entries(annotations).map(([name, value]) => [name, [...value]])),
    });
    return this.#instance.json((raw) => raw.recognise(onlyBytes(ciphertext, "the ciphertext"), beside));
  }
}
