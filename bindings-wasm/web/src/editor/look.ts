// How the editor looks. Colours are the page's custom properties, which reach into the shadow root.

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const theme = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--field)", fontSize: "0.875rem", height: "100%" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)", padding: "0.75rem 0" },
  ".cm-gutters": { backgroundColor: "var(--field)", color: "var(--faint)", border: "none" },
  ".cm-activeLine": { backgroundColor: "var(--line)" },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": { backgroundColor: "var(--selection) !important" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".k8senc-secret, .k8senc-secret *": { "-webkit-text-security": "disc", color: "var(--faint)" },
  ".k8senc-decides": { borderBottom: "2px solid var(--accent)" },
  ".k8senc-rule, .k8senc-writes": { backgroundColor: "var(--selection)" },
  ".k8senc-reads": { borderBottomStyle: "dotted" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--border)", maxWidth: "min(36rem, 90vw)", borderRadius: "6px", overflow: "hidden" },
  ".cm-diagnostic": { fontFamily: "var(--sans)", fontSize: "0.875rem", padding: "0.5rem 0.75rem", borderLeft: "4px solid var(--note)" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--error)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warning)" },
  ".cm-diagnosticAction": { backgroundColor: "var(--accent)", color: "var(--on-accent)", borderRadius: "4px", padding: "0.15rem 0.5rem", margin: "0.25rem 0 0" },
  ".cm-lintRange-error, .cm-lintRange-warning, .cm-lintRange-info": { backgroundImage: "none", textDecoration: "underline wavy var(--note)", textUnderlineOffset: "3px" },
  ".cm-lintRange-error": { textDecorationColor: "var(--error)" },
  ".cm-lintRange-warning": { textDecorationColor: "var(--warning)" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)" },
  ".cm-textfield": { backgroundColor: "var(--field)", color: "var(--text)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--field)", color: "var(--text)" },
});

const highlight = HighlightStyle.define([
  { tag: tags.atom, color: "var(--key)" },
  { tag: tags.comment, color: "var(--faint)", fontStyle: "italic" },
  { tag: [tags.string, tags.number, tags.keyword], color: "var(--string)" },
  { tag: tags.meta, color: "var(--faint)" },
  { tag: tags.variableName, color: "var(--accent)" },
]);

export const look = [theme, syntaxHighlighting(highlight)];
