// The audit of the shipped snapshot against what its maker wrote down while filling it, in Node and in a page alike.

const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** The toy KMS of the sample: AES-GCM of the platform, none of ours. */
export function localKek(text, name) {
  const { keks, currentKeyId, usesSeed } = JSON.parse(text).plugins[name];
  const subtle = globalThis.crypto.subtle;
  const kms = {
    calls: 0,
    async decrypt({ keyId, ciphertext }) {
      kms.calls += 1;
      for (const [id, kek] of Object.entries(keks)) {
        if (keyId && id !== keyId) continue;
        const key = await subtle.importKey("raw", fromBase64(kek), "AES-GCM", false, ["decrypt"]);
        try {
          const how = { name: "AES-GCM", iv: ciphertext.subarray(0, 12) };
          return new Uint8Array(await subtle.decrypt(how, key, ciphertext.subarray(12)));
        } catch {
          continue;
        }
      }
      throw new Error("no local KEK opens this encrypted DEK");
    },
  };
  return currentKeyId === undefined ? kms : Object.assign(kms, { keyId: currentKeyId, usesSeed });
}

// The words of the expectations, which are the maker's, in those of the report.
const PROVIDERS = { kmsv1: "kms-v1", kmsv2: "kms-v2" };
const REASONS = { "kmsv1-cbc-body": "legacy-body" };

function byName(entries) {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What differs between report and expectations, as pairs of JSON that have to be equal. */
export function comparisons(report, expected) {
  const group = (provider, it, why) => [
    JSON.stringify([it.resource, provider, it.key ?? null, it.keyId ?? null, it.form ?? null]),
    [it.live, it.stale, why, it.unreadable, it.history, it.historyUnreadable],
  ];
  const found = report.groups.map((it) => group(it.provider, it, byName(Object.entries(it.staleWhy))));
  const wanted = expected.groups.map((it) => {
    const why = Object.entries(it.staleWhy ?? {}).map(([reason, count]) => [REASONS[reason] ?? reason, count]);
    return group(PROVIDERS[it.provider] ?? it.provider, it, byName(why));
  });
  const names = ["bytes", "revision", "compactRevision", "liveKeys", "rows", "tombstones", "deletedKeys"];
  const deks = report.deks.map(({ provider, live, all }) => [provider, { live, all }]);
  return [
    ["groups", byName(found), byName(wanted)],
    ["snapshot", names.map((name) => report.snapshot[name]), names.map((name) => expected.snapshot[name])],
    ["hash", report.snapshot.sha256, { status: "match", computed: expected.snapshot.sha256, stored: expected.snapshot.sha256 }],
    ["DEKs", byName(deks), byName(Object.entries(expected.distinctDeks))],
  ];
}
