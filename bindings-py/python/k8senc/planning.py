"""Plans: how to get from one EncryptionConfiguration to another without a read that fails."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from k8senc._native import Audit, Config, PlanFiles, make_plan
from k8senc.errors import UsageError

__all__ = ["Inventory", "Plan", "PlanBack", "PlanCell", "PlanCheck", "PlanCommand", "PlanFile", "PlanGrowth", "PlanHazard", "PlanSign", "PlanStep", "plan"]

Group = tuple[str, str, str | None, str | None, int, int, int]


@dataclass(frozen=True)
class Inventory:
    """What is stored: counts by resource, provider, key and key_id. Its size is that of the groups, however many objects they stand for."""

    groups: tuple[Group, ...]
    """Resource, provider, key, key_id, live, history, unreadable; names as in the audit report."""

    @classmethod
    def from_report(cls, report: Mapping[str, Any]) -> Inventory:
        """From the report of `k8senc audit --format json`, or of `k8senc.audit`."""
        if report.get("kind") != "k8senc-audit" or report.get("format") != 1:
            raise UsageError("inventory", "the inventory is no report of k8senc audit --format json in format 1")
        if not report["judged"] and any(group["guessed"] for group in report["groups"]):
            raise UsageError("inventory", "key names in the inventory are guesses, as the audit had no configuration: make it again with --config")
        return cls(tuple(_group(group) for group in report["groups"]))

    @classmethod
    def from_snapshot(cls, path: str | PathLike[str], config: str | bytes | None) -> Inventory:
        """Counts a snapshot. No KMS is asked: what a value begins with says which key wrote it."""
        known = Config.parse(config) if config is not None else None
        text, _ = Audit(path, known).report()
        return cls(tuple(_group(group) for group in json.loads(text)["groups"]))


def _group(group: Mapping[str, Any]) -> Group:
    return (group["resource"], group["provider"], group["key"], group["keyId"], group["live"], group["history"], group["unreadable"])


@dataclass(frozen=True)
class PlanCheck:
    """What the model says of a change of files."""

    ok: bool
    states: int
    counterexample: str | None
    outage: str | None
    """What an outage of a KMS during the step would do; None when nothing."""


@dataclass(frozen=True)
class PlanHazard:
    """One thing that is wrong with a change, or good to know of it."""

    code: str
    severity: str
    resource: str | None
    message: str
    advice: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class PlanCommand:
    """Something to run."""

    place: str
    variant: str | None
    text: str


@dataclass(frozen=True)
class PlanSign:
    """Something to see, and the command that shows it."""

    what: str
    command: str | None


@dataclass(frozen=True)
class PlanFile:
    """A file of a step, keys replaced by name and fingerprint; `name` is None when the file is taken away."""

    name: str | None
    diff: str
    layout_kept: bool


@dataclass(frozen=True)
class PlanBack:
    """Whether and how a step can be undone."""

    safe: bool
    how: str


@dataclass(frozen=True)
class PlanStep:
    """One step."""

    number: int
    name: str
    title: str
    why: str
    file: PlanFile | None
    commands: tuple[PlanCommand, ...]
    checks: tuple[PlanSign, ...]
    back: PlanBack
    checked: PlanCheck | None
    hazards: tuple[PlanHazard, ...]


@dataclass(frozen=True)
class PlanCell:
    """Whether a server with one file reads what a server with the other writes."""

    resource: str
    writes: str
    written_with: str
    reads: str
    why_not: str | None


@dataclass(frozen=True)
class PlanGrowth:
    """What the target format costs in etcd, for one rule, in bytes."""

    rule: str
    writer: str
    least: int
    most: int
    objects: int | None
    total: int | None
    assuming: str | None


@dataclass(frozen=True)
class Plan:
    """Steps towards a goal, each tried in the model."""

    goal: str
    title: str
    servers: int
    reload: bool
    kubernetes: str
    counted: bool
    ok: bool
    direct: PlanCheck | None
    hazards: tuple[PlanHazard, ...]
    matrix: tuple[PlanCell, ...]
    steps: tuple[PlanStep, ...]
    last_way_back: int | None
    growth: tuple[PlanGrowth, ...]
    notes: tuple[str, ...]
    files: PlanFiles = field(repr=False)
    """The files with their keys: `files.write(directory)`."""
    exit_code: int
    json: str = field(repr=False)
    """The plan as `k8senc plan --format json` prints it; no key is in it."""


def plan(
    current: str | bytes | None,
    new: str | bytes | None = None,
    *,
    goal: str | None = None,
    inventory: Inventory | None = None,
    servers: int = 2,
    reload: bool = False,
    kubernetes: str | None = None,
    resources: Iterable[str] = (),
    kms_delay: int = 0,
    disabled_key_ids: Iterable[str] = (),
    rewrite_after: int | None = None,
    rewrite_by: str | None = None,
    in_place: bool = False,
    path: str | None = None,
    keep_files: bool = False,
) -> Plan:
    """The steps from a file to a goal, or from one file to another (None is no file).

    `keep_files` says that `files` will be used, so that new keys have fingerprints worth showing. New keys come from the
    operating system's random source.

    Raises `UsageError` when a file is refused or the goal does not fit it.
    """
    text, files, code = make_plan(
        current,
        new,
        goal,
        servers=servers,
        reload=reload,
        version=kubernetes,
        groups=None if inventory is None else list(inventory.groups),
        resources=list(resources),
        kms_delay=kms_delay,
        disabled_key_ids=list(disabled_key_ids),
        rewrite_after=rewrite_after,
        rewrite_by=rewrite_by,
        in_place=in_place,
        path=path,
        kept=keep_files,
    )
    made = json.loads(text)
    return Plan(
        goal=made["goal"],
        title=made["title"],
        servers=made["servers"],
        reload=made["reload"],
        kubernetes=made["kubernetes"],
        counted=made["counted"],
        ok=made["ok"],
        direct=_check(made["direct"]),
        hazards=_hazards(made["hazards"]),
        matrix=tuple(PlanCell(cell["resource"], cell["writes"], cell["with"], cell["reads"], cell["whyNot"]) for cell in made["matrix"]),
        steps=tuple(_step(step) for step in made["steps"]),
        last_way_back=made["lastWayBack"],
        growth=tuple(PlanGrowth(**row) for row in made["growth"]),
        notes=tuple(made["notes"]),
        files=files,
        exit_code=code,
        json=text,
    )


def _check(check: Mapping[str, Any] | None) -> PlanCheck | None:
    return None if check is None else PlanCheck(**check)


def _hazards(hazards: list[dict[str, Any]]) -> tuple[PlanHazard, ...]:
    return tuple(PlanHazard(**{**hazard, "old": tuple(hazard["old"]), "new": tuple(hazard["new"])}) for hazard in hazards)


def _step(step: Mapping[str, Any]) -> PlanStep:
    file = step["file"]
    return PlanStep(
        number=step["number"],
        name=step["name"],
        title=step["title"],
        why=step["why"],
        file=None if file is None else PlanFile(file["name"], file["diff"], file["layoutKept"]),
        commands=tuple(PlanCommand(**command) for command in step["commands"]),
        checks=tuple(PlanSign(**check) for check in step["checks"]),
        back=PlanBack(**step["back"]),
        checked=_check(step["checked"]),
        hazards=_hazards(step["hazards"]),
    )
