import type { Kms, Text } from "./index.js";
import type { AuditOptions, AuditResult, AuditRun, K8sencSnapshot } from "./snapshot.js";

/** Runs in a worker and answers `auditInWorker`. */
export function serveAudits(load: () => Promise<K8sencSnapshot>): void;

export interface WorkerAudit extends Omit<AuditOptions, "config">, AuditRun {
  config?: Text | null;
  kms?: Kms;
  /** Aborting ends the worker at once, with all that it held. */
  signal?: AbortSignal;
}

/** Has a worker audit a file, and ends the worker when done. */
export function auditInWorker(worker: Worker, file: Blob | Uint8Array, options?: WorkerAudit): Promise<AuditResult>;
