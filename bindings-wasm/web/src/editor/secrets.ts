// Keys as dots: marks what the core's parse tree says may be a key, which a style then draws as discs. The text itself stays
// what it is.

import { RangeSetBuilder } from "@codemirror/state";
import { Decoration, type DecorationSet, type EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { core } from "../core.svelte";

const dots = Decoration.mark({ class: "k8senc-secret" });

/** Where a text may hold keys; all of it when nobody can tell. */
export function secretRanges(text: string): { from: number; to: number }[] {
  try {
    return core.run((api) => api.secrets(text));
  } catch {
    return [{ from: 0, to: text.length }];
  }
}

/** The text with dots for its keys, as long as they were. */
export function covered(text: string): string {
  let [out, done] = ["", 0];
  for (const { from, to } of secretRanges(text)) {
    out += text.slice(done, from) + text.slice(from, to).replaceAll(/\S/g, "•");
    done = to;
  }
  return out + text.slice(done);
}

function marks(view: EditorView): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  const text = view.state.doc.toString();
  for (const { from, to } of secretRanges(text)) if (from < text.length) builder.add(from, Math.min(to, text.length), dots);
  return builder.finish();
}

export const hiddenSecrets = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;
    constructor(view: EditorView) {
      this.decorations = marks(view);
    }
    update(update: ViewUpdate) {
      if (update.docChanged) this.decorations = marks(update.view);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);
