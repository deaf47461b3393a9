// What the examples menu offers: good files, the classic mistakes of popular guides, and what surrounds a configuration. All keys
// here are public.

export interface Example {
  group: string;
  title: string;
  about: string;
  text: string;
  /** Several files of one cluster. */
  files?: { name: string; text: string }[];
  /** The finding that it is there for. */
  shows?: string;
}

const key = (phrase: string) => btoa(phrase);
/** Random, and public by standing here: never use them. */
export const PUBLIC = ["bf2TH2GtJ8E3kOcR2mpLyi4KemWY6z/7ovdIruzxHeY=", "xzXjfgOQ2CNYi7me/k7dcZWc17DvcKvMpwrIgDNAedM="];
const [FIRST = "", SECOND = ""] = PUBLIC;

const file = (providers: string, resources = "      - secrets") => `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
${resources}
    providers:
${providers}
`;

/** One provider with keys, written out. */
const local = (kind: string, keys: [string, string][]) => `      - ${kind}:
          keys:
${keys.map(([name, secret]) => `            - name: ${name}\n              secret: ${secret}`).join("\n")}`;

const IDENTITY = "\n      - identity: {}";
const kms = (fields: string, name = "cloud-kms") => `      - kms:
          ${fields}name: ${name}
          endpoint: unix:///run/kms/kms.sock`;

const GOOD = file(local("secretbox", [["key-2026-11", FIRST], ["key-2026-05", SECOND]]) + IDENTITY);
const OLDER = file(local("secretbox", [["key-2026-05", SECOND]]) + IDENTITY);

export const EXAMPLES: Example[] = [
  { group: "Good files", title: "A rotation half way", about: "two keys: the first writes, both read", text: GOOD },
  { group: "Good files", title: "KMS v2", about: "keys live outside the cluster", text: file(kms("apiVersion: v2\n          ") + "\n          timeout: 3s" + IDENTITY) },
  {
    group: "Good files",
    title: "A wildcard and an exception",
    about: "everything encrypted, events left out",
    text: `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
      - events
    providers:
      - identity: {}
  - resources:
      - '*.*'
    providers:
      - kms:
          apiVersion: v2
          name: cloud-kms
          endpoint: unix:///run/kms/kms.sock
      - identity: {}
`,
  },
  { group: "Mistakes of guides", title: "identity first", about: "the file has a key, and everything is still written in plaintext", shows: "K8E001", text: file("      - identity: {}\n" + local("aescbc", [["key1", FIRST]])) },
  {
    group: "Mistakes of guides",
    title: "The keys of a guide",
    about: "“secret is secure”, copied by everybody",
    shows: "K8E012",
    text: file(local("aesgcm", [["key1", "c2VjcmV0IGlzIHNlY3VyZQ=="], ["key2", "dGhpcyBpcyBwYXNzd29yZA=="]]) + IDENTITY),
  },
  { group: "Mistakes of guides", title: "A password as key", about: "32 letters are no 32 random bytes", shows: "K8E013", text: file(local("aescbc", [["key1", key("my-super-secret-password-is-long")]]) + IDENTITY) },
  { group: "Mistakes of guides", title: "echo without -n", about: "the line end became part of the key", shows: "K8E050", text: file(local("aescbc", [["key1", key("an example key, 32 bytes of text\n")]]) + IDENTITY) },
  { group: "Mistakes of guides", title: "A key of the wrong length", about: "base64 of a text that is too long", shows: "K8E050", text: file(local("aescbc", [["key1", key("this text has forty-four bytes, and not 32!!")]]) + IDENTITY) },
  { group: "Mistakes of guides", title: "The placeholder left in", about: "<BASE 64 ENCODED SECRET>", shows: "K8E040", text: file(local("secretbox", [["key1", "<BASE 64 ENCODED SECRET>"]]) + IDENTITY) },
  { group: "Mistakes of guides", title: "No way back to what is there", about: "without identity, old objects cannot be read", shows: "K8E003", text: file(local("secretbox", [["key1", FIRST]])) },
  { group: "Mistakes of guides", title: "KMS without apiVersion", about: "which means v1, off since 1.29", shows: "K8E050", text: file(kms("") + IDENTITY) },
  { group: "Mistakes of guides", title: "KMS v2 with cachesize", about: "a field that only KMS v1 has", shows: "K8E050", text: file(kms("apiVersion: v2\n          ") + "\n          cachesize: 1000\n          timeout: 3s" + IDENTITY) },
  { group: "Mistakes of guides", title: "A typo in resources", about: "the rule covers nothing, and nobody says so", shows: "K8E026", text: file(local("secretbox", [["key1", FIRST]]) + IDENTITY, "      - secret\n      - cm") },
  { group: "Mistakes of guides", title: "The wildcard comes first", about: "the rule below it would never be reached", shows: "K8E050", text: `${file(local("secretbox", [["key1", FIRST]]) + IDENTITY, "      - '*.*'")}  - resources:\n      - configmaps\n    providers:\n      - identity: {}\n` },
  { group: "Mistakes of guides", title: "A digit key without quotes", about: "YAML reads the secret as a number", shows: "K8E050", text: file(local("aescbc", [["key1", "12345678901234567890123456789012"]]) + IDENTITY) },
  { group: "Mistakes of guides", title: "The same key under two names", about: "a rotation that rotated nothing", shows: "K8E009", text: file(local("secretbox", [["key2", FIRST], ["key1", FIRST]]) + IDENTITY) },
  { group: "Mistakes of guides", title: "Two documents in one file", about: "kube-apiserver reads the first alone", shows: "K8E032", text: `${GOOD}---\n${file(local("secretbox", [["key3", FIRST]]) + IDENTITY, "      - configmaps")}` },
  { group: "Mistakes of guides", title: "The kind of 1.7", about: "EncryptionConfig, still found in old posts", shows: "K8E033", text: GOOD.replace("apiserver.config.k8s.io/v1", "v1").replace("EncryptionConfiguration", "EncryptionConfig") },
  {
    group: "Around the file",
    title: "A static pod",
    about: "the flag is there, the mount is not",
    shows: "K8M005",
    text: `apiVersion: v1
kind: Pod
metadata:
  name: kube-apiserver
  namespace: kube-system
spec:
  hostNetwork: true
  containers:
    - name: kube-apiserver
      image: registry.k8s.io/kube-apiserver:v1.36.1
      command:
        - kube-apiserver
        - --encryption-provider-config=/etc/kubernetes/enc/enc.yaml
        - --encryption-provider-config-automatic-reload=true
      volumeMounts:
        - name: certs
          mountPath: /etc/kubernetes/pki
          readOnly: true
  volumes:
    - name: certs
      hostPath:
        path: /etc/kubernetes/pki
        type: DirectoryOrCreate
`,
  },
  {
    group: "Around the file",
    title: "kubeadm",
    about: "a single file mounted, which reload never sees change",
    shows: "K8M007",
    text: `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.35.0
apiServer:
  extraArgs:
    - name: encryption-provider-config
      value: /etc/kubernetes/enc.yaml
    - name: encryption-provider-config-automatic-reload
      value: "true"
  extraVolumes:
    - name: enc
      hostPath: /etc/kubernetes/enc.yaml
      mountPath: /etc/kubernetes/enc.yaml
      readOnly: true
      pathType: File
`,
  },
  {
    group: "Around the file",
    title: "k3s",
    about: "its own encryption and a file of yours",
    shows: "K8M013",
    text: `secrets-encryption: true
kube-apiserver-arg:
  - encryption-provider-config=/etc/rancher/k3s/enc.yaml
`,
  },
  {
    group: "Around the file",
    title: "Talos",
    about: "keys from which Talos makes the configuration",
    text: `version: v1alpha1
machine:
  type: controlplane
cluster:
  secretboxEncryptionSecret: ${FIRST}
  apiServer:
    image: registry.k8s.io/kube-apiserver:v1.35.2
`,
  },
  {
    group: "Around the file",
    title: "Three servers that differ",
    about: "one of them missed the new key",
    text: GOOD,
    files: [
      { name: "cp-1.yaml", text: GOOD },
      { name: "cp-2.yaml", text: GOOD },
      { name: "cp-3.yaml", text: OLDER },
    ],
  },
];

export const GROUPS = [...new Set(EXAMPLES.map(({ group }) => group))];
