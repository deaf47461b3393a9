// Compiled by tsc, never run: that people's code has the types it expects.
import type { Finding, KmsState, Opened, Transition } from "k8senc";
import { ConfigError, K8senc, load, Poisoned, StoredValueError } from "k8senc";
import { fileSource } from "k8senc/node";
import { load as loadSnapshot } from "k8senc/snapshot";
import { auditInWorker } from "k8senc/worker";

export async function use(text: string, stored: Uint8Array, worker: Worker, file: File): Promise<string | null> {
  const k8senc: K8senc = await load();
  const findings: Finding[] = k8senc.lint(text, { version: "1.31", migration: "done", file: { mode: 0o600 } });
  const fixed: string = findings.reduce((now, { fix }) => (fix ? k8senc.applyFix(now, fix) : now), text);
  const config = k8senc.Config.parse(fixed);
  const state: KmsState = { keyId: "1" };
  const chain = config.chain("secrets");
  const opened: Opened = await chain.open(stored, "/registry/secrets/a/b", {
    kms: { a: async ({ ciphertext }) => ciphertext, b: { ...state, decrypt: (request) => request.ciphertext } },
  });
  const pasted: Uint8Array | undefined = k8senc.readPasted(text)?.[0]?.stored;
  const key: Uint8Array | null = k8senc.parseKey(text);
  const stale: boolean | null = opened.stale;
  const change: Transition = config.checkTransition(config, { servers: 3, stored: [{ resource: "secrets", prefix: "", live: 1 }] });
  const story: string = change.ok ? `${change.states}` : change.events.map((event) => event.text).join("; ");
  const step = chain.tryOpen(stored, "key");
  if (step.request) chain.supply(step.request, new Uint8Array(32));
  else step.opened.reveal();
  // @ts-expect-error a value is bytes, never text
  await chain.open("text", "key");
  // @ts-expect-error there is no such option
  k8senc.validate(text, { realease: "1.31" });
  const big = (await loadSnapshot()).renew();
  const { report, exitCode }: { report: Record<string, unknown>; exitCode: number } = await big.audit(fileSource("a.db"));
  // @ts-expect-error there is no such form
  await big.audit(fileSource("a.db"), { documents: [{ format: "pdf", name: "a" }] });
  await auditInWorker(worker, file, { config: text, documents: [{ format: "html", name: file.name, redactNames: true }], signal: AbortSignal.timeout(1), onProgress: ({ phase }) => phase === "kms" });
  try {
    return `${stale} ${pasted?.length} ${key?.length} ${story} ${String(report.totals)} ${exitCode}`;
  } catch (error) {
    if (error instanceof ConfigError) return error.verdict.upstream;
    if (error instanceof StoredValueError) return error.request?.keyId ?? error.upstream;
    if (error instanceof Poisoned) return k8senc.renew().version;
    throw error;
  }
}
