"""The data directory of an etcd member: its db file, its write-ahead log, and what else may hold values."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass, field
from pathlib import Path

from k8senc.errors import SnapshotError

__all__ = ["DataDir", "is_data_dir", "read"]


@dataclass(frozen=True)
class DataDir:
    """The files of a member."""

    db: Path
    logs: list[Path]
    others: list[Path] = field(default_factory=list)
    """Further files that may hold values: databases received from a leader, copies a defragmentation left, broken logs."""
    running: bool = False
    """Whether etcd holds the lock of its db file or log now."""


def _member(folder: Path) -> Path | None:
    """`member` of a data directory; k3s and RKE2 have it in `server/db/etcd`."""
    for below in (".", "..", "server/db/etcd", "etcd"):
        member = folder / below / "member"
        if (member / "snap" / "db").is_file() and (below != ".." or folder.name == "member"):
            return member
    return None


def is_data_dir(folder: Path) -> bool:
    """Whether this is a member's data directory, or the `member` folder in it."""
    return folder.is_dir() and _member(folder) is not None


def read(folder: Path) -> DataDir:
    """Finds the files. Raises `SnapshotError` when there is no `member/snap/db`, and `OSError` for a folder that cannot be read."""
    member = _member(folder)
    if member is None:
        raise SnapshotError("not-a-data-dir", "a folder without member/snap/db: give a snapshot file, or the data directory of a stopped etcd member")
    snap, wal = member / "snap", member / "wal"
    # A glob says nothing of a folder that it may not read, and a log that is not read may hold plaintext.
    below = {folder: list(folder.iterdir()) if folder.exists() else [] for folder in (snap, wal)}
    logs = sorted(path for path in below[wal] if path.match("*.wal"))
    others = [path for path in below[snap] if path.match("*.snap.db") or path.match("db.tmp.*")] + [path for path in below[wal] if path.match("*.broken")]
    others = sorted(path for path in others if path.is_file())
    running = any(_is_locked(path) for path in [snap / "db", *logs])
    return DataDir(snap / "db", logs, others, running)


def _is_locked(path: Path) -> bool:
    """bbolt and etcd hold `flock` for as long as they run. A shared lock is asked for and given back at once."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    except OSError:
        # A file system without locks tells nothing.
        return False
    return False
