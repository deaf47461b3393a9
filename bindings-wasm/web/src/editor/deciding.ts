// The lines that decide something, shown in the editor until the next edit.

import { type Range, StateEffect, StateField, type Text } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView } from "@codemirror/view";

export interface Deciding {
  from: number;
  to: number;
  /** What writes, or what is tried to read after it. */
  kind: "rule" | "writes" | "reads";
}

/** A place line by line, without what its lines are indented by. */
function lines(doc: Text, { from, to, kind }: Deciding): Range<Decoration>[] {
  const mark = Decoration.mark({ class: `k8senc-decides k8senc-${kind}` });
  const out: Range<Decoration>[] = [];
  for (let line = doc.lineAt(from); ; line = doc.line(line.number + 1)) {
    const begin = Math.max(from, line.from + line.text.search(/\S|$/));
    const end = Math.min(to, line.from + line.text.trimEnd().length);
    if (begin < end) out.push(mark.range(begin, end));
    if (line.to >= to || line.number === doc.lines) return out;
  }
}

const put = StateEffect.define<Deciding[]>();

export const deciding = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(shown, transaction) {
    for (const effect of transaction.effects) {
      if (!effect.is(put)) continue;
      const { doc } = transaction.state;
      const marks = effect.value.filter(({ from, to }) => from < to && to <= doc.length).flatMap((place) => lines(doc, place));
      return Decoration.set(marks, true);
    }
    return transaction.docChanged ? Decoration.none : shown;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Shows the places and brings the first into view. */
export function show(view: EditorView, places: Deciding[]): void {
  const first = Math.min(...places.map(({ from }) => from));
  const effects: StateEffect<unknown>[] = [put.of(places)];
  if (Number.isFinite(first)) effects.push(EditorView.scrollIntoView(first, { y: "center" }));
  view.dispatch({ effects, ...(Number.isFinite(first) ? { selection: { anchor: first } } : {}) });
}
