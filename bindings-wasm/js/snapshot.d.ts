import type { Bytes, Config, DekRequest, EntryPlaces, Finding, Hazard, Kms, LintOptions, Range, ServerOptions, Stored, Text, Verdict, WasmSource } from "./index.js";
import { K8senc } from "./index.js";

export * from "./index.js";
export { auditInWorker, serveAudits } from "./worker.js";

/** Bytes that are read where they are needed. `read` answers exactly `length` bytes, at once. */
export interface Source {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

export function bytesSource(bytes: Uint8Array): Source;
/** In a worker only: `FileReaderSync` reads. */
export function fileSource(file: Blob): Source;

export interface Embedded {
  /** The field it was found in. */
  origin: string;
  /** The path that it will be written to on the host. */
  writesTo: string | null;
  /** Whether it stands in the file, rather than being made from keys in it. */
  verbatim: boolean;
  range: Range | null;
}

/** A file that brings configurations to API servers. */
export interface Manifest {
  readonly form: "Kubernetes manifest" | "kubeadm configuration" | "k3s or RKE2 configuration" | "Talos machine configuration";
  readonly servers: readonly string[];
  readonly version: string | null;
  readonly reload: boolean;
  readonly kmsv1: boolean | null;
  /** Files that its servers read and that it does not hold. */
  readonly references: readonly { server: string; path: string; hostPath: string | null }[];
  readonly embedded: readonly Embedded[];
  text(index: number): string | null;
  outline(index: number, options?: ServerOptions): EntryPlaces[];
  /** What kube-apiserver says of one of them, with places in the manifest; null where there is none. */
  validate(index: number, options?: ServerOptions): Verdict | null;
  lint(files?: Text[], options?: LintOptions): Finding[];
  /** Wipes it. */
  free(): void;
}
export const Manifest: { readonly prototype: Manifest };

export interface AuditOptions {
  /** With one, values are opened and judged; without, classified. */
  config?: Config | null;
  /** Compare the SHA-256 behind the pages; on unless set. */
  hash?: boolean;
  /** Examples for each finding, 3 unless set. */
  examples?: number;
  /** The cluster's `--etcd-prefix`, where it is not one of the usual. */
  etcdPrefix?: string;
}

/** Return `false` to stop. */
export type PassProgress = (at: { done: number; total: number }) => boolean | void;

export type ReportFormat = "json" | "jsonl" | "sarif" | "csv" | "csv-findings" | "markdown" | "html" | "prometheus";

/** A form of the report, byte for byte as `k8senc audit --format` writes it. */
export interface ReportDocument {
  format: ReportFormat;
  /** The snapshot's file name. */
  name: Text;
  /** When it was made, as it should be shown. */
  when?: string;
  /** Leave out the names of objects and namespaces. */
  redactNames?: boolean;
}

export interface AuditResult {
  /** By `audit/schema/audit-report.schema.json`. Names are escaped for terminals, not for HTML. */
  report: Record<string, unknown>;
  /** 0 clean, 1 findings, 3 damaged, 4 partly undecidable. */
  exitCode: number;
  /** The documents asked for, in their order. */
  documents: string[];
}

export interface Audit {
  survey(onProgress?: PassProgress): {
    needs: { request: DekRequest; live: number; history: number }[];
    /** Distinct requests that were too many to be listed. */
    beyond: number;
  };
  supply(request: DekRequest, dek: Bytes): void;
  refuse(request: DekRequest, reason: string): void;
  tell(kms: Kms): void;
  report(onProgress?: PassProgress, documents?: readonly ReportDocument[]): AuditResult;
  free(): void;
}
export const Audit: { readonly prototype: Audit };

export interface AuditRun {
  kms?: Kms;
  /** Most Decrypt calls, 1000 unless set; the most needed are made. */
  maxKmsCalls?: number;
  documents?: readonly ReportDocument[];
  onProgress?: (at: { phase: "survey" | "kms" | "report"; done: number; total: number }) => boolean | void;
}

export interface PlanOptions {
  servers?: number;
  reload?: boolean;
  version?: string;
  stored?: Stored[];
  /** The rules to change; all that the goal fits unless set. */
  resources?: string[];
  pluginDelaySeconds?: number;
  disabledKeyIds?: string[];
  rewriteAfterSeconds?: number;
  path?: string;
  /** Whether the files of the plan are kept, so that their new keys have fingerprints worth showing. */
  kept?: boolean;
}

export interface PlanCheck {
  ok: boolean;
  states: number;
  counterexample: string | null;
  outage: string | null;
}

export interface PlanStep {
  number: number;
  name: string;
  title: string;
  why: string;
  /** `text` holds keys; `diff` has fingerprints in their place. */
  file: { name: string | null; diff: string; layoutKept: boolean; text: string | null } | null;
  commands: { place: string; variant: string | null; text: string }[];
  /** How to see that it is done, with what shows it where anything does. */
  checks: { what: string; command: string | null }[];
  back: { safe: boolean; how: string };
  checked: PlanCheck | null;
  hazards: Hazard[];
}

export interface Plan {
  format: 1;
  kind: "k8senc-plan";
  goal: string;
  title: string;
  servers: number;
  reload: boolean;
  kubernetes: string;
  counted: boolean;
  ok: boolean;
  direct: PlanCheck | null;
  hazards: Hazard[];
  matrix: { resource: string; writes: "A" | "B"; with: string; reads: "A" | "B"; whyNot: string | null }[];
  steps: PlanStep[];
  lastWayBack: number | null;
  growth: Record<string, unknown>[];
  notes: string[];
}

export interface KeysetRecord {
  setId: string;
  wraps: { kind: string; slot: number; bytes: number }[];
}

export interface OpenedKeyset {
  seed: Uint8Array;
  /** What the opening proves of who wrote the record. */
  provenance: "symmetric-kek" | "set-key" | "unproven";
  slot: number;
}

export class K8sencSnapshot extends K8senc {
  /** `name` is the file's, which tells RKE2 from k3s. */
  manifest(text: Text, options?: { name?: string }): Manifest | null;
  openAudit(source: Source, options?: AuditOptions): Audit;
  audit(source: Source, options?: AuditOptions & AuditRun): Promise<AuditResult>;
  /** `goal`: `rotate-key`, `change-provider=secretbox`, `kms-v2=NAME,unix:///SOCKET`, `v1-to-v2`, `rename-key=A=B`, `decrypt-all`, `break-glass`. */
  plan(text: Text, goal: string, options?: PlanOptions): Plan;
  planChange(old: Text | null, newer: Text | null, options?: PlanOptions): Plan;
  planConverge(one: Text, other: Text, options?: PlanOptions): Plan;
  readKeyset(record: Bytes): KeysetRecord;
  openKeyset(
    record: Bytes,
    how: { keyId: string; cluster: string; recoveryKey?: Bytes; localKek?: Bytes; setKey?: Bytes },
  ): OpenedKeyset;
}

/** As `load` of `k8senc`, with the audit of snapshots. */
export function load(source?: WasmSource): Promise<K8sencSnapshot>;
