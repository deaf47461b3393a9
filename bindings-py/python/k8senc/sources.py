"""What `audit`, `drill` and `decrypt` read: a file, a member's data directory, kine's database, a live etcd, standard input, a URL."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from k8senc._native import Audit, Config, Recovery, escape
from k8senc.command import UNREADABLE, USAGE, Failure, note, progress
from k8senc.errors import SnapshotError
from k8senc.etcd_access import Access, access_options

if TYPE_CHECKING:
    from k8senc.auditing import Progress

__all__ = ["Live", "Source", "label_of", "live_options", "opened"]

_ETCD_AS = {"etcd": "https", "etcd+http": "http", "etcd+unix": "unix"}
_ETCD = tuple(f"{scheme}://" for scheme in _ETCD_AS)
_DATABASES = ("mysql://", "postgres://", "postgresql://", "nats://")


@dataclass(frozen=True)
class Live:
    """How to reach a live etcd, and what may be read of a running member."""

    access: Access = field(default_factory=Access)
    rate: int = 1000
    running: bool = False
    """Read the data directory of a member that runs."""


@dataclass(frozen=True)
class Source:
    """One opened source."""

    label: str
    """How messages name it."""
    name: str
    """How a report names it."""
    path: Path | None
    """The file, where there is one."""
    logs: tuple[Path, ...] = ()
    rows: Callable[[], Any] | None = None

    def audit(self, config: Config | None, *, logs: tuple[Path, ...] = (), threads: int = 0, hash: bool = True, **options: Any) -> Audit:
        """What reads it."""
        if self.rows is not None:
            if logs:
                raise Failure(USAGE, f"--wal belongs to a db file; {self.label} has no such log")
            return Audit.of_rows(self.rows, config, **options)
        assert self.path is not None
        return Audit(self.path, config, logs=[*self.logs, *logs], threads=threads, hash=hash, **options)

    def tell_pending(self, progress: Progress | None = None) -> bool:
        """Whether a member's log holds writes that its file does not have yet, or cannot be read; says so."""
        if not self.logs:
            return False
        assert self.path is not None
        try:
            report = json.loads(Audit(self.path, None, logs=list(self.logs), hash=False).report(progress)[0])
        except SnapshotError as error:
            note(f"the write-ahead log of {self.label} cannot be read: {error}; what only it holds is missing here")
            return True
        pending: int = report["log"]["pending"]
        if pending:
            note(f"{pending:,} writes are in the write-ahead log of {self.label} alone, as the member did not end cleanly: this is the state before them; start etcd once on a copy of the folder, stop it cleanly, and read that")
        return pending > 0

    def recovery(self, config: Config | None, keys: list[tuple[str, bytes]], **options: Any) -> Recovery:
        """What takes objects out of it."""
        return Recovery(None if self.rows is not None else self.path, config, keys, rows=self.rows, **options)


_LIVE_OPTIONS = [
    click.option("--rate", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, metavar="N", help="etcd://: read at most N keys a second."),
    click.option("--running", is_flag=True, help="Read the data directory of a member that runs, although the copy may be torn."),
]


def label_of(target: str) -> str:
    """How messages name what was given."""
    from k8senc.remote import is_url, without_secrets

    return without_secrets(target) if is_url(target) else "standard input" if target == "-" else target


def live_options(*key_names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the options of sources that are no plain files; the command gets them as its one argument `live`.

    `key_names` are those of the option for the client's private key: `--key` means another key to some commands.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def bundled(*args: Any, access: Access, rate: int, running: bool, **others: Any) -> Any:
            return command(*args, live=Live(access, rate, running), **others)

        wrapped: Callable[..., Any] = bundled
        for option in reversed(_LIVE_OPTIONS):
            wrapped = option(wrapped)
        return access_options("etcd://: ", *key_names)(wrapped)

    return decorate


@contextmanager
def opened(target: str, live: Live, *, etcd_key: bytes | None = None, revision: int = 0) -> Iterator[Source]:
    """Finds out what `target` is, and opens it. A live etcd is asked for that key alone, and at that revision, if given."""
    from k8senc import remote

    with ExitStack() as stack:
        if target == "-":
            with progress("reading standard input") as told:
                held = remote.from_stdin(told)
            stack.callback(held.close)
            yield Source("standard input", "stdin", held.path)
        elif target.startswith(_ETCD):
            yield _etcd(target, live, stack, etcd_key, revision)
        elif target.startswith(_DATABASES):
            raise Failure(USAGE, "a database of kine is read through kine: give its socket, such as etcd+unix:///var/lib/rancher/k3s/server/kine.sock, for the current values; what lies beside them is read in SQLite alone")
        elif remote.is_url(target):
            with progress("fetching") as told:
                held = remote.from_url(target, told)
            stack.callback(held.close)
            shown = label_of(target)
            yield Source(escape(shown), shown.rstrip("/").rpartition("/")[2] or shown, held.path)
        else:
            yield _local(Path(target), live)


def _local(path: Path, live: Live) -> Source:
    from k8senc import kine

    try:
        if path.is_dir():
            return _folder(path, live)
        sqlite = path.is_file() and kine.is_sqlite(path)
    except OSError as error:
        what = escape(os.fsdecode(error.filename or path))
        who = ": its owner is the user of etcd or k3s, mostly root" if isinstance(error, PermissionError) else ""
        raise Failure(UNREADABLE, f"{what} cannot be read: {error.strerror}{who}") from None
    if sqlite:
        if kine.wal_of(path):
            note(f"{escape(str(path))}: SQLite's write-ahead log lies beside it and is read as well")
        return Source(escape(str(path)), path.name, None, rows=partial(kine.KineRows, path))
    return Source(escape(str(path)), path.name, path)


def _folder(path: Path, live: Live) -> Source:
    from k8senc import data_dir

    # Whether it may be read at all.
    next(path.iterdir(), None)
    kine_file = next((file for file in (path / "state.db", path / "server/db/state.db", path / "db/state.db") if file.is_file()), None)
    if not data_dir.is_data_dir(path) and kine_file is not None:
        return _local(kine_file, live)
    found = data_dir.read(path)
    if found.running:
        what = f"{escape(str(path))}: etcd runs on this folder"
        if not live.running:
            raise Failure(UNREADABLE, f"{what}, so its files change while they are read; take a snapshot (etcdctl snapshot save), read it live (etcd://), or stop the member; --running reads it all the same")
        note(f"{what}: the copy may be torn, and values may be missing")
    for other in found.others:
        note(f"{escape(str(other))} was not read and may hold values too: audit it on its own, or delete it if etcd no longer needs it")
    return Source(escape(str(path)), path.resolve().name, found.db, tuple(found.logs))


def _etcd(target: str, live: Live, stack: ExitStack, etcd_key: bytes | None, revision: int) -> Source:
    # gRPC would write lines of its own to stderr before ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from k8senc import etcd_rows

    scheme, _, address = target.partition("://")
    endpoint = f"{_ETCD_AS[scheme]}://{address}"
    client = stack.enter_context(live.access.client(endpoint))
    ranges = etcd_rows.RANGES if etcd_key is None else ((etcd_key, b""),)

    def rows() -> etcd_rows.EtcdRows:
        nonlocal revision
        if not revision:
            # Every pass reads the same revision.
            revision = client.page(*etcd_rows.RANGES[0], limit=1, keys_only=True).revision
        return etcd_rows.EtcdRows(client, rate=live.rate, revision=revision, ranges=ranges)

    return Source(escape(target), target, None, rows=rows)
