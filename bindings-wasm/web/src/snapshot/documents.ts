// The report as files, written by the core as `k8senc audit --format` writes them.

import type { ReportDocument, ReportFormat } from "../../../js/snapshot.js";

interface Kind {
  format: ReportFormat;
  title: string;
  ending: string;
  type: string;
}

export const KINDS: Kind[] = [
  { format: "html", title: "HTML", ending: "html", type: "text/html" },
  { format: "markdown", title: "Markdown", ending: "md", type: "text/markdown" },
  { format: "csv", title: "CSV, values", ending: "csv", type: "text/csv" },
  { format: "csv-findings", title: "CSV, findings", ending: "findings.csv", type: "text/csv" },
  { format: "json", title: "JSON", ending: "json", type: "application/json" },
  { format: "sarif", title: "SARIF", ending: "sarif", type: "application/sarif+json" },
];

/** Each kind with names and without, in this order. */
export const wanted = (name: string): ReportDocument[] => KINDS.flatMap(({ format }) => [false, true].map((redactNames) => ({ format, name, redactNames })));

/** Hands one of them to the browser. */
export function save(documents: string[], kind: Kind, name: string, redacted: boolean): void {
  hand(documents[2 * KINDS.indexOf(kind) + Number(redacted)] ?? "", `${name}.audit.${kind.ending}`, kind.type);
}

/** Hands a text to the browser as a file. */
export function hand(text: string, name: string, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  // The download may start a moment later.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
