"""The audit report for people: the verdict first, then what lies where, then what to do."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Json = dict[str, Any]

_STALE = {
    "not-first-provider": "not the first provider",
    "not-first-key": "not the first key",
    "legacy-body": "KMS v1 CBC body",
    "key-id": "key_id is not current",
    "source-type": "key form",
}
_SEVERITY = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "info": ("·", "dim")}
_WIDEST_NAME = 46


def render(report: Json, name: str) -> RenderableType:
    """The whole report. All texts from the snapshot are escaped in it already."""
    parts: list[RenderableType] = [_headline(report), _source(report["snapshot"], name), Text(), _groups(report)]
    if report["findings"]:
        parts += [Text(), _findings(report["findings"])]
    if report["deks"]:
        parts += [Text(), _deks(report["deks"])]
    return Group(*parts)
