import type { Bytes, Config, DekRequest, Kms, Text, WasmSource } from "./index.js";
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

export interface AuditResult {
  /** By `audit/schema/audit-report.schema.json`. Names are escaped for terminals, not for HTML. */
  report: Record<string, unknown>;
  /** 0 clean, 1 findings, 3 damaged, 4 partly undecidable. */
  exitCode: number;
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
  report(onProgress?: PassProgress): AuditResult;
  free(): void;
}
export const Audit: { readonly prototype: Audit };

export interface AuditRun {
  kms?: Kms;
  /** Most Decrypt calls, 1000 unless set; the most needed are made. */
  maxKmsCalls?: number;
  onProgress?: (at: { phase: "survey" | "kms" | "report"; done: number; total: number }) => boolean | void;
}

export class K8sencSnapshot extends K8senc {
  openAudit(source: Source, options?: AuditOptions): Audit;
  audit(source: Source, options?: AuditOptions & AuditRun): Promise<AuditResult>;
  escape(text: Text): string;
}

/** As `load` of `k8senc`, with the audit of snapshots. */
export function load(source?: WasmSource): Promise<K8sencSnapshot>;
