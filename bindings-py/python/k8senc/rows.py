"""What a source of rows is, for `Audit.of_rows`: a live etcd or kine's table, read batch by batch."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Batch", "Row", "Rows"]

Row = tuple[bytes, bytes, int, int, int, bool, bool]
"""etcd key, value, revision, create revision and version (0 where unknown), whether it is a deletion, whether it is a copy kept beside another row."""

Batch = list[bytes] | list[Row]
"""Rows, or raw pages, which come after all rows."""


class Rows(Protocol):
    """One pass over a source, newest rows first where a name has several."""

    done: int
    total: int
    source: str
    revision: int
    compact_revision: int
    bytes: int
    history: bool

    def next_batch(self) -> Batch | None:
        """Some rows or pages; None at the end."""
