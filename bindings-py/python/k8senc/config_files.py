"""Configurations as they lie on disk: read, with what is known of the file, and found through manifests."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from k8senc._native import Config, Finding, Manifest, Verdict, escape, lint, validate
from k8senc.command import UNREADABLE, USAGE, Failure, utf8
from k8senc.errors import ConfigError

# The largest file kept in etcd or a ConfigMap has 1.5 MiB; 100,000 lines of a configuration have about 4.
_MOST = 16 << 20


@dataclass
class File:
    """One file, and how it was come by."""

    name: str
    """As the user knows it; not escaped."""
    text: bytes
    path: Path | None = None
    facts: dict[str, bool | int] = field(default_factory=dict)
    manifest: Manifest | None = None
    named_by: Manifest | None = None
    """The manifest that names it, when the user did not."""
    server: str | None = None


@dataclass(frozen=True)
class Missing:
    """A file that a manifest names and that is not here."""

    server: str
    path: str
    host_path: str | None

    def sentence(self) -> str:
        if self.host_path is None:
            return f"{escape(self.server)} reads {escape(self.path)}, which no mount brings from the host: its configuration was not judged"
        return f"{escape(self.server)} reads {escape(self.host_path)}, which is not here: run this on that host, or give the file as well"


def read(given: Path) -> File:
    """Reads a file or, for `-`, stdin. Raises Failure with one sentence."""
    if str(given) == "-":
        text = sys.stdin.buffer.read(_MOST + 1)
        _check_size(text, "stdin")
        return File("stdin", text, manifest=Manifest.read(text))
    shown = escape(str(given))
    try:
        with given.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if stat.S_ISDIR(status.st_mode):
                raise Failure(UNREADABLE, f"{shown} is a directory; name the files in it")
            text = opened.read(_MOST + 1)
    except OSError as error:
        raise Failure(UNREADABLE, f"{shown} cannot be read: {error.strerror}") from None
    _check_size(text, shown)
    facts = _facts(given, status) if stat.S_ISREG(status.st_mode) else {}
    return File(str(given), text, given, facts, Manifest.read(text, shown))


def _check_size(text: bytes, shown: str) -> None:
    if len(text) > _MOST:
        raise Failure(UNREADABLE, f"{shown} has more than 16 MiB, which no configuration has; for a snapshot use: k8senc audit")


def _facts(path: Path, status: os.stat_result) -> dict[str, bool | int]:
    facts: dict[str, bool | int] = {"mode": stat.S_IMODE(status.st_mode)}
    try:
        directory = path.resolve().parent.stat().st_mode
    except OSError:
        return facts
    facts["directory_writable"] = bool(directory & stat.S_IWOTH and not directory & stat.S_ISVTX)
    facts["shared"] = _is_tracked(path)
    return facts


def _is_tracked(path: Path) -> bool:
    """Whether git's index lists the file. git itself is not run: a repository can make it run programs."""
    path = path.resolve()
    for parent in path.parents:
        try:
            index = _index(parent / ".git")
            listed = index.read_bytes() if index else None
        except OSError:
            return False
        if listed is not None:
            return _lists(listed, os.fsencode(path.relative_to(parent)))
    return False


def _index(git: Path) -> Path | None:
    """The index of a repository, whose `.git` is a file in a worktree."""
    if git.is_file():
        named = git.read_text(errors="surrogateescape").removeprefix("gitdir:").strip()
        git = git.parent / named
    index = git / "index"
    return index if index.is_file() else None


def _lists(index: bytes, name: bytes) -> bool:
    """An entry ends with two bytes that hold the name's length in 12 bits, perhaps two more, the name and a NUL."""
    at = index.find(name + b"\0")
    while at >= 0:
        for flags in (index[at - 2 : at], index[at - 4 : at - 2]):
            if int.from_bytes(flags) & 0xFFF == min(len(name), 0xFFF):
                return True
        at = index.find(name + b"\0", at + 1)
    return False


def with_references(files: list[File]) -> tuple[list[File], list[Missing]]:
    """Adds the files that manifests name, where they are on this host and were not given."""
    known = {file.path.resolve(): file for file in files if file.path}
    found, missing = list(files), []
    for file in files:
        for reference in file.manifest.references if file.manifest else ():
            where = Path(reference.host_path).resolve() if reference.host_path else None
            if where is None or (where not in known and not where.is_file()):
                missing.append((file, Missing(reference.server, reference.path, reference.host_path)))
                continue
            if where not in known:
                try:
                    known[where] = read(Path(reference.host_path or where))
                except Failure:
                    missing.append((file, Missing(reference.server, reference.path, reference.host_path)))
                    continue
                found.append(known[where])
            known[where].named_by, known[where].server = file.manifest, reference.server
    # A copy of the file beside the manifest: no other can be meant.
    loose = [file for file in files if file.manifest is None and file.named_by is None]
    if len(missing) == 1 and len(loose) == 1:
        loose[0].named_by, loose[0].server = missing[0][0].manifest, missing[0][1].server
        missing = []
    return found, [one for _, one in missing]


@dataclass(frozen=True)
class Server:
    """The API server that is asked; what is None is taken from the manifest, or is the default."""

    version: str | None = None
    reload: bool | None = None
    kmsv1: bool | None = None
    migration: str | None = None

    def of(self, manifest: Manifest | None) -> Server:
        if manifest is None:
            return self
        return Server(
            self.version or manifest.version,
            manifest.reload if self.reload is None else self.reload,
            self.kmsv1,
            self.migration,
        )


def findings(file: File, files: list[File], server: Server) -> tuple[Finding, ...]:
    """What the rules find in one file."""
    if file.manifest is not None:
        read_by = [other.text for other in files if other.named_by is file.manifest]
        return file.manifest.lint(referenced=read_by, version=server.version, reload=server.reload, kmsv1=server.kmsv1, migration=server.migration)
    asked = server.of(file.named_by)
    return lint(file.text, version=asked.version, reload=bool(asked.reload), kmsv1=asked.kmsv1, migration=asked.migration, **file.facts)  # type: ignore[arg-type]


def verdicts(file: File, server: Server) -> Iterator[tuple[str | None, Verdict]]:
    """kube-apiserver's verdict on a file, or on each configuration that a manifest holds with the field it is in."""
    if file.manifest is None:
        asked = server.of(file.named_by)
        yield None, validate(file.text, version=asked.version, reload=bool(asked.reload), kmsv1=asked.kmsv1, path=utf8(file.name))
        return
    judged = file.manifest.validate(version=server.version, reload=server.reload, kmsv1=server.kmsv1)
    for embedded, verdict in zip(file.manifest.embedded, judged, strict=True):
        yield embedded.origin, verdict


def configs(given: Path) -> list[tuple[str, Config]]:
    """The configurations of a file, which may be a manifest, each with a name. Raises Failure with one sentence."""
    files, missing = with_references([read(given)])
    found = []
    for file in files:
        try:
            if file.manifest is None:
                found.append((file.name, Config.parse(file.text)))
            else:
                names = [f"{file.name}, {embedded.origin}" for embedded in file.manifest.embedded]
                found += [(name, file.manifest.config(i)) for i, name in enumerate(names)]
        except ConfigError as error:
            raise Failure(USAGE, f"kube-apiserver refuses {escape(file.name)}: {escape(error.message)}; k8senc validate says more") from None
    if not found:
        raise Failure(UNREADABLE, missing[0].sentence() if missing else f"{escape(str(given))} neither holds nor names a configuration")
    return found
