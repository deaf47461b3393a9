"""What `audit` and `drill` read: a file, a member's data directory, kine's database, a live etcd, standard input, a URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from k8senc._native import Audit, Config, escape
from k8senc.command import UNREADABLE, USAGE, Failure, note, progress

__all__ = ["LIVE_OPTIONS", "Live", "Source", "label_of", "live_options", "opened"]

PASSWORD = "K8SENC_ETCD_PASSWORD"
_ETCD_AS = {"etcd": "https", "etcd+http": "http", "etcd+unix": "unix"}
_ETCD = tuple(f"{scheme}://" for scheme in _ETCD_AS)
_DATABASES = ("mysql://", "postgres://", "postgresql://", "nats://")


@dataclass(frozen=True)
class Live:
    """How to reach a live etcd."""

    cacert: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    user: str | None = None
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


LIVE_OPTIONS = [
    click.option("--cacert", type=click.Path(path_type=Path), metavar="FILE", help="etcd://: the certificate authority of the server."),
    click.option("--cert", type=click.Path(path_type=Path), metavar="FILE", help="etcd://: the client's certificate."),
    click.option("--key", "key_file", type=click.Path(path_type=Path), metavar="FILE", help="etcd://: its private key."),
    click.option("--user", metavar="NAME", help=f"etcd://: log in; the password is asked for, or taken from the environment's {PASSWORD}."),
    click.option("--rate", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, metavar="N", help="etcd://: read at most N keys a second."),
    click.option("--running", is_flag=True, help="Read the data directory of a member that runs, although the copy may be torn."),
]


def label_of(target: str) -> str:
    """How messages name what was given."""
    from k8senc.remote import without_password

    return "standard input" if target == "-" else without_password(target)


def live_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of sources that are no plain files."""
    for option in reversed(LIVE_OPTIONS):
        command = option(command)
    return command


@contextmanager
def opened(target: str, live: Live) -> Iterator[Source]:
    """Finds out what `target` is, and opens it."""
    from k8senc import remote

    with ExitStack() as stack:
        if target == "-":
            with progress("reading standard input") as told:
                held = remote.from_stdin(told)
            stack.callback(held.close)
            yield Source("standard input", "stdin", held.path)
        elif target.startswith(_ETCD):
            yield _etcd(target, live, stack)
        elif target.startswith(_DATABASES):
            raise Failure(USAGE, "a database of kine is read through kine: give its socket, such as etcd+unix:///var/lib/rancher/k3s/server/kine.sock, for the current values; what lies beside them is read in SQLite alone")
        elif remote.is_url(target):
            with progress("fetching") as told:
                held = remote.from_url(target, told)
            stack.callback(held.close)
            yield Source(escape(label_of(target)), target.rstrip("/").rpartition("/")[2] or target, held.path)
        else:
            yield _local(Path(target), live)


def _local(path: Path, live: Live) -> Source:
    from k8senc import kine

    if path.is_dir():
        return _folder(path, live)
    if path.is_file() and kine.is_sqlite(path):
        if kine.wal_of(path):
            note(f"{escape(str(path))}: SQLite's write-ahead log lies beside it and is read as well")
        return Source(escape(str(path)), path.name, None, rows=partial(kine.KineRows, path))
    return Source(escape(str(path)), path.name, path)


def _folder(path: Path, live: Live) -> Source:
    from k8senc import data_dir

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


def _etcd(target: str, live: Live, stack: ExitStack) -> Source:
    import os

    # gRPC would write lines of its own to stderr before ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from k8senc import etcd_rows
    from k8senc.etcd_client import EtcdClient, Tls

    scheme, _, address = target.partition("://")
    endpoint = f"{_ETCD_AS[scheme]}://{address}"
    password = None
    if live.user:
        password = os.environ.get(PASSWORD) or click.prompt(f"password of {live.user} at etcd", hide_input=True, err=True)
    client = stack.enter_context(EtcdClient(endpoint, Tls(live.cacert, live.cert, live.key), user=live.user, password=password))
    revision = 0

    def rows() -> etcd_rows.EtcdRows:
        nonlocal revision
        if not revision:
            # Every pass reads the same revision.
            revision = client.page(*etcd_rows.RANGES[0], limit=1, keys_only=True).revision
        return etcd_rows.EtcdRows(client, rate=live.rate, revision=revision)

    return Source(escape(target), target, None, rows=rows)
