// What the examples menu offers: a good file and the classic mistakes of popular guides. All keys here are public.

export interface Example {
  title: string;
  about: string;
  text: string;
}

const key = (phrase: string) => btoa(phrase);

const file = (providers: string, resources = "      - secrets") => `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
${resources}
    providers:
${providers}
`;

export const EXAMPLES: Example[] = [
  {
    title: "A rotation half way",
    about: "two keys: the first writes, both read",
    text: file(`      - secretbox:
          keys:
            - name: key-2026-11
              secret: ${key("another example key, of 32 bytes")}
            - name: key-2026-05
              secret: ${key("the older example key 32 bytes!!")}
      - identity: {}`),
  },
  {
    title: "identity first",
    about: "the file has a key, and everything is still written in plaintext",
    text: file(`      - identity: {}
      - aescbc:
          keys:
            - name: key1
              secret: ${key("an example key, 32 bytes of text")}`),
  },
  {
    title: "The key of a guide",
    about: "sample keys that are public, or decode to the wrong length",
    text: file(`      - aesgcm:
          keys:
            - name: key1
              secret: c2VjcmV0IGlzIHNlY3VyZQ==
            - name: key2
              secret: dGhpcyBpcyBwYXNzd29yZA==
      - identity: {}`),
  },
  {
    title: "KMS v2 with cachesize",
    about: "a field that only KMS v1 has",
    text: file(`      - kms:
          apiVersion: v2
          name: cloud-kms
          endpoint: unix:///run/kms/kms.sock
          cachesize: 1000
          timeout: 3s
      - identity: {}`),
  },
  {
    title: "A typo in resources",
    about: "the rule covers nothing, and nobody says so",
    text: file(
      `      - secretbox:
          keys:
            - name: key1
              secret: ${key("an example key, 32 bytes of text")}
      - identity: {}`,
      "      - secret\n      - cm",
    ),
  },
  {
    title: "A digit key without quotes",
    about: "YAML reads the secret as a number",
    text: file(`      - aescbc:
          keys:
            - name: key1
              secret: 12345678901234567890123456789012
      - identity: {}`),
  },
  {
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
];
