"""What a rewrite has done, on disk: a line for each step, so that a kill at any point loses no more than a moment's work.

A rewrite is safe to repeat (an object that is fresh is not written), so the journal saves time and decides nothing: what it
says is done was answered by the API server before the line was written.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from k8senc._native import escape
from k8senc.errors import UsageError

__all__ = ["Journal", "Progress"]

FORMAT = 1


@dataclass
class Progress:
    """How far one resource is."""

    cursor: str | None = None
    """Everything up to this `namespace/name` is done, in etcd's order."""
    done: bool = False
    migration: str | None = None
    """The StorageVersionMigration that does it."""
    rewritten: int = 0
    fresh: int = 0
    gone: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def looked_at(self) -> int:
        """Objects that are done with."""
        return self.rewritten + self.fresh + self.gone + self.skipped

    def counts(self) -> list[int]:
        return [self.rewritten, self.fresh, self.gone, self.skipped]


class Journal:
    """A journal file, mode 0600, held by one process at a time."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.path, self.resumed = path, False
        self.resources: dict[str, Progress] = {}
        self.canary_done = False
        self.finished: dict[str, Any] | None = None
        shown = escape(str(path))
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise UsageError("journal", f"the journal {shown} cannot be opened: {error.strerror}") from None
        self._file = os.fdopen(handle, "r+b")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise UsageError("journal", f"the journal {shown} is in use: another rewrite is running") from None
        if os.fstat(handle).st_mode & 0o077:
            os.fchmod(handle, 0o600)
        try:
            self._read(dict(header, format=FORMAT, kind="k8senc-reencrypt"), shown)
        except BaseException:
            self._file.close()
            raise

    def note(self, resource: str) -> None:
        """Writes down how far a resource is."""
        told = self.resources[resource]
        line: dict[str, Any] = {"resource": resource, "counts": told.counts()}
        if told.cursor is not None:
            line["cursor"] = told.cursor
        if told.done:
            line["done"] = True
        if told.migration:
            line["migration"] = told.migration
        if told.failed:
            line["failed"] = told.failed
        self._write(line)

    def canary(self) -> None:
        """The canary namespace is done."""
        self.canary_done = True
        self._write({"canary": True})

    def finish(self, **what: Any) -> None:
        """The rewrite is done."""
        self.finished = what
        self._write({"finished": what})

    def progress(self, resource: str) -> Progress:
        """How far a resource is."""
        return self.resources.setdefault(resource, Progress())

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, header: dict[str, Any], shown: str) -> None:
        whole, end, _ = self._file.read().rpartition(b"\n")
        lines = [json.loads(line) for line in whole.split(b"\n")] if _is_journal(whole, shown) else []
        # What follows the last line end was being written when the process was killed.
        self._file.truncate(len(whole) + len(end))
        self._file.seek(0, os.SEEK_END)
        if not lines:
            self._write(header)
            _sync_folder(self.path)
            return
        for name, value in header.items():
            if lines[0].get(name) != value:
                raise UsageError("journal", f"the journal {shown} is of another rewrite ({name} differs): go on with the same arguments, or name a new file with --journal")
        self.resumed = True
        for line in lines[1:]:
            self._take(line)

    def _take(self, line: Mapping[str, Any]) -> None:
        if "canary" in line:
            self.canary_done = True
        elif "finished" in line:
            self.finished = dict(line["finished"])
        else:
            told = self.progress(str(line["resource"]))
            told.rewritten, told.fresh, told.gone, told.skipped = line["counts"]
            told.cursor = line.get("cursor")
            told.done = bool(line.get("done"))
            told.migration = line.get("migration", told.migration)
            told.failed = dict(line.get("failed", {}))


def _is_journal(whole: bytes, shown: str) -> bool:
    if not whole:
        return False
    try:
        first = json.loads(whole.split(b"\n", 1)[0])
        for line in whole.split(b"\n"):
            json.loads(line)
    except ValueError:
        first = None
    if not isinstance(first, dict) or first.get("kind") != "k8senc-reencrypt":
        raise UsageError("journal", f"{shown} is no journal of k8senc reencrypt, and is left as it is: name another file with --journal")
    return True


def _sync_folder(path: Path) -> None:
    handle = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
