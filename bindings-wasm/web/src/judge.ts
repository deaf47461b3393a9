// What is to be said of one file: a configuration, or a manifest that brings one.

import type { Config, ConfigError, EntryPlaces, Finding, ServerOptions, Verdict } from "../../js/index.js";
import type { K8sencSnapshot, Manifest } from "../../js/snapshot.js";
import { core } from "./core.svelte";
import { planner } from "./plan/planner.svelte";

/** What a manifest is and brings, as far as the page shows it. */
export interface Brought {
  form: string;
  servers: readonly string[];
  version: string | null;
  reload: boolean;
  references: Manifest["references"];
  embedded: Manifest["embedded"];
  /** What is said of each of them, with places in the manifest. */
  verdicts: Verdict[];
  /** Which of them is shown. */
  chosen: number;
}

export interface Judged {
  /** Null for a manifest that holds no configuration. */
  verdict: Verdict | null;
  findings: Finding[];
  /** Null when kube-apiserver refuses the text. */
  config: Config | null;
  manifest: Brought | null;
  /** It looks like a manifest, and the module that reads those is still loading. */
  waiting: boolean;
  /** The configuration itself: the text, or what the manifest holds. */
  source: string;
}

/** Whether a finding is a refusal of the configuration, which the verdict tells; what is said of the way to it is told as advice. */
export const inVerdict = ({ upstream, code }: Finding) => upstream != null && !code.startsWith("K8M");

/** A top-level kind in block style: nothing that has it is a manifest, unless documents follow. */
const PLAIN = /^kind: *["']?EncryptionConfig(?:uration)?["']? *(?:#.*)?$/m;
/** What every manifest that concerns encryption mentions. */
const ABOUT = /kube-apiserver|EncryptionConfig|secrets-encryption|EncryptionSecret|encryption-provider|kubeadm\.k8s\.io|kms/;

const mayBring = (text: string) => text.length < 4 << 20 && ABOUT.test(text) && (!PLAIN.test(text) || /^---/m.test(text));

function parse(text: string, options: ServerOptions): Config | null {
  try {
    return core.run((api) => api.Config.parse(text, options));
  } catch (error) {
    // The verdict said why it does not load.
    if ((error as ConfigError).name !== "ConfigError") throw error;
    return null;
  }
}

/** Runs `work` on a text that is a manifest; null when it is none, undefined while nobody can tell. */
function within<T>(text: string, name: string, work: (manifest: Manifest, api: K8sencSnapshot) => T): T | null | undefined {
  if (!mayBring(text)) return null;
  const api = planner.api;
  if (!api) {
    // What is derived may start nothing by itself.
    queueMicrotask(() => planner.start());
    return undefined;
  }
  return planner.run(() => {
    const manifest = api.manifest(text, { name });
    if (!manifest) return null;
    try {
      return work(manifest, api);
    } finally {
      manifest.free();
    }
  });
}

/** `others` are the files beside it: those that are configurations are taken for the ones its servers read. */
export function judge(text: string, name: string, others: string[], options: ServerOptions, wanted?: number): Judged {
  const brought = within(text, name, (manifest, api): Judged => {
    const { form, servers, version, reload, references, embedded } = manifest;
    const beside = others.filter((other) => PLAIN.test(other) || !api.manifest(other));
    const findings = manifest.lint(beside, options);
    const verdicts = embedded.flatMap((_, index) => manifest.validate(index, options) ?? []);
    const refused = Math.max(0, verdicts.findIndex(({ ok }) => !ok));
    const chosen = wanted !== undefined && wanted < verdicts.length ? wanted : refused;
    const source = manifest.text(chosen) ?? "";
    return { verdict: verdicts[chosen] ?? null, findings, config: null, waiting: false, source, manifest: { form, servers, version, reload, references, embedded, verdicts, chosen } };
  });
  if (brought) return { ...brought, config: brought.verdict?.ok ? parse(brought.source, options) : null };
  const verdict = core.run((api) => api.validate(text, options));
  const findings = core.run((api) => api.lint(text, options));
  return { verdict, findings, config: verdict.ok ? parse(text, options) : null, manifest: null, waiting: brought === undefined, source: text };
}

/** Where the entries of the judged configuration stand in the text. */
export function outline(text: string, name: string, judged: Judged, options: ServerOptions): EntryPlaces[] {
  const chosen = judged.manifest?.chosen;
  if (chosen !== undefined) return within(text, name, (manifest) => manifest.outline(chosen, options)) ?? [];
  return core.run((api) => api.outline(text, options));
}
