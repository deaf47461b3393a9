/** Something k8senc refuses. `code` is stable, `message` is ours, `upstream` is what kube-apiserver would say. */
export class K8sencError extends Error {
  constructor({ code, message, upstream = null }, options) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.upstream = upstream;
  }
}

/** A stored value that does not open, or a value that cannot be written. */
export class StoredValueError extends K8sencError {
  constructor(found, options) {
    super(found, options);
    /** The question for the KMS, when `code` is `dek-needed`. */
    this.request = found.request ?? null;
  }
}

/** A configuration that kube-apiserver refuses; `verdict` says where and why. */
export class ConfigError extends K8sencError {
  constructor(found, options) {
    super(found, options);
    this.verdict = found.verdict;
  }
}

/** A snapshot that cannot be read. */
export class SnapshotError extends K8sencError {}

/** A call that asks for something that does not exist. */
export class UsageError extends K8sencError {}

/** The instance crashed and is gone with all that it held; `renew()` gives a new one. */
export class Poisoned extends K8sencError {
  constructor(cause) {
    const message = "k8senc crashed on this input; its memory was wiped, and what was loaded has to be loaded again";
    super({ code: "poisoned", message }, { cause });
  }
}

const CLASSES = { StoredValueError, ConfigError, SnapshotError, UsageError };

function make({ class: name, ...found }) {
  if (name === "Poisoned") return new Poisoned(found.message);
  const Class = CLASSES[name] ?? K8sencError;
  return new Class(found);
}

/** The error that the wasm side told as JSON. */
export const fromJson = (text) => make(JSON.parse(text));

/** An error as a plain object, for a message between workers. */
export function toJsonObject(error) {
  const { name, code = "internal", message, upstream = null, verdict } = error;
  return { class: name, code, message, upstream, verdict };
}

/** The error again. */
export const fromJsonObject = make;
