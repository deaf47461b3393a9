"""Values taken apart and made again, one at a time: what the last-resort repair in etcd consists of."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from k8senc import auditing, kms_calls
from k8senc._native import Config, KmsState, Recovery, escape, inspect, read_pasted, render, resource_of
from k8senc.command import FINDINGS, OUTPUT, REMOTE, UNDECIDED, USAGE, Failure, note, read_file, writes
from k8senc.errors import UsageError
from k8senc.etcd_client import EtcdClient, KeyValue
from k8senc.kms import Kms, Writes

__all__ = ["Opened", "described", "finish", "keep", "one_value", "opened", "resource_at", "sealed"]


@dataclass(repr=False)
class Opened:
    """A plaintext, and how it was got."""

    plaintext: bytes
    provider: str
    key: str | None
    resource: str
    hint: str | None


def described(stored: bytes) -> str:
    """What a stored value says of itself, in a few words."""
    seen = inspect(stored)
    return f"{seen.provider}{'' if seen.name is None else ' ' + escape(seen.name)}, {len(stored):,} bytes"


def resource_at(etcd_key: bytes, prefix: bytes | None) -> str:
    found = resource_of(etcd_key, prefix)
    if found is None:
        raise Failure(USAGE, f"{escape(etcd_key)} is not the etcd key of a Kubernetes object: it looks like /registry/secrets/NAMESPACE/NAME (or give --etcd-prefix)")
    return found


def opened(
    stored: bytes,
    etcd_key: bytes,
    config: Config,
    kms: Mapping[str, Kms],
    keys: Sequence[tuple[str, bytes]],
    *,
    any_key: bool,
    moved: bool,
    prefix: bytes | None,
    most: int,
    yes: bool,
) -> Opened:
    """The object in a stored value. Raises `Failure` when it does not open, or is not the object of this key."""
    resource = resource_at(etcd_key, prefix)
    run = Recovery(None, config, keys, format="raw", any_key=any_key, etcd_prefix=prefix)
    kms_calls.make(run, auditing.Plan(run.needs(stored, etcd_key), 0, kms), kms, most, yes)
    plaintexts: list[bytes] = []
    entries: list[dict[str, Any]] = []
    run.value(stored, etcd_key, lambda content, _: plaintexts.append(bytes(content)), lambda text: entries.append(json.loads(text)))
    (entry,) = entries
    hint = entry["hint"]["text"] if entry["hint"] else None
    if not plaintexts:
        why = entry["text"] or entry["code"] or "the KMS was not asked, or did not answer"
        raise Failure(UNDECIDED if entry["outcome"] == "undecided" else FINDINGS, f"{escape(etcd_key)} does not open: {why}" + (f"; {hint}" if hint else ""))
    if entry["moved"] and not moved:
        raise Failure(FINDINGS, f"{escape(etcd_key)} holds an object of another name: it was copied or moved there; --moved takes it all the same")
    return Opened(plaintexts[0], entry["provider"], entry["key"], resource, hint)


def sealed(plaintext: bytes, etcd_key: bytes, resource: str, config: Config, kms: Mapping[str, Kms], *, moved: bool, prefix: bytes | None) -> bytes:
    """The value that kube-apiserver would write with this configuration, read back before it is given out."""
    try:
        render(plaintext, "json")
    except UsageError as error:
        # A kind of somebody else's API is an object all the same.
        if error.code not in ("unknown-kind", "cbor"):
            raise Failure(USAGE, f"the plaintext is no Kubernetes object ({error}): JSON, or what k8senc decrypt --format raw writes, is needed") from None
    chain = config.chain(resource, kms)
    state = None
    kind, name = chain.writer or ("nothing", None)
    if name is not None:
        if not hasattr(kms.get(name), "encrypt"):
            raise Failure(USAGE, f"KMS provider {escape(name)} writes {resource}: give its plugin, --kms {escape(name)}=unix:///path; only the plugin can encrypt a {'seed' if kind == 'kms-v2' else 'DEK'}")
        if kind == "kms-v2":
            state = KmsState.create(cast("Writes", kms[name]))
    stored = chain.seal(plaintext, etcd_key, state)
    judged = chain.open(stored, etcd_key)
    if judged.reveal() != plaintext or judged.stale:
        raise Failure(REMOTE, "what was sealed does not open to what went in: the KMS plugin does not answer the same twice; nothing was written")
    run = Recovery(None, None, format="raw", etcd_prefix=prefix)
    entries: list[dict[str, Any]] = []
    run.value(plaintext, etcd_key, lambda *_: None, lambda text: entries.append(json.loads(text)))
    if entries[0]["moved"] and not moved:
        raise Failure(USAGE, f"the plaintext is an object of another name than {escape(etcd_key)}; --moved writes it all the same")
    return stored


def keep(folder: Path, name: str, content: bytes) -> Path:
    """Writes a file that only this user reads, never over another one, whole or not at all."""
    path = folder / name
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Failure(USAGE, f"{escape(str(path))} cannot be made: {error.strerror}; nothing was changed") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Failure(OUTPUT, f"{escape(str(path))} cannot be written: {error.strerror}; nothing was changed") from None
        raise
    return path


def one_value(file: Path) -> bytes:
    """The stored value in a file, or on stdin for `-`, in any form that `k8senc inspect` takes."""
    data = sys.stdin.buffer.read() if str(file) == "-" else read_file(file, "the value")
    found = read_pasted(data)
    if len(found) != 1:
        raise Failure(USAGE, f"{escape(str(file))} holds {len(found)} values, one is needed")
    return found[0].stored


def finish(client: EtcdClient | None, etcd_key: bytes, seen: KeyValue | None, new: bytes, *, write: bool, backup: Path, output: Path | None, yes: bool) -> None:
    """Puts a new value where it was asked for: a file, etcd, or nowhere."""
    if output is not None:
        keep(output.parent, output.name, new)
        click.echo(f"  the new value is in {escape(str(output))}, readable by you alone")
    if client is None:
        if output is None:
            click.echo("nothing was written: --output FILE makes a file of the new value")
        return
    if not write:
        click.echo("nothing was written to etcd: --write does it")
        return
    if not yes and sys.stdin.isatty():
        click.confirm("Write it to etcd?", abort=True, err=True)
    revision = _put(client, etcd_key, seen, new, backup)
    after = client.get(etcd_key)
    if after is None or after.value != new:
        raise Failure(FINDINGS, f"{escape(etcd_key)} was written at revision {revision} and changed again since: look at it")
    click.echo(f"written at revision {revision}")


def _put(client: EtcdClient, etcd_key: bytes, seen: KeyValue | None, stored: bytes, backup: Path) -> int:
    """If nothing changed since it was read; what it replaces is kept first."""
    if seen is not None:
        kept = keep(backup, f"before-{seen.mod_revision}.value", seen.value)
        note(f"what {escape(etcd_key)} holds now is kept in {escape(str(kept))}")
    writes(f"{escape(etcd_key)} may have been written: read it again")
    revision = client.create(etcd_key, stored) if seen is None else client.replace(seen, stored)
    if revision is None:
        raise Failure(FINDINGS, f"{escape(etcd_key)} was changed by somebody else meanwhile: nothing was written; look at it again")
    return revision
