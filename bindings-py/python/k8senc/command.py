"""What every command shares: exit codes, how it fails, what it reads and how it shows progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import escape
from k8senc.errors import ConfigError, SnapshotError, UsageError

if TYPE_CHECKING:
    from k8senc._native import Config
    from k8senc.auditing import Progress
    from k8senc.kms import Kms
    from k8senc.unwrapping import Offline

CLEAN, FINDINGS, USAGE, UNREADABLE, UNDECIDED, REMOTE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
# Of every command: a fault of k8senc, and an output that cannot be written (sysexits.h). Nothing is decided then.
FAULT, OUTPUT = 70, 74

EXIT_CODES = """\b
Exit codes:
  0  clean
  1  findings: something deserves attention
  2  the command or the configuration is wrong
  3  the input cannot be read or is corrupt
  4  no findings, but not everything could be decided
  5  a KMS, an etcd or a URL could not be reached
  130  interrupted"""

# What a person may paste or pipe; etcd refuses requests beyond 1.5 MiB unless told otherwise.
MOST_INPUT = 64 << 20
HEARTBEAT_SECONDS = 10.0


class Failure(Exception):
    """Ends the command with one sentence on stderr."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


# What holds when Ctrl-C ends the command; a command that begins to write says so with `writes`.
_after_interrupt = "nothing was changed"


def writes(after_interrupt: str) -> None:
    """From here on an interrupt leaves something behind: what, in one clause."""
    global _after_interrupt
    _after_interrupt = after_interrupt


def interrupted() -> int:
    """Says so; the exit code of it."""
    note(f"interrupted; {_after_interrupt}")
    return INTERRUPTED


def utf8(path: Path | str) -> str:
    """The name as UTF-8 can write it: with `\\xff` for a byte that it cannot."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def note(text: str) -> None:
    click.echo(f"k8senc: {text}", err=True)


@contextmanager
def about(file: Path | str) -> Iterator[None]:
    """Names the file in what is wrong with it."""
    try:
        yield
    except SnapshotError as error:
        if error.code == "output":
            raise Failure(OUTPUT, str(error)) from None
        raise Failure(UNREADABLE, f"{escape(str(file))}: {error}") from None


def read_config(file: Path) -> Config:
    from k8senc._native import Config

    try:
        return Config.parse(read_file(file, "the configuration"))
    except ConfigError as error:
        raise Failure(USAGE, f"kube-apiserver refuses {escape(str(file))}: {escape(error.message)}; k8senc validate says more") from None


def kms_of(specs: tuple[str, ...], config: Config | None, offline: Offline | None = None) -> dict[str, Kms]:
    """Who answers for which KMS provider. What `offline` holds is tried for each that has no plugin."""
    from k8senc.kms import local_kek
    from k8senc.kms_socket import SocketKms
    from k8senc.unwrapping import Offline, Unwrapper
    from k8senc.unwrapping.places import FORMS, kek_at

    offline = offline or Offline()
    if (specs or offline) and config is None:
        option = "--kms" if specs else "--recovery-key"
        raise Failure(USAGE, f"{option} needs --config: the configuration says which values a KMS provider opens")
    versions = dict(config.kms_providers) if config else {}
    kms: dict[str, Kms] = {}
    for spec in specs:
        name, equals, where = spec.partition("=")
        if not name or not equals or not where:
            raise Failure(USAGE, f"--kms {spec!r}: NAME=FILE.json, NAME=unix:///path or NAME={'|'.join(FORMS)}:... is needed, with the name of a KMS provider")
        if name not in versions:
            known = ", ".join(map(repr, versions)) or "none"
            raise Failure(USAGE, f"--kms {name!r}: the configuration has no KMS provider of this name; it has {known}")
        form, colon, rest = where.partition(":")
        if colon and form in FORMS:
            known_as = kms.setdefault(name, Unwrapper([], offline))
            if isinstance(known_as, Unwrapper):
                known_as.keks = [*known_as.keks, kek_at(form, rest)]
                continue
        if name in kms:
            raise Failure(USAGE, f"--kms {name!r} is given twice: only {', '.join(FORMS)} stand beside each other")
        if where.startswith("unix://"):
            kms[name] = SocketKms(where, versions[name])
        elif "://" in where:
            raise Failure(USAGE, f"--kms {spec!r}: known are a file of local KEKs, unix:///path, and {', '.join(FORMS.values())}")
        else:
            try:
                kms[name] = local_kek(read_file(Path(where), "the KEK file"), name)
            except UsageError as error:
                raise Failure(USAGE, f"--kms {escape(name)}: the KEK file {escape(where)}: {error}") from None
    if offline:
        for name, version in versions.items():
            if version == "v2":
                kms.setdefault(name, Unwrapper([], offline))
    return kms


def read_file(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_INPUT + 1)
    except OSError as error:
        raise Failure(USAGE, f"{what} {escape(str(path))} cannot be read: {error.strerror}") from None
    if len(data) > MOST_INPUT:
        raise Failure(USAGE, f"{what} {escape(str(path))} has more than 64 MiB")
    return data


def animated() -> bool:
    """Whether stderr is a terminal that takes a line back."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A progress bar on stderr when that is a terminal, else a line each ten seconds."""
    if not animated():
        yield _lines(what)
        return
    from k8senc import terminal

    with terminal.progress(what) as told:
        yield told


def _lines(what: str) -> Progress:
    import time

    last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= HEARTBEAT_SECONDS:
            last = now
            note(f"{what}: {done * 100 // total}%" if total else f"{what}: {done:,}")

    return told
