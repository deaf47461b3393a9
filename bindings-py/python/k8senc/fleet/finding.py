"""Snapshots by pattern: in folders, and wherever fsspec reaches."""

from __future__ import annotations

import glob
import importlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from k8senc._native import escape
from k8senc.errors import RemoteError, UsageError

__all__ = ["find"]


def find(patterns: Iterable[str]) -> list[str]:
    """Every snapshot that some pattern names. Raises `UsageError` when one names nothing: a fleet with a hole is no fleet."""
    found: dict[str, None] = {}
    for pattern in patterns:
        listed = _remote(pattern) if "://" in pattern else _here(pattern)
        if not listed:
            raise UsageError("fleet-pattern", f"nothing is at {escape(pattern)}")
        found.update(dict.fromkeys(listed))
    return sorted(found)


def _here(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]


def _remote(pattern: str) -> list[str]:
    parts = urlsplit(pattern)
    if parts.scheme in ("http", "https") and "=" in parts.query:
        raise UsageError("fleet-credentials", "a signed URL would be in every task and in the report, and open the file for whoever reads it: give credentials to the workers' environment")
    user, at, _ = parts.netloc.rpartition("@")
    # abfs:// names a container there.
    if at and (":" in user or parts.scheme in ("http", "https")):
        raise UsageError("fleet-credentials", "a URL with a password would be in every task and in the report: give credentials to the workers' environment")
    try:
        # fsspec has no types of its own.
        core: Any = importlib.import_module("fsspec.core")
    except ImportError:
        raise UsageError("extra-fleet", "snapshots elsewhere need fsspec: pip install 'k8senc[fleet]'") from None
    try:
        files, path = core.url_to_fs(pattern)
        return [str(files.unstrip_protocol(one)) for one in sorted(files.glob(path))]
    except ImportError as error:
        raise UsageError("extra-fleet", f"{escape(urlsplit(pattern).scheme)}:// needs one more package: {escape(str(error))}") from None
    except ValueError as error:
        raise UsageError("fleet-pattern", f"{escape(pattern)}: {escape(str(error))}") from None
    except Exception as error:  # what a store's library raises is its own
        raise RemoteError("fleet-store", f"{escape(pattern)} cannot be listed: {type(error).__name__}: {escape(str(error))[:300]}") from None
