// What is wrong, as the editor shows it: kube-apiserver's refusals and our advice, each with its range and quick fix.

import type { Diagnostic } from "@codemirror/lint";
import type { EditorView } from "@codemirror/view";
import type { Finding } from "../../../js/index.js";
import { inVerdict, type Judged } from "../judge";

const SEVERITY: Record<string, Diagnostic["severity"]> = { error: "error", warning: "warning", info: "info", hint: "hint" };

/** The edits of a fix, as one undoable change. */
export function apply(view: EditorView, fix: NonNullable<Finding["fix"]>): void {
  view.dispatch({ changes: fix.edits.map(({ from, to, insert }) => ({ from, to, insert })), userEvent: "input.fix" });
  view.focus();
}

export function diagnosticsOf({ verdict, findings, manifest }: Judged): Diagnostic[] {
  const mends = findings.filter((finding) => inVerdict(finding) && finding.fix);
  const said = manifest?.verdicts ?? (verdict ? [verdict] : []);
  const refusals = said.flatMap(({ problems }) => problems).map((problem): Diagnostic => {
    const mend = mends.find((finding) => finding.range?.from === problem.range?.from)?.fix;
    return {
      from: problem.range?.from ?? 0,
      to: problem.range?.to ?? 0,
      severity: "error",
      source: "kube-apiserver",
      message: problem.message,
      ...(mend ? { actions: [{ name: mend.title, apply: (view: EditorView) => apply(view, mend) }] } : {}),
    };
  });
  const advice = findings
    // A refusal is told once, in kube-apiserver's words.
    .filter((finding) => !inVerdict(finding))
    .map((finding): Diagnostic => ({
      from: finding.range?.from ?? 0,
      to: finding.range?.to ?? 0,
      severity: SEVERITY[finding.severity] ?? "info",
      source: finding.code,
      message: finding.message,
      ...(finding.fix ? { actions: [{ name: finding.fix.title, apply: (view: EditorView) => finding.fix && apply(view, finding.fix) }] } : {}),
    }));
  return [...refusals, ...advice];
}
