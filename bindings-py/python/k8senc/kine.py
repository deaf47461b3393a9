"""kine's table in SQLite, as k3s keeps it: current and superseded rows, and the `old_value` beside each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from k8senc.errors import SnapshotError
from k8senc.rows import Batch, Row

__all__ = ["KineRows", "is_sqlite", "wal_of"]

_MAGIC = b"SQLite format 3\0"
_BATCH = 500
_COLUMNS = {"id", "name", "created", "deleted", "create_revision", "prev_revision", "value", "old_value"}
_PAGES = 256


def is_sqlite(file: Path) -> bool:
    """Whether the file begins as a SQLite database."""
    try:
        with file.open("rb") as opened:
            return opened.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def wal_of(file: Path) -> Path | None:
    """SQLite's own write-ahead log beside the file, when there is something in it."""
    wal = file.with_name(file.name + "-wal")
    return wal if wal.is_file() and wal.stat().st_size else None


class KineRows:
    """One pass over the table, newest rows first, then over the pages of the file and of its write-ahead log.

    The file is opened for reading only. With a write-ahead log beside it SQLite reads both, and needs the right to make a
    `-shm` file where there is none; without one it opens the file as immutable and makes nothing.
    """

    source = "kine"
    history = True

    def __init__(self, file: Path) -> None:
        self._file, self._wal = file, wal_of(file)
        self.revision = self.compact_revision = self.done = 0
        files = [file, *([self._wal] if self._wal else [])]
        self.bytes = sum(one.stat().st_size for one in files)
        self._raw = [(one, _page_size(file)) for one in files]
        mode = "mode=ro" if self._wal else "mode=ro&immutable=1"
        try:
            # The rows are read on a thread of the audit's.
            self._connection = sqlite3.connect(f"file:{quote(str(file.absolute()))}?{mode}", uri=True, check_same_thread=False)
            self._connection.text_factory = bytes
            columns = {name.decode() for _, name, *_ in self._connection.execute("PRAGMA table_info(kine)")}
            if not columns:
                raise SnapshotError("not-kine", "a SQLite database without the table kine: k3s keeps it in server/db/state.db")
            if not columns >= _COLUMNS:
                raise SnapshotError("not-kine", f"the table kine lacks {', '.join(sorted(_COLUMNS - columns))}")
            # One read transaction for everything.
            self._connection.execute("BEGIN")
            rows, newest = self._connection.execute("SELECT COUNT(*), MAX(id) FROM kine").fetchone()
            (compacted,) = self._connection.execute("SELECT MAX(prev_revision) FROM kine WHERE name = 'compact_rev_key'").fetchone()
            self.revision, self.compact_revision = newest or 0, compacted or 0
        except sqlite3.Error as error:
            raise SnapshotError("sqlite", self._explained(error)) from None
        self.total = rows + self.bytes // (1 << 20)
        self._batches = self._read()

    def next_batch(self) -> Batch | None:
        """The next rows or pages."""
        try:
            return next(self._batches, None)
        except sqlite3.Error as error:
            raise SnapshotError("sqlite", self._explained(error)) from None
        except OSError as error:
            raise SnapshotError("open", f"the file cannot be read: {error.strerror}") from None

    def _explained(self, error: sqlite3.Error) -> str:
        text = f"SQLite cannot read it: {error}"
        if self._wal:
            text += "; beside it lies a write-ahead log, which SQLite reads only where it may make files: copy both to a folder of your own, or stop k3s cleanly"
        return text

    def _read(self) -> Iterator[Batch]:
        newest = self._connection.execute("SELECT id, name, created, deleted, create_revision, prev_revision, value, old_value FROM kine ORDER BY id DESC")
        while found := newest.fetchmany(_BATCH):
            batch: list[Row] = []
            for revision, name, created, deleted, create_revision, prev_revision, value, old_value in found:
                self.revision = max(self.revision, revision)
                key = bytes(name or b"") if isinstance(name, bytes | None) else str(name).encode()
                if key == b"compact_rev_key":
                    self.compact_revision = max(self.compact_revision, prev_revision or 0)
                    continue
                if key.startswith(b"gap-"):
                    continue
                born = revision if created else create_revision or 0
                batch.append((key, b"" if deleted else _bytes(value), revision, born, 0, bool(deleted), False))
                if old_value and prev_revision:
                    batch.append((key, _bytes(old_value), prev_revision, 0, 0, False, True))
            self.done += len(found)
            yield batch
        self._connection.close()
        for file, page in self._raw:
            with file.open("rb") as opened:
                while chunk := opened.read(page * _PAGES):
                    self.done += len(chunk) // (1 << 20)
                    yield [chunk]


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return str(value).encode() if value is not None else b""


def _page_size(file: Path) -> int:
    with file.open("rb") as opened:
        header = opened.read(18)
    size = int.from_bytes(header[16:18], "big") if len(header) == 18 else 0
    # 1 stands for 65,536.
    return 65_536 if size <= 1 else size
