import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";

import { ConfigError, load, Poisoned, StoredValueError, UsageError } from "../js/index.js";
import { load as loadSnapshot } from "../js/snapshot.js";

const bytes = (text) => new TextEncoder().encode(text);
const upTo = (length, from = 0) => Uint8Array.from({ length }, (_, at) => from + at);
const ETCD_KEY = "/registry/secrets/default/a";
const OBJECT = bytes('{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"default"}}');

const config = (providers) => `kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers: [${providers}]
`;
const KEY = "aesgcm: {keys: [{name: a, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}";

const k8senc = await load();

test("what is sealed opens, and an independent AES-GCM agrees", async () => {
  const chain = k8senc.Config.parse(config(`{${KEY}}, {identity: {}}`)).chain("secrets");
  const [one, two] = [await chain.seal(OBJECT, ETCD_KEY), await chain.seal(OBJECT, ETCD_KEY)];
  assert.notDeepEqual(one, two, "nonces are drawn");
  const { parts } = k8senc.inspect(one, { name: "a" });
  const part = (kind) => parts.find((it) => it.kind === kind);
  const cut = (from, to) => one.subarray(part(from).start, part(to).end);
  const key = await webcrypto.subtle.importKey("raw", upTo(32), "AES-GCM", false, ["decrypt"]);
  const how = { name: "AES-GCM", iv: cut("nonce", "nonce"), additionalData: bytes(ETCD_KEY) };
  const plain = await webcrypto.subtle.decrypt(how, key, cut("ciphertext", "tag"));
  assert.deepEqual(new Uint8Array(plain), OBJECT);

  const opened = await chain.open(one, ETCD_KEY);
  assert.deepEqual(opened.reveal(), OBJECT);
  assert.deepEqual([opened.provider, opened.key, opened.stale, opened.authenticated], ["aesgcm", "a", false, true]);
  assert.deepEqual(opened.object(), {
    form: "json", apiVersion: "v1", kind: "Secret", namespace: "default", name: "a", isObject: true,
  });
  await assert.rejects(chain.open(one, `${ETCD_KEY}b`), (error) => {
    assert.ok(error instanceof StoredValueError);
    assert.equal(error.code, "authentication");
    assert.equal(error.upstream, "cipher: message authentication failed");
    return true;
  });
  opened.free();
  assert.throws(() => opened.reveal(), (error) => error instanceof UsageError && error.code === "freed");
});

test("what real tools print is read back", async () => {
  const { readFile } = await import("node:fs/promises");
  const recorded = JSON.parse(await readFile(new URL("../../conformance-vectors/pastes/pastes.json", import.meta.url), "utf8"));
  let read = 0;
  for (const { value, command, form, etcdKey, printed } of recorded.cases) {
    const found = k8senc.readPasted(new Uint8Array(Buffer.from(printed, "base64")));
    if (form === null) {
      assert.equal(found, null, command);
      continue;
    }
    const [one] = found;
    assert.equal(Buffer.from(one.stored).toString("hex"), recorded.values[value], command);
    assert.deepEqual([one.form, one.etcdKey && Buffer.from(one.etcdKey).toString()], [form, etcdKey], command);
    assert.equal(typeof one.modRevision === "number", ["etcdctl-json", "etcdctl-fields"].includes(form), command);
    read += 1;
  }
  assert.ok(read > 100, `${read} were read`);
  assert.deepEqual(k8senc.readPasted('{"header":{}}'), []);
  assert.deepEqual(k8senc.parseKey(`${Buffer.from(upTo(32)).toString("base64")}\n`), upTo(32));
  assert.equal(k8senc.parseKey("too short"), null);
});

test("a typed key opens a value whatever name stands in it", async () => {
  for (const [provider, size] of [["aescbc", 32], ["aesgcm", 24], ["secretbox", 32]]) {
    const stored = await k8senc.chainWithKey(provider, "a:b", upTo(size)).seal(OBJECT, ETCD_KEY);
    assert.equal(k8senc.inspect(stored).name, "a");
    assert.equal((await k8senc.openWith(stored, ETCD_KEY, upTo(size))).key, "a:b");
    await assert.rejects(k8senc.openWith(stored, ETCD_KEY, upTo(size, 1)), StoredValueError);
  }
});

for (const version of ["v1", "v2"]) {
  test(`KMS ${version}: sealed, opened, and asked no more than needed`, async () => {
    const keys = new Map();
    let calls = 0;
    const kms = {
      p: {
        keyId: "kek-1",
        encrypt: async (key) => {
          const ciphertext = bytes(`wrapped ${keys.size}`);
          keys.set(String(ciphertext), key.slice());
          return { ciphertext, keyId: "kek-1", annotations: { "a.b": upTo(3) } };
        },
        decrypt: async (request) => {
          calls += 1;
          assert.equal(request.apiVersion, version);
          if (version === "v2") {
            assert.equal(request.keyId, "kek-1");
            assert.deepEqual(request.annotations, { "a.b": upTo(3) });
          }
          return keys.get(String(request.ciphertext));
        },
      },
    };
    const chain = k8senc.chainWithKms(version, "p");
    const stored = await chain.seal(OBJECT, ETCD_KEY, { kms });
    assert.equal(chain.needs(stored).length, 1);
    await assert.rejects(chain.open(stored, ETCD_KEY), (error) => {
      assert.equal(error.code, "dek-needed");
      assert.deepEqual(error.request.ciphertext, bytes("wrapped 0"));
      return true;
    });
    const refusing = { p: () => { throw new Error("the KMS is away"); } };
    await assert.rejects(chain.open(stored, ETCD_KEY, { kms: refusing }), (error) => {
      assert.equal(error.code, "dek-refused");
      assert.match(error.upstream, /the KMS is away/);
      return true;
    });
    for (const round of [1, 2]) {
      const opened = await chain.open(stored, ETCD_KEY, { kms });
      assert.deepEqual(opened.reveal(), OBJECT, `round ${round}`);
      assert.equal(opened.stale, false);
    }
    assert.equal(calls, 1);
    const stale = await chain.open(stored, ETCD_KEY, { kms: { p: { ...kms.p, keyId: "kek-2" } } });
    assert.deepEqual([stale.stale, stale.reasons], version === "v2" ? [true, ["key-id"]] : [false, []]);
  });
}

test("one instance knows nothing of another's answers", async () => {
  const chain = k8senc.chainWithKms("v2", "p");
  const kms = { p: { encrypt: (key) => ({ ciphertext: key, keyId: "1" }), decrypt: ({ ciphertext }) => ciphertext } };
  const stored = await chain.seal(OBJECT, ETCD_KEY, { kms });
  await chain.open(stored, ETCD_KEY, { kms });
  assert.equal(chain.needs(stored).length, 0);
  assert.equal(k8senc.chainWithKms("v2", "p").needs(stored).length, 1);
  assert.equal(k8senc.renew().chainWithKms("v2", "p").needs(stored).length, 1);
});

test("places count UTF-16 units, and fixes apply to strings", () => {
  const text = `# \u{1f512}\u{e4}
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
  - resources: [secrets]
    providers:
      - identity: {}
      - ${KEY}
`;
  const finding = k8senc.lint(text).find(({ code }) => code === "K8E001");
  const { from, to, line } = finding.range;
  assert.equal(text.slice(from, to).trim(), "identity: {}");
  assert.equal(text.slice(0, from).split("\n").length, line);
  const fixed = k8senc.applyFix(text, finding.fix);
  assert.equal(k8senc.validate(fixed).ok, true);
  assert.ok(!k8senc.lint(fixed).some(({ code }) => code === "K8E001"));
  assert.equal(k8senc.Config.parse(fixed).matching("secrets").encrypts, true);
});

test("a refused configuration says where, in both words", () => {
  const text = config("{aesgcm: {keys: [{name: a, secret: AAEC}]}}");
  assert.throws(() => k8senc.Config.parse(text), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.code, error.verdict.problems[0].code);
    assert.match(error.upstream, /secret is not of the expected length/);
    assert.equal(text.slice(error.verdict.problems[0].range.from, error.verdict.problems[0].range.to), "AAEC");
    return true;
  });
});

test("a change that loses a key is told with its story", async () => {
  const large = await loadSnapshot();
  const old = large.Config.parse(config(`{${KEY}}, {identity: {}}`));
  const good = large.Config.parse(config(`{identity: {}}, {${KEY}}`));
  const bad = large.Config.parse(config("{identity: {}}"));
  assert.equal(old.checkTransition(good, { servers: 3 }).ok, true);
  const found = old.checkTransition(bad);
  assert.equal(found.ok, false);
  assert.ok(found.events.length > 0 && found.text.includes(found.why));
  assert.ok(old.hazards(bad).some(({ severity }) => severity === "error"));
  assert.ok(old.hazards(null).some(({ code }) => code === "K8D11"));
  assert.deepEqual(old.changes(good).map(({ change }) => change), ["writer"]);
  const small = k8senc.Config.parse(config(`{${KEY}}`));
  assert.throws(() => small.hazards(null), (error) => error instanceof UsageError && error.code === "entry");
  // Both are still there: nothing was moved into the call.
  assert.equal(bad.matching("secrets").encrypts, false);
});

test("misspelt options and wrong types are refused", async () => {
  const usage = (code) => (error) => error instanceof UsageError && error.code === code;
  assert.throws(() => k8senc.validate("", { realease: "1.31" }), usage("options"));
  assert.throws(() => k8senc.validate("", { version: "2.0" }), usage("kubernetes-version"));
  assert.throws(() => k8senc.inspect("text"), usage("type"));
  assert.throws(() => k8senc.validate(7), usage("type"));
  assert.throws(() => k8senc.chainWithKey("identity", "a", upTo(32)), usage("provider"));
  assert.throws(() => k8senc.generateKey(20), usage("key-size"));
  await assert.rejects(k8senc.chainWithKms("v2", "p").seal(OBJECT, ETCD_KEY), usage("kms"));
  assert.equal(k8senc.poisoned, false);
});

test("keys are drawn and told apart", () => {
  const { bytes: key, base64 } = k8senc.generateKey();
  assert.equal(Buffer.from(base64, "base64").compare(key), 0);
  assert.match(k8senc.fingerprint(key), /^[0-9a-f]{16}$/);
  assert.notEqual(k8senc.fingerprint(key), k8senc.fingerprint(k8senc.generateKey().bytes));
  assert.equal(k8senc.fingerprint(upTo(32)), null, "a key that counts up could be guessed");
});

test("ciphertexts of known plugins are recognised", () => {
  const [found] = k8senc.recognise({ ciphertext: bytes(`vault:v3:${Buffer.alloc(60).toString("base64")}`), keyId: "3" });
  assert.equal(found.plugin, "transit");
  assert.equal(found.facts.keyVersion, "3");
  assert.ok(found.needs.every(({ need, text }) => need && text));
  assert.deepEqual(k8senc.recognise({ ciphertext: upTo(5) }), []);
});

/** Claims more bytes than any memory has, so that the allocation in wasm fails, which ends in a trap. */
class Lie extends Uint8Array {
  get length() {
    return 0xf0000000;
  }
}

test("a crash poisons the instance and nothing else", async () => {
  const mine = await load();
  const kept = mine.Config.parse(config(`{${KEY}}`));
  assert.throws(() => mine.inspect(new Lie(4)), (error) => {
    assert.ok(error instanceof Poisoned);
    assert.equal(error.code, "poisoned");
    assert.ok(error.cause instanceof WebAssembly.RuntimeError);
    return true;
  });
  assert.equal(mine.poisoned, true);
  for (const call of [() => mine.version && mine.rules(), () => kept.effective(), () => kept.free()]) {
    assert.throws(call, Poisoned);
  }
  const fresh = mine.renew();
  assert.equal(fresh.poisoned, false);
  assert.equal(fresh.Config.parse(config(`{${KEY}}`)).contentHash, kept.contentHash);
  assert.equal(k8senc.poisoned, false);
});

test("nothing of a secret stays in the module's memory", async () => {
  const { readFile } = await import("node:fs/promises");
  const { glue } = await import("../dist/k8senc.js");
  const module = await WebAssembly.compile(await readFile(new URL("../dist/k8senc.wasm", import.meta.url)));
  const raw = glue();
  const { memory } = raw.initSync({ module });
  const holds = (secret) => Buffer.from(memory.buffer).includes(secret);
  const secret = webcrypto.getRandomValues(new Uint8Array(32));
  const base64 = Buffer.from(secret).toString("base64");
  const text = bytes(config(`{secretbox: {keys: [{name: a, secret: ${base64}}]}}`));
  const parsed = raw.Config.parse(text, "");
  const chain = parsed.chain("secrets");
  assert.ok(holds(secret), "the control: the key is in memory while it is in use");
  const plaintext = bytes(`a plaintext that nobody else has ${base64.slice(0, 8)}`);
  const stored = chain.seal(plaintext, bytes(ETCD_KEY), webcrypto.getRandomValues(new Uint8Array(24)));
  const step = chain.open(stored, bytes(ETCD_KEY));
  const opened = step.takeOpened();
  assert.deepEqual(opened.reveal(), plaintext);
  assert.ok(holds(plaintext), "the control: the plaintext is in memory while it is open");
  raw.lint(text, "");
  for (const object of [opened, step, chain, parsed]) object.free();
  assert.ok(!holds(plaintext), "plaintext");
  assert.ok(!holds(bytes(base64)), "base64 of the key");
  assert.ok(!holds(secret), "key");
});

test("a closed instance is gone", async () => {
  const mine = await load();
  mine.close();
  assert.throws(() => mine.rules(), (error) => error.code === "closed");
});

test("an object is shown with its values masked unless asked for", async () => {
  const secret = bytes('{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","annotations":{"x":"hunter2"}},"data":{"p":"aHVudGVyMg=="}}');
  const opened = await k8senc.bareChain().open(secret, ETCD_KEY);
  const masked = opened.text();
  assert.equal(masked.unknownFields, 0);
  assert.match(masked.text, /^apiVersion: v1\nkind: Secret\nmetadata:\n {2}name: a\n/);
  assert.ok(!masked.text.includes("hunter2") && !masked.text.includes("aHVudGVyMg"), masked.text);
  assert.match(opened.text({ masked: false }).text, /aHVudGVyMg==/);
  assert.deepEqual(JSON.parse(k8senc.objectText(secret, { form: "json", masked: false }).text), JSON.parse(Buffer.from(secret)));
  assert.throws(() => k8senc.objectText(upTo(9)), (error) => error.code === "not-an-object");
  assert.throws(() => k8senc.objectText(secret, { form: "xml" }), (error) => error.code === "form");
});

test("why a value does not open", async () => {
  const right = k8senc.Config.parse(config(`{${KEY}}`));
  const renamed = k8senc.Config.parse(config(`{${KEY.replace("name: a", "name: b")}}`));
  const stored = await right.chain("secrets").seal(OBJECT, ETCD_KEY);
  const seen = (value, key, options) => k8senc.diagnose(value, key, options);
  assert.equal(seen(stored, ETCD_KEY, { config: right }).result, "opened");
  assert.equal(seen(stored, ETCD_KEY, { config: renamed }).hint.code, "right-key-other-name");
  assert.equal(seen(stored, ETCD_KEY.replace("/registry", "/kubernetes.io"), { config: right }).hint.code, "other-etcd-key");
  const printed = new Uint8Array([...stored, 10]);
  assert.equal(seen(printed, ETCD_KEY, { config: right }).hint.code, "trailing-newline");
  const typed = seen(stored, ETCD_KEY, { keys: [upTo(16), upTo(32)] });
  assert.deepEqual([typed.result, typed.hint.code], ["opened", "given-key"]);
  const none = seen(stored, ETCD_KEY, { keys: [upTo(32, 9)] });
  assert.deepEqual([none.result, none.hint], ["refused", null]);
});
