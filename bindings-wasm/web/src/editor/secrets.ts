// Keys as dots: marks the text behind `secret:`, which a style then draws as discs. The text itself stays what it is.

import { RangeSetBuilder } from "@codemirror/state";
import { Decoration, type DecorationSet, type EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";

// The value behind the field, also in JSON and in flow style; deliberately too wide rather than too narrow.
const SECRET = /["']?secret["']?[ \t]*:[ \t]*([^\s#][^\n#]*)/gi;

const dots = Decoration.mark({ class: "k8senc-secret" });

/** Ranges of `text` that hold keys, moved by `base`. */
export function secretRanges(text: string, base = 0): { from: number; to: number }[] {
  return [...text.matchAll(SECRET)].flatMap((match) => {
    const value = (match[1] ?? "").trimEnd();
    const from = base + match.index + match[0].length - (match[1] ?? "").length;
    return value ? [{ from, to: from + value.length }] : [];
  });
}

function marks(view: EditorView): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  for (const { from, to } of view.visibleRanges) {
    const start = view.state.doc.lineAt(from).from;
    for (const range of secretRanges(view.state.sliceDoc(start, to), start)) builder.add(range.from, range.to, dots);
  }
  return builder.finish();
}

export const hiddenSecrets = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;
    constructor(view: EditorView) {
      this.decorations = marks(view);
    }
    update(update: ViewUpdate) {
      if (update.docChanged || update.viewportChanged) this.decorations = marks(update.view);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);
