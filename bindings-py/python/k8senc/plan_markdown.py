"""A plan as Markdown, for a change request or a runbook."""

from __future__ import annotations

import re

from k8senc.plan_table import shown
from k8senc.planning import Plan, PlanHazard, PlanStep


def render(plan: Plan) -> str:
    how = "automatic reload" if plan.reload else "restarts"
    lines = [f"# {_text(plan.title)}", "", f"{plan.servers} API servers with {how}, Kubernetes {plan.kubernetes}. {'Every change was checked: no read fails.' if plan.ok else '**Not everything that was checked passes.**'}", ""]
    if plan.direct is not None and plan.direct.counterexample:
        lines += [f"**In one go it fails.** {_text(plan.direct.counterexample)}.", ""]
    lines += _hazards(plan.hazards)
    if plan.matrix:
        lines += ["| resource | writes | with | reads | |", "|---|---|---|---|---|"]
        lines += [f"| {_text(c.resource)} | {c.writes} | {_text(c.written_with)} | {c.reads} | {_text(c.why_not) if c.why_not else 'reads it'} |" for c in plan.matrix]
        lines.append("")
    for step in plan.steps:
        lines += _step(plan, step)
    lines += [f"- {_text(note)}" for note in plan.notes]
    return "\n".join(lines).rstrip() + "\n"


def _text(text: str) -> str:
    """Names are text, whatever Markdown makes of their characters."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", shown(text).replace("\n", " "))


def _code(language: str, text: str) -> list[str]:
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return [f"{fence}{language}", shown(text).rstrip("\n"), fence, ""]


def _hazards(hazards: tuple[PlanHazard, ...]) -> list[str]:
    lines = [f"- **{hazard.severity}** {hazard.code}: {_text(hazard.message)}. {hazard.advice}" for hazard in hazards]
    return [*lines, ""] if lines else []


def _step(plan: Plan, step: PlanStep) -> list[str]:
    lines = [f"## {step.number}. {_text(step.title)}", "", step.why, ""]
    if step.file is not None and step.file.diff:
        lines += _code("diff", step.file.diff)
    if step.checked is not None and not step.checked.ok:
        lines += [f"**This step fails.** {_text(step.checked.counterexample or '')}.", ""]
    if step.checked is not None and step.checked.outage:
        lines += [f"Every KMS has to be up during this step, or: {_text(step.checked.outage)}.", ""]
    lines += _hazards(step.hazards)
    for command in step.commands:
        lines += [f"On {command.place}{f' ({command.variant})' if command.variant else ''}:", ""]
        lines += _code("sh", command.text)
    for check in step.checks:
        lines += [f"- [ ] {_text(check.what)}", ""]
        lines += _code("sh", check.command) if check.command else []
    lines += [f"Going back: {_text(step.back.how)}.", ""]
    if plan.last_way_back == step.number and step.number < len(plan.steps):
        lines += ["After this step the first file cannot be put back at once.", ""]
    return lines
