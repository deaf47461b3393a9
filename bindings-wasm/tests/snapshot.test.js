import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { fileSource } from "../js/node.js";
import { bytesSource, ConfigError, load, SnapshotError, UsageError } from "../js/snapshot.js";
import { nativeDocuments } from "./native.js";
import { comparisons, localKek } from "./sample.js";

const sample = new URL("../../conformance-vectors/sample/", import.meta.url);
const read = (name) => readFile(new URL(name, sample), "utf8");
const [configText, kekText, expected] = [
  await read("encryption-config.yaml"),
  await read("local-kek.json"),
  JSON.parse(await read("expected.json")),
];
const k8senc = await load();
const config = k8senc.Config.parse(configText);
const askers = () => ({ "cloud-kms": localKek(kekText, "cloud-kms"), "legacy-kms": localKek(kekText, "legacy-kms") });

test("the sample snapshot is judged as its maker meant it", async () => {
  const source = fileSource(new URL("snapshot.db", sample));
  const kms = askers();
  const phases = new Set();
  const { report, exitCode } = await k8senc.audit(source, { config, kms, onProgress: ({ phase }) => void phases.add(phase) });
  source.close();
  for (const [what, found, wanted] of comparisons(report, expected)) assert.deepEqual(found, wanted, what);
  assert.equal(exitCode, 1);
  // One question for each distinct DEK that a live or old value needs.
  assert.equal(kms["cloud-kms"].calls, expected.distinctDeks["cloud-kms"].all);
  assert.equal(kms["legacy-kms"].calls, expected.distinctDeks["legacy-kms"].all);
  assert.deepEqual([...phases], ["survey", "kms", "report"]);
});

test("without a configuration nothing is judged, and every source gives the same", async () => {
  const bytes = new Uint8Array(await readFile(new URL("snapshot.db", sample)));
  const source = fileSource(new URL("snapshot.db", sample));
  const [memory, disk] = [await k8senc.audit(bytesSource(bytes)), await k8senc.audit(source)];
  source.close();
  assert.equal(memory.report.judged, false);
  assert.deepEqual(memory, disk);
});

test("documents are the native writers', byte for byte", async () => {
  for (const name of [undefined, "encryption-config.yaml"]) {
    const native = nativeDocuments(["snapshot.db", ...(name ? [name] : [])].map((file) => fileURLToPath(new URL(file, sample))));
    const documents = Object.keys(native).flatMap((format) =>
      [false, true].map((redactNames) => ({ format, name: "snapshot.db", redactNames })),
    );
    const source = fileSource(new URL("snapshot.db", sample));
    const written = (await k8senc.audit(source, { config: name ? config : null, documents })).documents;
    source.close();
    assert.equal(written.length, 16);
    for (const [at, { format, redactNames }] of documents.entries()) {
      assert.equal(written[at], native[format][Number(redactNames)], `${format} of ${name}`);
      assert.ok(written[at].length > 100, format);
    }
  }
  const source = fileSource(new URL("snapshot.db", sample));
  const unknown = k8senc.audit(source, { documents: [{ format: "pdf", name: "a" }] });
  await assert.rejects(unknown, (error) => error instanceof UsageError && error.code === "report-format");
  source.close();
});

test("damage is told, never swallowed", async () => {
  const bytes = new Uint8Array(await readFile(new URL("snapshot.db", sample)));
  await assert.rejects(k8senc.audit(bytesSource(bytes.subarray(0, 100))), SnapshotError);
  await assert.rejects(k8senc.audit(bytesSource(bytes.subarray(0, 500_000))), SnapshotError);
  const flipped = bytes.slice();
  flipped[flipped.length - 1] ^= 1;
  const { report, exitCode } = await k8senc.audit(bytesSource(flipped));
  assert.equal(report.snapshot.sha256.status, "mismatch");
  assert.equal(exitCode, 3);
});

test("a source that fails, lies or throws gives an error and no crash", async () => {
  const size = 958_496;
  const answers = [
    () => { throw new Error("gone"); },
    () => new Uint8Array(1),
    () => "text",
    () => undefined,
    (_, length) => new Uint8Array(length),
  ];
  for (const read of answers) await assert.rejects(k8senc.audit({ size, read }), SnapshotError);
  assert.equal(k8senc.poisoned, false);
});

test("a pass can be stopped", async () => {
  const source = fileSource(new URL("snapshot.db", sample));
  let told = 0;
  const stopped = k8senc.audit(source, { onProgress: () => (told += 1) < 0 });
  await assert.rejects(stopped, (error) => error instanceof SnapshotError && error.code === "cancelled");
  assert.equal(told, 1);
  source.close();
});

test("steps by hand: survey, answers, report", async () => {
  const source = fileSource(new URL("snapshot.db", sample));
  const audit = k8senc.openAudit(source, { config, hash: false, examples: 0 });
  const { needs, beyond } = audit.survey();
  assert.equal(beyond, 0);
  assert.equal(needs.length, 129);
  assert.ok(needs[0].live >= needs.at(-1).live);
  for (const { request } of needs) audit.refuse(request, "not today");
  const { report } = audit.report();
  assert.equal(report.snapshot.sha256.status, "unchecked");
  assert.ok(report.totals.unreadable > 0);
  audit.free();
  source.close();
});

const AES = (name, secret) => `kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
  - resources:
      - secrets
    providers:
      - secretbox:
          keys:
            - name: ${name}
              secret: ${secret}
      - identity: {}
`;
const SECRET = "Dkt8Us4nBjZEL3s9s0F9EcOJxvJ6MBfm8dTkfIFDtBk=";

test("a plan leads from step to step, and every file of it loads", () => {
  const plan = k8senc.plan(AES("one", SECRET), "rotate-key", { servers: 3 });
  assert.equal(plan.kind, "k8senc-plan");
  assert.equal(plan.ok, true);
  assert.ok(plan.steps.length >= 3);
  const files = plan.steps.filter(({ file }) => file?.text).map(({ file }) => file);
  assert.ok(files.length >= 2);
  for (const { text, diff } of files) {
    assert.equal(k8senc.validate(text).ok, true, text);
    assert.ok(!diff.includes(SECRET), "a key in a diff");
  }
  const again = k8senc.plan(AES("one", SECRET), "rotate-key");
  const last = (found) => found.steps.filter(({ file }) => file?.text).at(-1).file.text;
  assert.notEqual(last(plan), last(again), "new keys are drawn");
  assert.throws(() => k8senc.plan(AES("one", SECRET), "rotate"), (error) => error.code === "goal");
});

test("a change from file to file is planned, one that loses data is not called safe", () => {
  const plan = k8senc.planChange(AES("one", SECRET), AES("two", SECRET.replace("D", "E")));
  assert.equal(plan.direct.ok, false);
  assert.ok(plan.direct.counterexample);
  const both = k8senc.planConverge(AES("one", SECRET), AES("two", SECRET.replace("D", "E")));
  assert.ok(both.matrix.some(({ whyNot }) => whyNot));
  assert.ok(k8senc.planChange(null, AES("one", SECRET)).steps.length > 0);
});

const fromHex = (text) => new Uint8Array(Buffer.from(text, "hex"));
const upTo = (length, from = 0) => Uint8Array.from({ length }, (_, at) => from + at);

// Made by conformance-vectors/keyset/golden.py, which has no code of ours.
const RECORD =
  "004b573100d64d4f2d90053583658d77f539e3d560b7092ff619d50606020902003c6465666768696a6b6c6d6e6f2adb1fc53db0fd70ac454d5d3da7a6" +
  "e3cba954a1ada1a6dfdeb9d816950c7909931c1b6bf410c4fe5d64baaab159dfb7050700504833f7a7e0a5231a731d015505b21ef356acb639d21d5bb1" +
  "a422b0c9d1263c073d4a1a96cec6375a810077a262fa327ad6e7bb4268e17f9305ba10c201f76da83c44e9a77e6cc7b0ea7e0c636b37f71d05e5a827e3" +
  "c1d85afe74289e144324dbcf646f05614c0178a5ef374ac0cdbd455e72011b928b4f7c43f8d0031dfd0139";
const KEY_ID = "kc1.1k1PLZAFNYOncVSdOF_dMc1r0flPzy_wmS3nnXjELJY";
const RECOVERY = "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d";

test("a keyset record opens with the recovery key and with the local KEK", () => {
  const record = fromHex(RECORD);
  assert.deepEqual(k8senc.readKeyset(record).wraps.map(({ slot }) => slot), [2, 7]);
  const where = { keyId: KEY_ID, cluster: "prod-1" };
  const recovered = k8senc.openKeyset(record, { ...where, recoveryKey: fromHex(RECOVERY) });
  assert.deepEqual(recovered, { seed: upTo(32), provenance: "unproven", slot: 7 });
  const local = k8senc.openKeyset(record, { ...where, localKek: upTo(32, 64) });
  assert.deepEqual(local, { seed: upTo(32), provenance: "symmetric-kek", slot: 2 });
  for (const wrong of [{ cluster: "prod-2" }, { recoveryKey: upTo(32) }]) {
    const how = { ...where, recoveryKey: fromHex(RECOVERY), ...wrong };
    assert.throws(() => k8senc.openKeyset(record, how), (error) => error.code === "keyset-integrity");
  }
});

test("names are fit to be shown", () => {
  assert.equal(k8senc.escape("a\u{1b}[31m"), "a\\u{1b}[31m");
});

test("a refused configuration is refused here too", () => {
  assert.throws(() => k8senc.Config.parse(""), ConfigError);
});
