"""A fleet's report as a table for people, and as Parquet for other programs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from k8senc._native import escape
from k8senc.errors import UsageError

__all__ = ["FILES", "render", "write_parquet"]

FILES = ("snapshots.parquet", "groups.parquet", "findings.parquet")
_COUNTS = ("live", "exposed", "stale", "unreadable", "undecided", "historyExposed")


def render(report: Mapping[str, Any]) -> RenderableType:
    """A line for each snapshot, the worst first, then the failed ones and shared keys."""
    totals, failed = report["totals"], report["failed"]
    head = Text(f"{len(report['clusters']):,} of {report['snapshots']:,} snapshots read: ", style="bold")
    head.append(", ".join(f"{totals.get(name, 0):,} {word}" for name, word in (("live", "live objects"), ("exposed", "in plaintext"), ("stale", "stale"), ("unreadable", "unreadable"), ("undecided", "undecided"))))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("snapshot", header_style="dim", overflow="fold")
    for word in ("live", "plaintext", "stale", "unreadable", "undecided", "old plaintext"):
        table.add_column(word, header_style="dim", justify="right")
    for one in sorted(report["clusters"], key=lambda row: ([-row["totals"][name] for name in ("exposed", "unreadable", "stale")], row["name"])):
        counts = one["totals"]
        style = {"exposed": "bold red", "unreadable": "bold red", "stale": "yellow", "undecided": "dim", "historyExposed": "yellow", "live": ""}
        table.add_row(escape(one["name"]), *(Text(f"{counts[name]:,}", style=style[name] if counts[name] else "dim") for name in _COUNTS))
    parts: list[RenderableType] = [head, table]
    parts += [Text(f"✗ {escape(one['snapshot'])}: {one['reason']}", style="bold red") for one in failed]
    parts += [Text(f"! one {one['provider']} key is in {', '.join(map(escape, one['configs']))}", style="yellow") for one in report["sharedKeys"]]
    return Group(*parts)


def write_parquet(report: Mapping[str, Any], folder: Path) -> None:
    """Three files in a folder: a row for each snapshot, each group of values, each finding."""
    try:
        # pyarrow has no types of its own.
        pa: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("extra-fleet", "Parquet needs pyarrow: pip install 'k8senc[fleet]'") from None
    text, number, flag = pa.string(), pa.int64(), pa.bool_()
    clusters = report["clusters"]
    counts = ("live", "plaintext", "exposed", "stale", "staleUnknown", "unreadable", "undecided", "moved", "history", "historyPlaintext", "historyExposed", "historyUnreadable")
    snapshots = [
        {"snapshot": one["name"], "config": one["config"], "failed": None, "judged": one["judged"], "bytes": one["snapshot"]["bytes"], "revision": one["snapshot"]["revision"], **{name: one["totals"][name] for name in counts}}
        for one in clusters
    ] + [{"snapshot": one["snapshot"], "config": one["config"], "failed": one["reason"]} for one in report["failed"]]
    groups = [
        {"snapshot": one["name"], **{name: group[name] for name in ("resource", "provider", "key", "guessed", "keyId", "keyIdHash", "firstRevision", "lastRevision", *counts)}}
        for one in clusters
        for group in one["groups"]
    ]
    findings = [
        {"snapshot": one["name"], **{name: finding[name] for name in ("code", "severity", "class", "resource", "provider", "key", "keyId", "count", "message", "advice")}}
        for one in clusters
        for finding in one["findings"]
    ]
    whole = {name: number for name in counts}
    schemas = {
        "snapshots.parquet": {"snapshot": text, "config": text, "failed": text, "judged": flag, "bytes": number, "revision": number, **whole},
        "groups.parquet": {"snapshot": text, "resource": text, "provider": text, "key": text, "guessed": flag, "keyId": text, "keyIdHash": text, "firstRevision": number, "lastRevision": number, **whole},
        "findings.parquet": {name: number if name == "count" else text for name in ("snapshot", "code", "severity", "class", "resource", "provider", "key", "keyId", "count", "message", "advice")},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in zip(FILES, (snapshots, groups, findings), strict=True):
        part = folder / f".{name}.part"
        parquet.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(schemas[name].items()))), part)
        part.replace(folder / name)
