"""Changes to configurations on disk: only safe ones, all at once or not at all, and shown without a key."""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import Manifest, escape, mask
from k8senc.command import UNREADABLE, USAGE, Failure, note, writes

if TYPE_CHECKING:
    from k8senc.config_files import File, Server

# Each change is followed by a new look; a file with more faults takes another call.
_MOST_CHANGES = 500


def run(files: list[File], server: Server, *, write: bool) -> None:
    """Prints what changes and, if `write`, changes it. The files then hold their new text."""
    changed = 0
    for file in files:
        text, titles = cured(file, server)
        if not titles:
            continue
        changed += 1
        before = file.text
        click.echo("\n".join(diff(before, text, escape(file.name))))
        if write:
            if file.path is None:
                raise Failure(USAGE, "what comes from stdin cannot be changed: give a file, or use --diff")
            writes("each file is as it was, or changed as shown")
            replace(file.path, before, text)
            file.text, file.manifest = text, Manifest.read(text, file.name)
        did = "changed" if write else "would change"
        note(f"{escape(file.name)} {did}: {', '.join(titles)}")
    if not changed:
        note("there is nothing that is safe to change")


def cured(file: File, server: Server) -> tuple[bytes, list[str]]:
    """The text with every safe change made, one after the other, and what each does."""
    from k8senc import config_files

    titles: list[str] = []
    now = config_files.File(file.name, file.text, file.path, file.facts, file.manifest, file.named_by)
    for _ in range(_MOST_CHANGES):
        fix = next((one.fix for one in config_files.findings(now, [], server) if one.fix is not None and one.fix.safe), None)
        if fix is None:
            break
        text = fix.apply(now.text.decode()).encode()
        if text == now.text:
            break
        titles.append(escape(fix.title))
        now.text, now.manifest = text, Manifest.read(text, file.name)
    return now.text, list(dict.fromkeys(titles))


def diff(before: bytes, after: bytes, name: str) -> Iterator[str]:
    """A unified diff in which every word that could be a key is masked."""
    old, new = (text.decode(errors="replace").splitlines() for text in (before, after))
    for i, line in enumerate(difflib.unified_diff(old, new, name, f"{name} (changed)", n=2, lineterm="")):
        # The first two name the file.
        yield line if i < 2 or line.startswith("@@") else line[:1] + mask(line[1:])


def replace(path: Path, before: bytes, after: bytes) -> None:
    """Puts a new text in place of a file's: never half of it, with the mode, owner and labels it had."""
    path = path.resolve()
    shown = escape(str(path))
    try:
        status = path.stat()
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise Failure(UNREADABLE, f"{shown} cannot be changed: {error.strerror}") from None
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            file.flush()
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
            # Extended attributes, such as a SELinux label, with it.
            shutil.copystat(path, new)
            os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            os.utime(file.fileno())
            os.fsync(file.fileno())
        if path.read_bytes() != before:
            raise Failure(UNREADABLE, f"{shown} was changed by somebody else meanwhile; it was left alone")
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Failure(UNREADABLE, f"{shown} cannot be changed: {error.strerror}; it was left alone") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
