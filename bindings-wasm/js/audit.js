import { random, onlyBytes, toBytes } from "./bytes.js";
import { Config } from "./config.js";
import { ask, asker, DekRequest, tellStates } from "./kms.js";
import { cached } from "./sources.js";

/** One snapshot and what is known to read it with. Its passes block: run it in a worker. */
export class Audit {
  #instance;
  #raw;
  #source;

  constructor(instance, source, { config = null, hash, examples, etcdPrefix } = {}) {
    this.#instance = instance;
    this.#source = { size: source.size, read: cached(source) };
    const options = JSON.stringify({ hash, examples, etcdPrefix });
    this.#raw = instance.run((raw) => new raw.Audit(config ? Config.raw(config).share() : undefined, options));
  }

  #pass(onProgress, work) {
    return this.#instance.run((raw) => {
      // Told again for every megabyte or so; `false` stops the pass.
      const tell = onProgress ? (done, total) => onProgress({ done, total }) !== false : undefined;
      const pass = new raw.Pass(this.#source.size, this.#source.read, tell, random(16));
      try {
        return work(pass);
      } finally {
        pass.free();
      }
    });
  }

  /** The distinct questions to the KMS, most needed first. */
  survey(onProgress) {
    return this.#pass(onProgress, (pass) => {
      const found = this.#raw.survey(pass);
      const { counts, beyond } = JSON.parse(found.counts());
      const requests = found.takeRequests().map((raw) => new DekRequest(this.#instance, raw));
      found.free();
      return { needs: requests.map((request, at) => ({ request, ...counts[at] })), beyond };
    });
  }

  supply(request, dek) {
    this.#instance.run(() => this.#raw.supply(DekRequest.raw(request), onlyBytes(dek, "a DEK")));
  }

  refuse(request, reason) {
    this.#instance.run(() => this.#raw.refuse(DekRequest.raw(request), String(reason)));
  }

  /** Says what the Status of KMS v2 providers reports: `{name: {keyId, usesSeed}}`. */
  tell(kms) {
    tellStates(kms, (name, keyId, usesSeed) => this.#instance.run(() => this.#raw.setState(name, keyId, usesSeed)));
  }

  /** One pass over the whole file; `documents` are what the report is written as besides. */
  report(onProgress, documents = []) {
    return this.#pass(onProgress, (pass) => {
      const outcome = this.#raw.report(pass);
      try {
        const written = documents.map(({ format, name, when = "", redactNames = false }) =>
          outcome.write(String(format), toBytes(name, "the name of the file"), String(when), redactNames),
        );
        return { report: JSON.parse(outcome.report()), exitCode: outcome.exitCode(), documents: written };
      } finally {
        outcome.free();
      }
    });
  }

  free() {
    this.#instance.run(() => this.#raw.free());
  }
}

/** Survey, questions (at most `maxKmsCalls`, most needed first), report. */
export async function runAudit(audit, { kms = {}, maxKmsCalls = 1000, documents, onProgress } = {}) {
  audit.tell(kms);
  if (Object.keys(kms).length > 0) {
    const { needs } = audit.survey(onProgress && ((at) => onProgress({ phase: "survey", ...at })));
    let calls = 0;
    for (const { request } of needs) {
      const decrypt = asker(kms, request.provider);
      if (!decrypt || calls >= maxKmsCalls) continue;
      calls += 1;
      const { dek, reason } = await ask(decrypt, request);
      if (dek) audit.supply(request, dek);
      else audit.refuse(request, reason);
      onProgress?.({ phase: "kms", done: calls, total: Math.min(needs.length, maxKmsCalls) });
    }
  }
  return audit.report(onProgress && ((at) => onProgress({ phase: "report", ...at })), documents);
}
