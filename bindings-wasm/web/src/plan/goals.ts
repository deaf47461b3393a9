// What a person may want, in the planner's words.

export interface Goal {
  name: string;
  label: string;
  /** What has to be typed besides. */
  asks?: { label: string; placeholder: string };
}

export const GOALS: Goal[] = [
  { name: "", label: "exactly the file on the right" },
  { name: "rotate-key", label: "rotate the key" },
  { name: "change-provider", label: "change the provider", asks: { label: "to", placeholder: "secretbox" } },
  { name: "kms-v2", label: "move to KMS v2", asks: { label: "name and socket", placeholder: "cloud-kms,unix:///run/kms/kms.sock" } },
  { name: "v1-to-v2", label: "KMS v1 to KMS v2" },
  { name: "rename-key", label: "rename a key", asks: { label: "old=new", placeholder: "key1=key-2026-11" } },
  { name: "decrypt-all", label: "decrypt everything" },
  { name: "break-glass", label: "the KMS is down: what helps now" },
];
