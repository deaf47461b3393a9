// The types are written by hand: what they declare has to be there, and what is there has to be declared.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import * as index from "../js/index.js";
import * as node from "../js/node.js";
import * as snapshot from "../js/snapshot.js";
import * as worker from "../js/worker.js";

const read = (name) => readFile(new URL(`../js/${name}.d.ts`, import.meta.url), "utf8");

/** Names of exported values. */
const values = (types) =>
  [...types.matchAll(/^export (?:class|const|function) (\w+)/gm)].map(([, name]) => name);

/** Names of the members of an interface or class, as its declaration lists them. */
function members(types, name) {
  const found = new RegExp(`^export (?:interface|class) ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, "m").exec(types);
  assert.ok(found, `${name} is declared`);
  return [...found[1].matchAll(/^ {2}(?:readonly )?(\w+)(?=[(:?])/gm)].map(([, member]) => member);
}

const sorted = (names) => [...new Set(names)].sort();

test("modules export what their types declare", async () => {
  const main = values(await read("index"));
  assert.deepEqual(sorted(Object.keys(index)), sorted(main));
  assert.deepEqual(
    sorted(Object.keys(snapshot)),
    sorted([...main, ...values(await read("snapshot")), ...values(await read("worker"))]),
  );
  assert.deepEqual(sorted(Object.keys(worker)), sorted(values(await read("worker"))));
  assert.deepEqual(sorted(Object.keys(node)), sorted(values(await read("node"))));
});

const CONFIG = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources: [{resources: [secrets], providers: [{secretbox: {keys: [{name: a, secret: Dkt8Us4nBjZEL3s9s0F9EcOJxvJ6MBfm8dTkfIFDtBk=}]}}, {identity: {}}]}]
`;

const POD = `kind: Pod
apiVersion: v1
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  containers:
  - name: kube-apiserver
    image: registry.k8s.io/kube-apiserver:v1.37.0
    command: [kube-apiserver, --encryption-provider-config=/etc/kubernetes/enc/enc.yaml]
`;

test("objects have the members that their types declare", async () => {
  const [types, more] = [await read("index"), await read("snapshot")];
  const k8senc = await snapshot.load();
  const config = k8senc.Config.parse(CONFIG);
  const chain = config.chain("secrets");
  const opened = await chain.open(new TextEncoder().encode("{}"), "/registry/secrets/a/b");
  const source = k8senc.writeSource({ encryptedDek: new Uint8Array(4) });
  const audit = k8senc.openAudit(snapshot.bytesSource(new Uint8Array(4)));
  const request = k8senc.chainWithKms("v1", "p").needs(new TextEncoder().encode(`${["k8s", "enc", "kms", "v1", "p"].join(":")}:\0\x01x`))[0];
  const manifest = k8senc.manifest(POD);
  const objects = { Manifest: manifest, Config: config, Chain: chain, Opened: opened, WriteSource: source, DekRequest: request, Audit: audit };
  for (const [name, object] of Object.entries(objects)) {
    const declared = members(["Audit", "Manifest"].includes(name) ? more : types, name);
    const there = [
      ...Object.keys(object),
      ...Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((member) => member !== "constructor"),
    ];
    assert.deepEqual(sorted(there), sorted(declared), name);
  }
  const declared = [...members(types, "K8senc"), ...members(more, "K8sencSnapshot")];
  const there = [
    ...Object.keys(k8senc),
    ...Object.getOwnPropertyNames(snapshot.K8sencSnapshot.prototype),
    ...Object.getOwnPropertyNames(index.K8senc.prototype),
  ];
  assert.deepEqual(sorted(there.filter((member) => member !== "constructor")), sorted(declared));
});

test("answers have the fields that their types declare", async () => {
  const types = await read("index");
  const k8senc = await index.load();
  const config = k8senc.Config.parse(CONFIG);
  const later = k8senc.Config.parse(CONFIG.replace("name: a", "name: b"));
  const [finding] = k8senc.lint(CONFIG, { migration: "done" });
  const withFix = k8senc
    .lint("kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources:\n  - resources: [secrets]\n" +
      "    providers:\n      - identity: {}\n      - secretbox: {keys: [{name: a, secret: Dkt8Us4nBjZEL3s9s0F9EcOJxvJ6MBfm8dTkfIFDtBk=}]}\n")
    .find(({ fix }) => fix);
  const answers = {
    Verdict: k8senc.validate("kind: a"),
    Problem: k8senc.validate("kind: a").problems[0],
    Finding: finding,
    Range: finding.range,
    Fix: withFix.fix,
    Edit: withFix.fix.edits[0],
    Rule: k8senc.rules()[0],
    Explanation: k8senc.explain("K8E001"),
    ApiResource: k8senc.resources()[0],
    Match: config.matching("secrets"),
    ConfiguredKey: config.entries[0].providers[0].keys[0],
    Effective: config.effective(),
    EntryPlaces: k8senc.outline(CONFIG)[0],
    Change: config.changes(later)[0],
    Inspection: k8senc.inspect(new Uint8Array(4)),
    ObjectInfo: k8senc.object(new Uint8Array(4)),
    Pasted: k8senc.readPasted("azhzOg==")[0],
  };
  for (const [name, answer] of Object.entries(answers)) {
    assert.deepEqual(sorted(Object.keys(answer)), sorted(members(types, name)), name);
  }
  const more = await read("snapshot");
  const large = await snapshot.load();
  const plan = large.plan(CONFIG, "rotate-key");
  const holder = large.manifest(`kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata:\n  enc.yaml: |\n    ${CONFIG.replaceAll("\n", "\n    ")}\n`);
  assert.deepEqual(sorted(Object.keys(holder.embedded[0])), sorted(members(more, "Embedded")));
  assert.deepEqual(sorted(Object.keys(large.Config.parse(CONFIG).hazards(null)[0])), sorted(members(types, "Hazard")));
  assert.deepEqual(sorted(Object.keys(plan)), sorted(members(more, "Plan")));
  assert.deepEqual(sorted(Object.keys(plan.steps[0])), sorted(members(more, "PlanStep")));
});
