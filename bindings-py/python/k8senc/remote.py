"""Snapshots from standard input and from URLs, kept in memory that no file name leads to: they hold secrets."""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from k8senc.errors import RemoteError, SnapshotError, UsageError

__all__ = ["Held", "from_stdin", "from_url", "is_url", "without_secrets"]

_CHUNK = 4 << 20
Progress = Callable[[int, int], object]

_USER = re.compile(r"(\w://)[^/\s]*@")
_QUERY = re.compile(r"(\w://[^\s?#'\"]*)[?#][^\s'\"]*")


class Held:
    """A copy of what was read. `path` opens it as a regular file for as long as this object lives."""

    def __init__(self, what: str) -> None:
        self._what = what
        if hasattr(os, "memfd_create"):
            self._file: BinaryIO = os.fdopen(os.memfd_create("k8senc"), "w+b", buffering=0)
        else:
            self._file = tempfile.TemporaryFile("w+b", buffering=0)
        self.size = 0

    @property
    def path(self) -> Path:
        """Where the operating system shows an open file of this process."""
        base = "/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd"
        return Path(base, str(self._file.fileno()))

    def fill(self, source: Any, total: int, progress: Progress | None) -> None:
        """Reads to the end. Stops before the machine runs out of memory."""
        room = _memory_left()
        if room is not None and total > room:
            raise SnapshotError("too-large", self._too_large(total))
        while chunk := source.read(_CHUNK):
            self.size += len(chunk)
            if room is not None and self.size > room:
                raise SnapshotError("too-large", self._too_large(self.size))
            self._file.write(chunk)
            if progress is not None:
                progress(self.size, max(total, self.size))

    def _too_large(self, size: int) -> str:
        return f"{self._what} has {size >> 20:,} MiB or more, which do not fit into memory: save it to a file, and give that"

    def close(self) -> None:
        """Gives the memory back."""
        self._file.close()


def _memory_left() -> int | None:
    """Bytes that may be used, with some left for the audit itself."""
    try:
        with open("/proc/meminfo", encoding="ascii") as facts:
            for line in facts:
                if line.startswith("MemAvailable:"):
                    return max(0, int(line.split()[1]) * 1024 * 9 // 10)
    except (OSError, ValueError):
        pass
    return None


def is_url(text: str) -> bool:
    """Whether it names something for fsspec."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.replace("+", "").replace("-", "").isalnum()


def without_secrets(url: str) -> str:
    """A URL for messages and reports: without user and password, and without its query, which in a signed URL opens the file."""
    return _USER.sub(r"\1", re.split("[?#]", url, maxsplit=1)[0])


def _said(error: BaseException, url: str) -> str:
    """What a file system says, in one line. It may have written the URL in another way."""
    told = " ".join(str(error).replace(url, without_secrets(url)).split())
    return _QUERY.sub(r"\1", _USER.sub(r"\1", told))


def from_stdin(progress: Progress | None = None) -> Held:
    """Everything that comes in."""
    if sys.stdin.isatty():
        raise UsageError("stdin", "standard input is a terminal: pipe a snapshot into it")
    held = Held("standard input")
    try:
        held.fill(sys.stdin.buffer, 0, progress)
    except BaseException:
        held.close()
        raise
    return held


def from_url(url: str, progress: Progress | None = None) -> Held:
    """What lies there, through fsspec: `s3://`, `gs://`, `abfs://`, `https://` and what else is installed for it."""
    try:
        fsspec: Any = importlib.import_module("fsspec")
    except ImportError:
        raise UsageError("extra-remote", "a URL needs fsspec: pip install 'k8senc[remote]'") from None
    shown = without_secrets(url)
    held, kept = Held(shown), False
    try:
        with fsspec.open(url, "rb") as source:
            held.fill(source, int(getattr(source, "size", 0) or 0), progress)
        kept = True
    except SnapshotError:
        raise
    except ImportError as error:
        raise UsageError("extra-remote", f"{shown} needs more than is installed: {_said(error, url)}") from None
    except ValueError as error:
        raise UsageError("url", f"{shown}: {_said(error, url)}") from None
    except Exception as error:  # each file system has exceptions of its own
        # Some file systems say nothing but the address, and hide why behind it.
        reasons = (_said(one, url) for one in (error, error.__cause__, error.__context__) if one is not None)
        reason = next((text for text in reasons if text not in ("", shown)), "it is not there" if isinstance(error, FileNotFoundError) else type(error).__name__)
        raise RemoteError("url", f"{shown} cannot be read: {reason}") from None
    finally:
        if not kept:
            held.close()
    return held
