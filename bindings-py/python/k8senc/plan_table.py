"""A plan for people: the verdict first, then step by step what to do and why."""

from __future__ import annotations

import re

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from k8senc._native import escape
from k8senc.planning import Plan, PlanCheck, PlanCommand, PlanGrowth, PlanHazard, PlanStep

_SEVERITY = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "info": ("·", "dim")}
# Narrow enough for 80 columns, with what stands before it.
_SHELL = 74
_DIFF = {"+": "green", "-": "red"}


def shown(text: str) -> str:
    """Names from files, made fit for a terminal; line ends and tabs stay."""
    return "\n".join(escape(line) for line in text.replace("\t", "    ").split("\n"))


def render(plan: Plan) -> RenderableType:
    parts: list[RenderableType] = [_headline(plan), _setting(plan)]
    if plan.direct is not None and plan.direct.counterexample:
        parts.append(_row("✗", "bold red", Text.assemble(("In one go: ", "bold"), shown(plan.direct.counterexample))))
    if plan.hazards:
        parts += [Text(), _hazards(plan.hazards)]
    if plan.matrix:
        parts += [Text(), _matrix(plan)]
    for step in plan.steps:
        parts += [Text(), _step(plan, step)]
    if plan.growth:
        parts += [Text(), _growth(plan.growth)]
    if plan.notes:
        parts.append(Text())
        parts += [_row("·", "dim", Text(shown(note))) for note in plan.notes]
    return Group(*parts)


def _row(mark: str, style: str, text: RenderableType) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    grid.add_row(Text(mark, style), text)
    return grid


def _headline(plan: Plan) -> Text:
    failing = [step.number for step in plan.steps if step.checked is not None and not step.checked.ok]
    steps = f"{len(plan.steps)} step{'' if len(plan.steps) == 1 else 's'}"
    if failing:
        return Text(f"✗ {shown(plan.title)}: no safe way was found, step {failing[0]} fails", "bold red")
    if plan.direct is not None and not plan.direct.ok:
        way = f"safe in {steps}" if plan.steps else "and no safe way was found"
        return Text(f"✗ {shown(plan.title)}: not safe in one go, {way}", "bold red")
    if not plan.ok:
        return Text(f"✗ {shown(plan.title)}: see the errors below", "bold red")
    checked = ", every change checked" if any(step.checked for step in plan.steps) else ""
    return Text(f"✓ {shown(plan.title)}: {steps}{checked}" if plan.steps else f"✓ {shown(plan.title)}: nothing to do", "bold green")


def _setting(plan: Plan) -> Text:
    states = sum(step.checked.states for step in plan.steps if step.checked is not None)
    how = "automatic reload" if plan.reload else "restarts"
    line = f"{plan.servers} server{'' if plan.servers == 1 else 's'} with {how}, Kubernetes {plan.kubernetes}; {states:,} states looked at, no read fails in any"
    if not states or not all(step.checked.ok for step in plan.steps if step.checked is not None):
        line = line.partition(";")[0]
    return Text(line, "dim")


def _hazards(hazards: tuple[PlanHazard, ...]) -> RenderableType:
    rows: list[RenderableType] = []
    for hazard in hazards:
        mark, style = _SEVERITY.get(hazard.severity, _SEVERITY["warning"])
        title = Text.assemble((shown(hazard.message), style), (f"  [{hazard.code}]", "dim"))
        rows.append(_row(mark, style, Group(title, Text(hazard.advice, "italic"))))
    return Group(*rows)


def _matrix(plan: Plan) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
    for heading in ("resource", "writes", "with", "reads", ""):
        table.add_column(heading, overflow="fold")
    for cell in plan.matrix:
        verdict = Text("✓ reads it", "green") if cell.why_not is None else Text(f"✗ {shown(cell.why_not)}", "red")
        table.add_row(shown(cell.resource), cell.writes, shown(cell.written_with), cell.reads, verdict)
    return table


def _step(plan: Plan, step: PlanStep) -> RenderableType:
    parts: list[RenderableType] = [Text(step.why, "dim")]
    if step.file is not None and step.file.diff:
        lines = Text()
        for line in shown(step.file.diff).rstrip("\n").split("\n"):
            lines.append(line + "\n", _DIFF.get(line[:1], ""))
        lines.rstrip()
        parts.append(Padding(lines, (0, 0, 0, 2)))
    if step.checked is not None:
        parts.append(_checked(step.checked))
    parts += [_hazards(step.hazards)] if step.hazards else []
    place = None
    for command in step.commands:
        heading = _place(command)
        if heading != place:
            parts.append(Text(heading, "cyan"))
            place = heading
        parts.append(_shell(command.text))
    for check in step.checks:
        parts.append(_row("?", "cyan", Text(shown(check.what))))
        if check.command:
            parts.append(_shell(check.command))
    parts.append(_row("←", "dim" if step.back.safe else "yellow", Text(shown(step.back.how), "dim" if step.back.safe else "yellow")))
    if plan.last_way_back == step.number and step.number < len(plan.steps):
        parts.append(_row("!", "yellow", Text("after this step the first file cannot be put back at once: go back step by step, or on", "yellow")))
    title = Text(f"{step.number}. {shown(step.title)}", "bold")
    return Group(title, Padding(Group(*parts), (0, 0, 0, 3)))


def _shell(text: str) -> RenderableType:
    """A command that can be pasted as it is shown."""
    return Padding(Text(folded(shown(text), _SHELL), no_wrap=True, overflow="ignore"), (0, 0, 0, 2))


def folded(text: str, width: int) -> str:
    """Long lines of a command broken at blanks outside of quotes, with the backslash that a shell wants."""
    return "\n".join(_folded_line(line, width) for line in text.split("\n"))


def _folded_line(line: str, width: int) -> str:
    if len(line) <= width or re.search(r"(^|\s)#", line):
        return line
    lines = [""]
    for word in re.findall(r"(?:'[^']*'|\"(?:\\.|[^\"])*\"|\$\([^)]*\)|[^\s'\"])+", line):
        if lines[-1] and len(lines[-1]) + len(word) + 3 > width:
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)


def _place(command: PlanCommand) -> str:
    return f"on {command.place}{f' ({command.variant})' if command.variant else ''}:"


def _checked(check: PlanCheck) -> RenderableType:
    if not check.ok:
        return _row("✗", "bold red", Text(shown(check.counterexample or ""), "red"))
    parts: list[RenderableType] = [_row("✓", "green", Text(f"no read fails in any of {check.states:,} states", "green"))]
    if check.outage:
        parts.append(_row("!", "yellow", Text(f"every KMS has to be up during this step, or: {shown(check.outage)}", "yellow")))
    return Group(*parts)


def _growth(rows: tuple[PlanGrowth, ...]) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("rule", overflow="fold")
    table.add_column("written as", overflow="fold")
    table.add_column("bytes more than the object", justify="right")
    table.add_column("objects", justify="right")
    table.add_column("etcd", justify="right")
    for row in rows:
        cost = f"{row.least}" if row.least == row.most else f"{row.least} to {row.most}"
        cost += " *" if row.assuming else ""
        count = "not counted" if row.objects is None else f"{row.objects:,}"
        total = "" if row.total is None else _bytes(row.total)
        table.add_row(shown(row.rule), shown(row.writer), cost, count, total)
    parts: list[RenderableType] = [table]
    parts += [Text(f"* assuming {why}", "dim") for why in sorted({row.assuming for row in rows if row.assuming})]
    return Group(*parts)


def _bytes(total: int) -> str:
    size = abs(total)
    shown_size = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB" if size >= 1e3 else f"{size} bytes"
    return f"{'-' if total < 0 else '+'}{shown_size}"
