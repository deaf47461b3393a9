// Every conformance vector that the package can ask, in Node and in a page alike: what differs is how files are read.

const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const encode = (text) => new TextEncoder().encode(text);

/** The JSON of a suite. Counters go beyond what a double holds, so they become texts. */
const parseJson = (text) => JSON.parse(text.replaceAll(/"counter":\s*(\d+)/g, '"counter": "$1"'));

function assert(holds, message) {
  if (!holds) throw new Error(message);
}

const same = (found, wanted, what) => assert(found === wanted, `${what}: ${String(found)}, not ${String(wanted)}`);

function known(object, fields, what) {
  for (const field of Object.keys(object)) assert(fields.includes(field), `${what}: unknown field ${field}`);
}

/** Whether our text is as good as upstream's. */
function sameText(found, expect) {
  const spaces = (text) => text?.replaceAll("\u00a0", " ");
  switch (expect.compare) {
    case "exact":
      return found === expect.upstream;
    case "proto-space":
      return spaces(found) === spaces(expect.upstream);
    case "map-order":
      return found?.startsWith(expect.upstreamPrefix) && expect.upstreamParts.every((part) => found.includes(part));
    case "scheme-name":
      return found?.split(" in scheme ")[0] === expect.upstream.split(" in scheme ")[0];
    case "go-yaml":
      return found?.startsWith(expect.upstream.split("yaml: ")[0]);
    default:
      throw new Error(`unknown way to compare: ${expect.compare}`);
  }
}

const etcdKey = (one) => (one.etcdKeyHex === undefined ? one.etcdKey : fromHex(one.etcdKeyHex));

/** A plugin that answers what the real one was recorded to answer. */
function recorded(name, told) {
  known(told, ["apiVersion", "status", "answers"], name);
  const asked = new Set();
  const kms = {
    async decrypt(request) {
      same(request.provider, name, "provider");
      same(request.apiVersion, told.apiVersion, "API version");
      for (const [at, answer] of told.answers.entries()) {
        known(answer, ["ciphertext", "keyId", "annotations", "dek", "error"], name);
        const annotations = Object.entries(answer.annotations ?? {});
        const fits =
          answer.ciphertext === toHex(request.ciphertext) &&
          (answer.keyId ?? "") === request.keyId &&
          annotations.length === Object.keys(request.annotations).length &&
          annotations.every(([key, value]) => request.annotations[key] && toHex(request.annotations[key]) === value);
        if (!fits) continue;
        asked.add(at);
        if (answer.error !== undefined) throw new Error(answer.error);
        return fromHex(answer.dek);
      }
      throw new Error(`a call that the recorded run did not make`);
    },
    ...(told.status && { keyId: told.status.keyId, usesSeed: told.status.usesSeed }),
    neverHealthy: told.apiVersion === "v2" && told.status === null,
  };
  const question = ({ ciphertext, keyId, annotations }) => JSON.stringify([ciphertext, keyId, annotations]);
  const all = new Set(told.answers.map(question));
  // kube-apiserver may ask the same twice; a set of questions is what counts.
  const complete = () => new Set([...asked].map((at) => question(told.answers[at]))).size === all.size;
  return { kms, complete };
}

async function refusal(work, errors) {
  try {
    return { value: await work(), error: null };
  } catch (error) {
    if (!(error instanceof errors.StoredValueError)) throw error;
    return { value: null, error };
  }
}

function checkRefused(error, expect) {
  const [result, code] = expect.result.split(":");
  assert(["refused", "upstream-panics"].includes(result), `refused with ${error.code}, not ${expect.result}`);
  same(error.code, code, "code");
  if (result === "upstream-panics") same(error.upstream, null, "upstream of a panic");
  else assert(sameText(error.upstream, expect), `upstream: ${error.upstream}`);
}

/** The leaves of the map follow one another from the first byte to the last. */
function checkParts(k8senc, stored) {
  const { parts, length, provider } = k8senc.inspect(stored);
  let at = 0;
  let field = null;
  for (const part of parts) {
    assert(part.end > part.start, `${part.kind} has no bytes`);
    if (part.kind === "field") {
      field = part;
      same(part.start, at, "start of a field");
      continue;
    }
    same(part.start, at, `start of ${part.kind}`);
    if (part.depth === 1) assert(part.start >= field.start && part.end <= field.end, `${part.kind} leaves its field`);
    at = part.end;
  }
  same(at, length, "bytes in the map");
  same(stored.length, length, "length");
  return provider;
}

const READ = ["id", "why", "config", "resource", "etcdKey", "etcdKeyHex", "stored", "kms", "expect"];

async function read({ k8senc, configOf, errors }, one) {
  known(one, READ, one.id);
  const plugins = Object.entries(one.kms ?? {}).map(([name, told]) => [name, recorded(name, told)]);
  const kms = Object.fromEntries(plugins.map(([name, plugin]) => [name, plugin.kms]));
  const chain = (await configOf(one.config)).chain(one.resource);
  const stored = fromHex(one.stored);
  checkParts(k8senc, stored);
  const { value: opened, error } = await refusal(() => chain.open(stored, etcdKey(one), { kms }), errors);
  if (error) checkRefused(error, one.expect);
  else {
    same("opened", one.expect.result, "result");
    same(toHex(opened.reveal()), one.expect.plaintext, "plaintext");
    same(opened.stale, one.expect.stale, "stale");
    same(opened.reasons.length > 0, one.expect.stale, "has reasons");
    same(opened.length, one.expect.plaintext.length / 2, "length");
    opened.free();
  }
  for (const [name, plugin] of plugins) assert(plugin.complete(), `${name} was not asked all that was asked of it`);
  chain.free();
}

async function write({ k8senc, configOf, errors }, one) {
  known(one, [...READ.filter((field) => field !== "stored"), "plaintext", "random"], one.id);
  const chain = (await configOf(one.config)).chain(one.resource);
  const seal = () => {
    const [told] = Object.values(one.kms ?? {});
    const bytes = (hex) => (hex === undefined ? undefined : fromHex(hex));
    const source =
      told && !told.neverHealthy
        ? k8senc.writeSource({
            seed: bytes(told.seed),
            dek: bytes(told.dek),
            counter: told.counter,
            encryptedDek: fromHex(told.encryptedDek ?? ""),
            keyId: told.apiVersion === "v1" ? undefined : (told.keyId ?? ""),
            annotations: Object.fromEntries(Object.entries(told.annotations ?? {}).map(([k, v]) => [k, fromHex(v)])),
          })
        : null;
    return chain.sealWith(fromHex(one.plaintext), etcdKey(one), fromHex(one.random), source);
  };
  const { value: stored, error } = await refusal(seal, errors);
  if (error) checkRefused(error, one.expect);
  else {
    same("sealed", one.expect.result, "result");
    checkParts(k8senc, stored);
    if (one.expect.compare === "exact") same(toHex(stored), one.expect.stored, "stored");
    else {
      same(one.expect.compare, "decoded", "compare");
      const said = (hex) => {
        const { parts, ...rest } = k8senc.inspect(fromHex(hex));
        const data = parts.filter(({ kind }) => ["info", "nonce", "ciphertext", "tag"].includes(kind));
        return JSON.stringify([rest, data.map(({ kind, start, end }) => [kind, hex.slice(2 * start, 2 * end)])]);
      };
      same(said(toHex(stored)), said(one.expect.stored), "decoded");
    }
  }
  chain.free();
}

const fileOf = (one) => (one.textHex === undefined ? encode(one.text) : fromHex(one.textHex));

function config({ k8senc }, one) {
  known(one, ["id", "why", "text", "textHex", "reload", "kmsv1", "expect"], one.id);
  const { expect } = one;
  const verdict = k8senc.validate(fileOf(one), { reload: one.reload, kmsv1: one.kmsv1, path: "<PATH>" });
  same(verdict.ok, expect.ok, "ok");
  if (verdict.ok) {
    same(verdict.upstream, null, "upstream");
    same(verdict.problems.length, 0, "problems");
    const parsed = k8senc.Config.parse(fileOf(one));
    same(parsed.contentHash, expect.contentHash, "hash");
    same(parsed.gracePeriod, expect.kmsCloseGracePeriod, "grace period");
    const checks = one.reload ? parsed.healthChecksWithReload : parsed.healthChecks;
    same(JSON.stringify(checks), JSON.stringify(expect.healthChecks ?? []), "health checks");
    const rules = parsed.effective().rules.map(({ rule }) => rule);
    same(JSON.stringify(rules.sort()), JSON.stringify(Object.keys(expect.chains).sort()), "rules");
    parsed.free();
    return;
  }
  same(verdict.stage, expect.stage, "stage");
  assert(verdict.problems.length > 0, "no problem told");
  if (expect.stage === "panic") same(verdict.upstream, null, "upstream of a panic");
  else if (!verdict.redacted) assert(sameText(verdict.upstream, expect), `upstream: ${verdict.upstream}`);
  checkRanges(one, verdict.problems, k8senc.lint(fileOf(one), { reload: one.reload, kmsv1: one.kmsv1 }));
}

/** Every place lies in the text, as JavaScript counts it, and edits neither overlap nor stand out of order. */
function checkRanges(one, problems, findings) {
  if (one.text === undefined) return;
  const inside = (range) => range === null || (range.from <= range.to && range.to <= one.text.length && range.line >= 1);
  for (const { range, related } of problems) assert([range, ...related].every(inside), "a place outside the text");
  for (const { range, related, fix } of findings) {
    assert([range, ...related.map((it) => it.range)].every(inside), "a place outside the text");
    let at = 0;
    for (const edit of fix?.edits ?? []) {
      assert(edit.from >= at && edit.to >= edit.from && edit.to <= one.text.length, "an edit outside the text");
      at = edit.to;
    }
  }
}

async function contract({ k8senc, errors }, one) {
  known(one, ["id", "why", "ciphertext", "keyId", "annotations", "expect"], one.id);
  const annotations = Object.entries(one.annotations ?? {}).map(([name, value]) => [name, fromHex(value)]);
  const answer = { encryptedDek: fromHex(one.ciphertext), keyId: one.keyId, annotations: Object.fromEntries(annotations) };
  const { error } = await refusal(() => k8senc.checkEncryptAnswer(answer), errors);
  if (error) checkRefused(error, one.expect);
  else same("accepted", one.expect.result, "result");
}

/** The same JSON, whatever the order of its keys. */
const sortedJson = (value) =>
  JSON.stringify(value, (_, it) =>
    it && typeof it === "object" && !Array.isArray(it)
      ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1)))
      : it,
  );

function decode({ k8senc }, one) {
  known(one, ["id", "why", "plaintext", "expect"], one.id);
  const plaintext = fromHex(one.plaintext);
  const { text, unknownFields } = k8senc.objectText(plaintext, { form: "json", masked: false });
  same(sortedJson(JSON.parse(text)), sortedJson(JSON.parse(one.expect.json)), "object");
  same(unknownFields, 0, "unknown fields");
  const masked = JSON.parse(k8senc.objectText(plaintext, { form: "json" }).text);
  same(masked.kind, JSON.parse(one.expect.json).kind, "kind");
}

const RUNNERS = { read, write, config, contract, decode };
// What is inside the Rust crates and has no call in this package; `cargo test` runs them.
const NOT_OFFERED = ["state", "object", "yaml"];

/**
 * Runs every case of every suite that the package can ask. `file(path)` reads a text below the folder of the vectors. The
 * answer says how many ran by kind, and what failed.
 */
export async function runVectors({ k8senc, errors, file }) {
  const manifest = JSON.parse(await file("manifest.json"));
  same(manifest.format, 1, "format of the manifest");
  const configs = new Map();
  const configOf = async (path) => {
    if (!configs.has(path)) configs.set(path, k8senc.Config.parse(await file(path)));
    return configs.get(path);
  };
  const ran = {};
  const failures = [];
  for (const [name, suite] of Object.entries(manifest.suites)) {
    const run = RUNNERS[suite.kind];
    if (!run) {
      assert(NOT_OFFERED.includes(suite.kind), `${name}: nothing here runs cases of kind ${suite.kind}`);
      continue;
    }
    const document = parseJson(await file(suite.file));
    same(document.format, 1, `format of ${name}`);
    same(document.suite, name, "suite");
    same(document.cases.length, suite.cases, `cases of ${name}, and the manifest`);
    for (const one of document.cases) {
      try {
        await run({ k8senc, errors, configOf }, one);
      } catch (error) {
        failures.push(`${name}: ${one.id} (${one.why}): ${error.stack ?? error}`);
      }
      ran[suite.kind] = (ran[suite.kind] ?? 0) + 1;
    }
  }
  const counted = {};
  for (const { kind, cases } of Object.values(manifest.suites)) {
    if (RUNNERS[kind]) counted[kind] = (counted[kind] ?? 0) + cases;
  }
  return { ran, counted, failures };
}
