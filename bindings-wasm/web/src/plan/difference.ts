// Two files line by line, with names in the place of keys: the same key has the same name in both.

import { core } from "../core.svelte";
import { secretRanges } from "../editor/secrets";

export interface Line {
  sign: " " | "+" | "-" | "…";
  text: string;
}

const AROUND = 3;

/** Texts with each key replaced by `‹key 1›`, `‹key 2›`: told apart, and nothing else. */
function named(texts: string[]): string[] {
  const known: string[] = [];
  return texts.map((text) => {
    let [out, done] = ["", 0];
    for (const { from, to } of secretRanges(text)) {
      const value = text.slice(from, to).replaceAll(/\s+|^["'|>][-+]?|["']$/g, "");
      if (!known.includes(value)) known.push(value);
      const mark = fingerprint(value);
      out += `${text.slice(done, from)}‹key ${known.indexOf(value) + 1}${mark ? `, fingerprint ${mark}` : ""}›`;
      done = to;
    }
    return out + text.slice(done);
  });
}

function fingerprint(value: string): string | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return null;
  try {
    return core.run((api) => api.fingerprint(Uint8Array.from(atob(value), (char) => char.charCodeAt(0))));
  } catch {
    return null;
  }
}

/** Past this many pairs of lines, what lies between the first and the last change is shown as one. */
const MOST_PAIRS = 4_000_000;

/** Every line of both, by a longest common subsequence of what lies between common beginning and end. */
function aligned(a: string[], b: string[]): Line[] {
  let [from, endA, endB] = [0, a.length, b.length];
  while (from < endA && from < endB && a[from] === b[from]) from += 1;
  while (endA > from && endB > from && a[endA - 1] === b[endB - 1]) {
    endA -= 1;
    endB -= 1;
  }
  const [rows, columns] = [endA - from, endB - from];
  const wide = columns + 1;
  // Lengths for what follows each pair; zeros where the files are too large, which puts all removed lines first.
  const longest = new Uint32Array(rows * columns <= MOST_PAIRS ? (rows + 1) * wide : 0);
  if (longest.length) {
    for (let row = rows - 1; row >= 0; row -= 1) {
      for (let column = columns - 1; column >= 0; column -= 1) {
        const [down, right] = [longest[(row + 1) * wide + column] ?? 0, longest[row * wide + column + 1] ?? 0];
        longest[row * wide + column] = a[from + row] === b[from + column] ? (longest[(row + 1) * wide + column + 1] ?? 0) + 1 : Math.max(down, right);
      }
    }
  }
  const out: Line[] = a.slice(0, from).map((text) => ({ sign: " ", text }));
  let [row, column] = [0, 0];
  while (row < rows || column < columns) {
    if (longest.length && row < rows && column < columns && a[from + row] === b[from + column]) {
      out.push({ sign: " ", text: a[from + row] ?? "" });
      row += 1;
      column += 1;
    } else if (row < rows && (column === columns || (longest[(row + 1) * wide + column] ?? 0) >= (longest[row * wide + column + 1] ?? 0))) {
      out.push({ sign: "-", text: a[from + row] ?? "" });
      row += 1;
    } else {
      out.push({ sign: "+", text: b[from + column] ?? "" });
      column += 1;
    }
  }
  return [...out, ...a.slice(endA).map((text): Line => ({ sign: " ", text }))];
}

/** The lines that change with a few around them; none when nothing does. */
export function difference(before: string, after: string): Line[] {
  const [a = [], b = []] = named([before, after]).map((text) => text.split("\n"));
  const all = aligned(a, b);
  const near = new Uint8Array(all.length);
  for (const [at, { sign }] of all.entries()) if (sign !== " ") near.fill(1, Math.max(0, at - AROUND), at + AROUND + 1);
  const out: Line[] = [];
  for (const [at, line] of all.entries()) {
    if (near[at]) out.push(line);
    else if (near[at - 1] || (at === 0 && near.includes(1))) out.push({ sign: "…", text: "" });
  }
  return out;
}
