// Places of a text, covered keys, redacted files, and files that bring configurations to servers.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "../js/index.js";
import { load as loadLarge } from "../js/snapshot.js";

const SECRET = "Dkt8Us4nBjZEL3s9s0F9EcOJxvJ6MBfm8dTkfIFDtBk=";
const CONFIG = `# für später
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox:
          keys:
            - name: "ключ 🔑"
              secret: >-
                ${SECRET.slice(0, 20)}
                ${SECRET.slice(20)}
            - name: b
              secret: ${SECRET}
      - identity: {}
`;

const k8senc = await load();
const cut = (text, range) => text.slice(range.from, range.to);

test("places count in UTF-16 units", () => {
  const [entry] = k8senc.outline(CONFIG.replace(/>-\n +(\S+)\n +(\S+)/, "$1$2"));
  const text = CONFIG.replace(/>-\n +(\S+)\n +(\S+)/, "$1$2");
  assert.equal(entry.resources[0].name, "secrets");
  assert.equal(cut(text, entry.resources[0].range), "secrets");
  assert.match(cut(text, entry.providers[0].keys[1]), /^name: b\n +secret: Dkt8/);
  assert.match(cut(text, entry.providers[1].range), /^identity: \{\}/);
});

test("keys are covered on every line that they take", () => {
  const covered = k8senc.secrets(CONFIG);
  const shown = covered.reduceRight((text, { from, to }) => text.slice(0, from) + text.slice(to), CONFIG);
  assert.ok(!shown.includes(SECRET.slice(0, 20)) && !shown.includes(SECRET.slice(20)), shown);
  assert.match(shown, /ключ 🔑/);
  assert.deepEqual(k8senc.secrets(new Uint8Array([0xff, 0xfe, 0xfd])), [{ from: 0, to: 0xffffffff }]);
});

test("a redacted configuration holds no key and is judged", () => {
  const redacted = k8senc.redact(CONFIG);
  assert.ok(!redacted.includes(SECRET.slice(0, 20)) && !redacted.includes(SECRET.slice(20)) && !redacted.includes("#"));
  assert.equal(k8senc.redact(redacted), redacted);
  assert.match(redacted, /ключ 🔑/);
  assert.throws(() => k8senc.redact("kind: ["), { name: "UsageError", code: "unsure" });
});

test("a manifest says what it brings, and is judged with the file beside it", async () => {
  const k8senc = await loadLarge();
  const socket = CONFIG.replace(/- secretbox:[^]*- identity/, "- kms: {apiVersion: v2, name: k, endpoint: 'unix:///run/kms/s.sock'}\n      - identity");
  const pod = `apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  hostNetwork: true
  containers:
  - name: kube-apiserver
    image: registry.k8s.io/kube-apiserver:v1.34.1
    command: [kube-apiserver, --encryption-provider-config=/etc/kubernetes/enc/enc.yaml]
    volumeMounts: [{name: enc, mountPath: /etc/kubernetes/enc, readOnly: true}]
  volumes: [{name: enc, hostPath: {path: /etc/kubernetes/enc, type: Directory}}]
`;
  const manifest = k8senc.manifest(pod, { name: "kube-apiserver.yaml" });
  assert.equal(manifest.form, "Kubernetes manifest");
  assert.equal(manifest.version, "1.34");
  assert.equal(manifest.references[0].hostPath, "/etc/kubernetes/enc/enc.yaml");
  assert.deepEqual(manifest.lint().map(({ code }) => code).filter((code) => code === "K8M006"), []);
  assert.ok(manifest.lint([socket]).some(({ code }) => code === "K8M006"), "the socket of the file beside it is not mounted");
  manifest.free();

  const holder = `kind: ConfigMap\napiVersion: v1\nmetadata: {name: é}\ndata:\n  enc.yaml: |\n    ${socket.replaceAll("\n", "\n    ")}\n`;
  const held = k8senc.manifest(holder);
  assert.equal(held.text(0).trim(), socket.trim());
  const [entry] = held.outline(0);
  assert.equal(cut(holder, entry.resources[0].range), "secrets");
  assert.equal(held.text(1), null);
  const second = k8senc.manifest(`${holder}---\n${holder.replace("unix://", "tcp://")}`);
  assert.equal(second.embedded.length, 2);
  assert.equal(second.validate(0).ok, true);
  const refused = second.validate(1);
  assert.equal(refused.ok, false);
  assert.ok(refused.problems.every(({ range }) => range.line > holder.split("\n").length), "in the lines of the second");
  assert.equal(second.validate(2), null);
  second.free();
  assert.equal(k8senc.manifest(CONFIG), null);
  assert.equal(k8senc.manifest("a: b"), null);
});
