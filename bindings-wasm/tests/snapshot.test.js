import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { fileSource } from "../js/node.js";
import { bytesSource, ConfigError, load, SnapshotError } from "../js/snapshot.js";
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

test("names are fit to be shown", () => {
  assert.equal(k8senc.escape("a\u{1b}[31m"), "a\\u{1b}[31m");
});

test("a refused configuration is refused here too", () => {
  assert.throws(() => k8senc.Config.parse(""), ConfigError);
});
