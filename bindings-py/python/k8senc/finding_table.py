"""Findings and verdicts for people: what, where with a caret, what kube-apiserver says, what to do."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from k8senc._native import Finding, Snippet, escape

MARK = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "info": ("·", "dim")}


def plural(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class Place:
    """A line with a caret under the place, cut to the width there is. Keys are masked in it already."""

    def __init__(self, line: int, snippet: Snippet) -> None:
        self.line, self.snippet = line, snippet

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        number = str(self.line)
        room = max(options.max_width - len(number) - 3, 20)
        before, marked, after = self.snippet.before, self.snippet.marked, self.snippet.after
        # What stands before the place goes first, but for a little of it.
        if cell_len(before) + cell_len(marked) > room:
            keep = max(room - cell_len(marked) - 1, room // 3)
            before = "…" + before[len(before) - keep + 1 :] if len(before) > keep else before
        marked = marked[: max(room - cell_len(before), 1)]
        after = after[: max(room - cell_len(before) - cell_len(marked), 0)]
        # Indentation says nothing to somebody who sees one line.
        bare = before.lstrip(" ")
        before = before[: min(len(before) - len(bare), 4)] + bare if len(bare) < len(before) else before
        yield Text.assemble((f"{number} | ", "dim"), before, (marked, "bold"), (after, "dim"), no_wrap=True)
        caret = "^" * max(cell_len(marked), 1)
        yield Text.assemble((" " * len(number) + " | ", "dim"), " " * cell_len(before), (caret, "red"), no_wrap=True)


def sentence(label: str, text: str, style: str = "") -> Text:
    line = Text(f"{label} ", "dim")
    line.append(text, style)
    return line


def finding(one: Finding, file: str, *, fixable: bool) -> RenderableType:
    """One finding. `file` is escaped."""
    mark, style = MARK[one.severity]
    place = f"{file}:{one.line}:{one.column}" if one.line is not None else file
    head = Text.assemble((f"{mark} {one.code}", style), f" {one.name}  ", (place, "dim"))
    body: list[RenderableType] = [Text(escape(one.message))]
    if one.snippet is not None and one.line is not None and one.code not in {"K8E036"}:
        body.append(Place(one.line, one.snippet))
    body += [sentence(f"line {line}:", escape(text)) for line, _, text in one.related]
    if one.upstream:
        body.append(sentence("kube-apiserver:", escape(one.upstream)))
    if one.fix is not None and fixable:
        how = "--fix does it" if one.fix.safe else "not by --fix: look at it first"
        body.append(sentence("fix:", f"{escape(one.fix.title)} ({how})"))
    return Group(head, Padding(Group(*body), (0, 0, 1, 2)))
