// The part of the audit's report that the page shows; the whole is described by audit/schema/audit-report.schema.json.

export interface Counts {
  live: number;
  plaintext: number;
  exposed: number;
  stale: number;
  staleUnknown: number;
  unreadable: number;
  undecided: number;
  history: number;
  historyPlaintext: number;
  historyExposed: number;
}

export interface Finding {
  code: string;
  severity: "error" | "warning" | "info";
  resource: string | null;
  provider: string | null;
  key: string | null;
  count: number;
  message: string;
  advice: string;
  examples: { etcdKey: string; revision: number }[];
}

export interface Report {
  judged: boolean;
  snapshot: { bytes: number; revision: number; etcdVersion: string; damagedRows: number; sha256: { status: string } };
  totals: Counts;
  resources: (Counts & { resource: string })[];
  groups: (Counts & { resource: string; provider: string; key: string | null; guessed: boolean })[];
  namespaces: (Counts & { namespace: string | null })[];
  otherNamespaces: (Counts & { namespaces: number }) | null;
  findings: Finding[];
}

interface Share {
  name: string;
  provider: string;
  live: number;
  stale: number;
}

/** Live values by provider and key, most first. */
export function byKey(report: Report): Share[] {
  const sums = new Map<string, Share>();
  for (const group of report.groups) {
    const name = group.key ? `${group.provider}:${group.key}${group.guessed ? " ?" : ""}` : group.provider;
    const sum = sums.get(name) ?? { name, provider: group.provider, live: 0, stale: 0 };
    sum.live += group.live;
    sum.stale += group.stale;
    sums.set(name, sum);
  }
  return [...sums.values()].filter((one) => one.live > 0).sort((a, b) => b.live - a.live);
}

/** The namespaces, and a row for those that the report does not list. */
export const bySpace = ({ namespaces, otherNamespaces: others }: Report): (Counts & { name: string })[] => [
  ...namespaces.map((one) => ({ ...one, name: one.namespace ?? "(of the cluster)" })),
  ...(others ? [{ ...others, name: `${others.namespaces} others` }] : []),
];

/** Bars of what lies in plaintext and should not, most first; the live ones are marked. */
export function exposedBars(rows: (Counts & { name: string })[]): { name: string; value: number; marked: number; kind: string }[] {
  const bars = rows.map((one) => ({ name: one.name, value: one.exposed + one.historyExposed, marked: one.exposed, kind: "identity" }));
  return bars.filter((one) => one.value > 0).sort((a, b) => b.value - a.value);
}
