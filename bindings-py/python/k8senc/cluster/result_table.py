"""What a rewrite did, for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from k8senc._native import escape

if TYPE_CHECKING:
    from k8senc.cluster.proof import Proof

_MOST_FAILED = 10


def render(rows: Sequence[Mapping[str, Any]], proof: Proof | None, dry: bool) -> RenderableType:
    """The counts by resource, what failed, and the proof."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heading = "would be written or is fresh" if dry else "rewritten"
    for name in ("resource", heading, "fresh already", "gone", "skipped", "failed"):
        table.add_column(name, header_style="dim", justify="left" if name == "resource" else "right")
    for row in rows:
        if row["by"]:
            table.add_row(row["resource"], f"by {row['by']}", "", "", "", "")
            continue
        failed = len(row["failed"])
        written = row["rewritten"] + row["fresh"] if dry else row["rewritten"]
        table.add_row(row["resource"], f"{written:,}", "" if dry else f"{row['fresh']:,}", f"{row['gone']:,}", f"{row['skipped']:,}", Text(f"{failed:,}", style="bold red" if failed else "dim"))
    parts: list[RenderableType] = [table]
    failures = [(row["resource"], one) for row in rows for one in row["failed"]]
    for resource, one in failures[:_MOST_FAILED]:
        parts.append(Text(f"✗ {resource} {escape(one['object'])}: {escape(one['reason'])}", style="red"))
    if len(failures) > _MOST_FAILED:
        parts.append(Text(f"  and {len(failures) - _MOST_FAILED} more (--format json)", style="dim"))
    if proof is not None:
        parts.append(Text(f"{'✓' if proof.holds else '✗'} {proof.sentence()}", style="green" if proof.holds else "bold red"))
        parts += [Text(f"  {escape(key)} {what}") for key, what in proof.removable()]
    elif not dry and not failures:
        parts.append(Text("→ not proved yet: take an etcd snapshot and run the same command with --prove SNAPSHOT", style="dim"))
    return Group(*parts)
