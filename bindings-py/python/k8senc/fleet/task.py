"""One snapshot of many: what is to be done with it, and doing it."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from k8senc._native import Audit, Config, escape, key_marks
from k8senc.errors import K8sEncError, UsageError

__all__ = ["ConfigMap", "Result", "Task", "examine", "tasks"]

# By snapshot: what was found of it. Merging results is the union of these.
Result = dict[str, dict[str, Any]]

_BLOCK = 8 << 20
_MOST_CONFIG = 16 << 20


@dataclass(frozen=True)
class Task:
    """One snapshot. Holds no key: `config` is a path, or `env:NAME`, on the machine where the task runs."""

    snapshot: str
    config: str | None = None
    redact: bool = False
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfigMap:
    """Which configuration opens which snapshot: patterns, of which the first that fits counts."""

    entries: Sequence[tuple[str, str]]

    @classmethod
    def parse(cls, text: bytes) -> ConfigMap:
        """From a JSON or YAML mapping of patterns to paths or `env:NAME`."""
        try:
            read: Any = json.loads(text)
        except ValueError:
            try:
                yaml: Any = importlib.import_module("yaml")
            except ImportError:
                raise UsageError("config-map", "the configuration map is no JSON, and YAML needs PyYAML: pip install 'k8senc[fleet]'") from None
            try:
                read = yaml.safe_load(text)
            except yaml.YAMLError:
                raise UsageError("config-map", "the configuration map is neither JSON nor YAML") from None
        if not isinstance(read, dict) or not all(isinstance(key, str) and isinstance(value, str) for key, value in read.items()):
            raise UsageError("config-map", 'the configuration map is no mapping of patterns to files, such as {"prod-*.db": "/keys/prod.yaml", "*": "env:K8SENC_CONFIG"}')
        return cls(tuple(read.items()))

    def of(self, snapshot: str) -> str | None:
        """The configuration of a snapshot. A pattern is tried on the whole name and on its last part."""
        last = snapshot.rstrip("/").rpartition("/")[2]
        return next((config for pattern, config in self.entries if fnmatch.fnmatchcase(snapshot, pattern) or fnmatch.fnmatchcase(last, pattern)), None)


def tasks(snapshots: Iterable[str], configs: ConfigMap | None = None, *, redact: bool = False, requirements: Sequence[str] = ()) -> list[Task]:
    """A task for each snapshot, without repeats."""
    return [Task(one, configs.of(one) if configs else None, redact, tuple(requirements)) for one in sorted(set(snapshots))]


def examine(task: Task) -> Result:
    """Audits one snapshot. Whatever goes wrong is a result too, so that nothing is lost on the way. No KMS is called."""
    found: dict[str, Any] = {"config": task.config}
    try:
        config, marks = _config(task.config)
        with _local(task.snapshot) as path:
            run = Audit(path, config, threads=1)
            finished = run.finish()
            finished.require(task.requirements)
            if task.redact:
                finished.redact()
            found["exitCode"] = finished.exit_code("warning")
            report = json.loads(finished.write("json", _last(task.snapshot)))
        found |= {name: report[name] for name in ("judged", "snapshot", "totals", "groups", "deks", "keys", "findings")}
        found["keyMarks"] = marks
    except (K8sEncError, OSError) as error:
        found["failed"] = escape(error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    except Exception as error:  # what a store's library raises is its own
        found["failed"] = f"{type(error).__name__}: {escape(str(error))[:300]}"
    return {task.snapshot: found}


def _config(where: str | None) -> tuple[Config | None, list[dict[str, str]]]:
    if where is None:
        return None, []
    if where.startswith("env:"):
        text = os.environb.get(where.removeprefix("env:").encode())
        if text is None:
            raise UsageError("fleet-config", f"the environment has no {escape(where.removeprefix('env:'))} where this runs")
    else:
        try:
            with open(where, "rb") as file:
                text = file.read(_MOST_CONFIG)
        except OSError as error:
            raise UsageError("fleet-config", f"the configuration {escape(where)} cannot be read where this runs: {error.strerror}") from None
    config = Config.parse(text)
    return config, [{"provider": mark.provider, "name": escape(mark.name), "fingerprint": mark.fingerprint} for mark in key_marks(config) if mark.fingerprint]


@contextlib.contextmanager
def _local(snapshot: str) -> Iterator[Path]:
    """The snapshot as a file here. One that is elsewhere is copied to a file without a name, which is gone even if this is killed."""
    if "://" not in snapshot or snapshot.startswith("file://"):
        yield Path(urlsplit(snapshot).path if "://" in snapshot else snapshot)
        return
    fsspec: Any = importlib.import_module("fsspec")
    if Path("/proc/self/fd").is_dir():
        with tempfile.TemporaryFile() as copy:
            with fsspec.open(snapshot, "rb") as remote:
                shutil.copyfileobj(remote, copy, _BLOCK)
            copy.flush()
            yield Path(f"/proc/self/fd/{copy.fileno()}")
    else:
        with tempfile.NamedTemporaryFile() as copy:
            with fsspec.open(snapshot, "rb") as remote:
                shutil.copyfileobj(remote, copy, _BLOCK)
            copy.flush()
            yield Path(copy.name)


def _last(snapshot: str) -> str:
    return snapshot.rstrip("/").rpartition("/")[2]
