"""`k8senc decrypt`: objects out of a snapshot or another source, with the keys that are left."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from k8senc._native import escape, inspect, is_store, read_pasted
from k8senc.command import CLEAN, FINDINGS, MOST_INPUT, UNDECIDED, UNREADABLE, USAGE, Failure, about, interrupted, note, progress, read_config, read_file, writes
from k8senc.errors import RemoteError, SnapshotError
from k8senc.key_sources import Opening, key_from, opening_options
from k8senc.sources import Live, Source, label_of, live_options, opened

if TYPE_CHECKING:
    from k8senc._native import Recovery
    from k8senc.kms import Kms

_WHOLE = "every file that was written is whole, and index.jsonl lists them"

EXIT_CODES = """\b
Exit codes:
  0  everything that was asked for was written
  1  something did not open, or is not in the source
  2  the command or the configuration is wrong
  3  the source cannot be read or is damaged
  4  something waits for a KMS that was not asked, or did not answer; or a member's log holds newer values
  5  a KMS, an etcd or a URL could not be reached
  130  interrupted; what was written is whole"""


@click.command(epilog=EXIT_CODES)
@click.argument("snapshot", required=False, metavar="[SOURCE]")
@click.argument("what", required=False, metavar="[RESOURCE[/NAME]]")
@click.option("-n", "--namespace", metavar="NAMESPACE", help="Only objects of this namespace.")
@click.option("--all", "everything", is_flag=True, help="Every object of the source.")
@click.option("-c", "--config", "config_file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE", help="EncryptionConfiguration; - is stdin.")
@opening_options
@click.option("--key", "key_sources", multiple=True, metavar="SOURCE", help="A key without its configuration: file:PATH, fd:N, env:NAME or prompt. Tried under any name, also as a DEK or seed. Repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write a file for each object into this new folder (0700, files 0600).")
@click.option("--stdout", "to_stdout", is_flag=True, help="Write more than one object to stdout.")
@click.option("--format", "form", type=click.Choice(["yaml", "json", "raw"]), default="yaml", show_default=True, help="As kubectl prints it, or the plaintext byte for byte.")
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="The state at an older revision, such as before a delete; it must not be compacted. Of a live etcd too.")
@click.option("--etcd-key", metavar="KEY", help="The whole etcd key instead of resource and name.")
@click.option("--value", "value_file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE", help="One stored value instead of a source: raw, hex, base64 or what etcdctl printed; - is stdin. With --etcd-key.")
@click.option("--any-key", is_flag=True, help="Also take what only opens with a key under another name, or with another near miss.")
@click.option("--unverified", is_flag=True, help="Also take aescbc values that open to no object: noise, most likely.")
@click.option("--etcd-prefix", metavar="PREFIX", help="kube-apiserver's --etcd-prefix, where it is not one of the usual.")
@click.option("--max-kms-calls", type=click.IntRange(min=0), default=1_000, show_default=True, metavar="N", help="Call no KMS when the selection asks for more than N calls.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before calling a KMS.")
@live_options("--cert-key")
@click.pass_context
def decrypt(
    context: click.Context,
    snapshot: str | None,
    what: str | None,
    namespace: str | None,
    everything: bool,
    config_file: Path | None,
    opening: Opening,
    key_sources: tuple[str, ...],
    output: Path | None,
    to_stdout: bool,
    form: str,
    revision: int | None,
    etcd_key: str | None,
    value_file: Path | None,
    any_key: bool,
    unverified: bool,
    etcd_prefix: str | None,
    max_kms_calls: int,
    yes: bool,
    live: Live,
) -> None:
    """Objects out of an etcd snapshot or another source, decrypted, as Kubernetes YAML or JSON or as raw bytes.

    One object goes to stdout; more go to a new folder, one file each, or to stdout with --stdout. Values that do not open
    are listed with the reason and, where a key was found by trying, with what would open them. Keys never stand on the
    command line.

    SOURCE is whatever `k8senc audit` reads: a snapshot, the data directory of a stopped member, k3s's SQLite database, a
    live etcd (etcd://host:port), a URL, or - for a snapshot on standard input. One stored value is given with --value.

    \b
    Examples:
      k8senc decrypt snapshot.db secrets/db -n shop -c encryption-config.yaml
      k8senc decrypt snapshot.db secrets -n shop -c encryption-config.yaml -o recovered
      k8senc decrypt snapshot.db --all -c enc.yaml --kms cloud=unix:///run/kms.sock -o recovered
      k8senc decrypt snapshot.db --all -c enc.yaml --kms cloud=aws:arn:aws:kms:eu-central-1:111122223333:key/... -o recovered
      k8senc decrypt snapshot.db --all -c enc.yaml --recovery-key file:recovery.key --cluster-label prod -o recovered
      k8senc decrypt snapshot.db secrets/db -n shop --key file:old-key.b64
      k8senc decrypt /var/lib/etcd secrets/db -n shop -c enc.yaml
      k8senc decrypt /var/lib/rancher/k3s/server/db --all -c enc.yaml -o recovered
      k8senc decrypt etcd://10.0.0.1:2379 secrets/db -n shop -c enc.yaml --cacert ca.crt --cert c.crt --cert-key c.key
      ssh cp1 etcdctl snapshot save /dev/stdout | k8senc decrypt - secrets/db -n shop -c enc.yaml
      etcdctl get /registry/secrets/shop/db -w json | k8senc decrypt --value - -c enc.yaml
    """
    from k8senc._native import Recovery

    _check(snapshot, what, namespace, everything, etcd_key, value_file, output, config_file, revision)
    config = None
    if config_file is not None:
        config = read_config(Path("/dev/stdin") if str(config_file) == "-" else config_file)
    kms = opening.kms(config)
    keys = [key_from(source) for source in key_sources]
    resource, _, name = (what or "").partition("/")
    wanted: dict[str, Any] = {
        "format": form,
        "resource": resource or None,
        "namespace": _bytes(namespace),
        "name": _bytes(name or None),
        "etcd_key": _bytes(etcd_key),
        "revision": revision,
        "etcd_prefix": _bytes(etcd_prefix),
        "unverified": unverified,
        "any_key": any_key,
    }
    behind = False
    if value_file is not None:
        label = escape(str(value_file))
        run = Recovery(None, config, keys, **wanted)
        del keys
        summary = _value(run, value_file, etcd_key, kms, form, to_stdout, max_kms_calls, yes)
    else:
        assert snapshot is not None
        label = escape(label_of(snapshot))
        with about(label_of(snapshot)), opened(snapshot, live, etcd_key=_bytes(etcd_key), revision=revision or 0) as source, _no_value(snapshot, source):
            run = source.recovery(config, keys, **wanted)
            del keys
            if revision is None:
                with progress("reading the log") as told:
                    behind = source.tell_pending(told)
            if source.rows is None or (config is not None and config.kms_providers):
                _calls(run, kms, max_kms_calls, yes)
            if output is not None:
                with progress("recovering") as told, _kept(output):
                    writes(_WHOLE)
                    summary = json.loads(run.to_folder(output, told))
                _tell_folder(summary, output)
            else:
                summary = _to_stdout(run, form, to_stdout)
    _tell_reasons(summary)
    code = _exit_code(summary, label)
    context.exit(UNDECIDED if behind and code in (CLEAN, FINDINGS) else code)


@contextmanager
def _no_value(target: str, source: Source) -> Iterator[None]:
    """Says so where one stored value was given for a source."""
    try:
        yield
    except SnapshotError as error:
        if error.code == "not-bbolt" and _holds_value(source.path):
            how = "--value -" if target == "-" else "--value"
            raise Failure(USAGE, f"{escape(label_of(target))} holds one stored value, no snapshot: give it with {how}") from None
        raise


def _holds_value(path: Path | None) -> bool:
    try:
        if path is None or not 0 < path.stat().st_size <= MOST_INPUT:
            return False
        data = path.read_bytes()
    except OSError:
        return False
    return any(one.form != "raw" or inspect(one.stored).provider != "identity" for one in read_pasted(data))


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Says what is left when the source, or room for the output, ends early."""
    try:
        yield
    except (RemoteError, SnapshotError) as error:
        full = error.code == "output"
        if (full or isinstance(error, RemoteError)) and folder.exists() and any(folder.iterdir()):
            until = "its disk took no more" if full else "the source ended"
            note(f"{escape(str(folder))} holds what was read until {until}; {_WHOLE}")
        raise


def _check(
    snapshot: str | None,
    what: str | None,
    namespace: str | None,
    everything: bool,
    etcd_key: str | None,
    value_file: Path | None,
    output: Path | None,
    config_file: Path | None,
    revision: int | None,
) -> None:
    if value_file is not None:
        if snapshot is not None or output is not None:
            raise Failure(USAGE, "--value is one stored value: it takes neither a source nor --output")
        if namespace or everything or revision:
            raise Failure(USAGE, "--value is one stored value: -n, --all and --revision select nothing in it")
        if str(value_file) == "-" and config_file is not None and str(config_file) == "-":
            raise Failure(USAGE, "stdin is either the value or the configuration")
        return
    if snapshot is None:
        raise Failure(USAGE, "a snapshot or another source is needed, or one stored value with --value")
    if snapshot == "-" and config_file is not None and str(config_file) == "-":
        raise Failure(USAGE, "stdin is either the snapshot or the configuration")
    if not (what or namespace or everything or etcd_key):
        raise Failure(USAGE, "say what is wanted: RESOURCE/NAME with -n NAMESPACE, a RESOURCE, -n NAMESPACE, --etcd-key KEY, or --all")
    if everything and (what or namespace or etcd_key):
        raise Failure(USAGE, "--all is every object: give it alone, or leave it out")
    if etcd_key and (what or namespace):
        raise Failure(USAGE, "--etcd-key names one value: give it without resource, name and namespace")
    if output is not None and output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise Failure(USAGE, f"{escape(str(output))} exists: plaintext is never written over or among other files; give the name of a new folder")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _calls(run: Recovery, kms: dict[str, Kms], most: int, yes: bool) -> None:
    from k8senc import auditing, kms_calls

    with progress("looking for encrypted DEKs") as told:
        planned = auditing.plan(run, kms, told)
    kms_calls.make(run, planned, kms, most, yes)


@contextmanager
def _wiped(content: bytearray) -> Iterator[None]:
    """Whatever happens, nothing of it stays in memory."""
    try:
        yield
    finally:
        content[:] = bytes(len(content))


class _Stdout:
    """Documents on their way to stdout. The first waits until it is known whether it is the only one."""

    def __init__(self, form: str, many: bool) -> None:
        self.form, self.many = form, many
        self.waiting: bytearray | None = None
        self.count = 0

    def __enter__(self) -> _Stdout:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if self.waiting is not None:
            with _wiped(self.waiting):
                if failed is None:
                    self.write(self.waiting)

    def document(self, content: bytearray, extension: str) -> None:
        self.count += 1
        try:
            self.check(extension)
        except Failure:
            content[:] = bytes(len(content))
            raise
        if not self.many:
            self.waiting = content
            return
        with _wiped(content):
            self.write(content)

    def check(self, extension: str) -> None:
        if self.count > 1 and not self.many:
            raise Failure(USAGE, "more than one object is selected: give --output DIR for a file each, or --stdout for all of them in a row")
        if self.form != "raw" and extension != self.form:
            raise Failure(FINDINGS, f"an object has no {self.form.upper()} form, as its type is not built into Kubernetes: --format raw writes its bytes, --output DIR both kinds")
        if self.form == "raw" and self.many and self.count > 1:
            raise Failure(USAGE, "raw objects in a row cannot be told apart: give --output DIR")
        if self.form == "raw" and sys.stdout.isatty():
            raise Failure(USAGE, "raw bytes are not written to a terminal: redirect stdout, or give --output DIR")

    def write(self, content: bytearray) -> None:
        """Past Python's buffer, which would keep a copy."""
        if self.count > 1 and self.form == "yaml":
            sys.stdout.buffer.write(b"---\n")
        sys.stdout.buffer.flush()
        raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        with memoryview(content) as whole:
            at = 0
            while at < len(whole):
                taken = raw.write(whole[at:])
                if taken is None:
                    # Somebody made stdout non-blocking, and its reader is slow.
                    select.select([], [raw], [])
                at += taken or 0


def _entry(text: str) -> None:
    entry = json.loads(text)
    if entry["moved"]:
        note(f"{entry['etcdKey']} holds an object of another name than its etcd key: it was copied or moved there")
    if entry["unknownFields"]:
        note(f"{entry['etcdKey']}: {entry['unknownFields']} fields of a newer Kubernetes are left out; --format raw keeps them")
    if entry["hint"] and entry["outcome"] == "written":
        note(f"{entry['etcdKey']}: {entry['hint']['text']}")


def _to_stdout(run: Recovery, form: str, many: bool) -> dict[str, Any]:
    # A bar would run through the documents.
    with _Stdout(form, many) as out:
        summary: dict[str, Any] = json.loads(run.to_functions(out.document, _entry))
    return summary


def _value(run: Recovery, file: Path, etcd_key: str | None, kms: dict[str, Kms], form: str, many: bool, most: int, yes: bool) -> dict[str, Any]:
    from k8senc import auditing, kms_calls

    data = sys.stdin.buffer.read() if str(file) == "-" else read_file(file, "the value")
    if is_store(data):
        without = "- without --value" if str(file) == "-" else "it without --value"
        raise Failure(USAGE, f"{escape(str(file))} is a whole etcd or kine database and not one stored value: give {without}")
    found = read_pasted(data)
    if len(found) != 1:
        raise Failure(USAGE, f"{escape(str(file))} holds {len(found)} values, one is needed")
    key = _bytes(etcd_key) or found[0].etcd_key
    if key is None:
        raise Failure(USAGE, "the etcd key is needed, as values are bound to it: --etcd-key /registry/secrets/NAMESPACE/NAME")
    kms_calls.make(run, auditing.Plan(run.needs(found[0].stored, key), 0, kms), kms, most, yes)
    with _Stdout(form, many) as out:
        summary: dict[str, Any] = json.loads(run.value(found[0].stored, key, out.document, _entry))
    return summary


def _tell_folder(summary: dict[str, Any], output: Path) -> None:
    written = summary["written"] + summary["raw"]
    line = f"{written:,} of {summary['selected']:,} objects are in {escape(str(output))}, readable by you alone; index.jsonl there lists all"
    if summary["raw"]:
        line += f"; {summary['raw']:,} of them raw, as their types are not built into Kubernetes"
    click.echo(line)
    for count, text in [
        (summary["moved"], "hold an object of another name than their etcd key"),
        (summary["byTrial"], "opened with a key that the configuration does not name for them"),
        (summary["unverified"], "are unverified: noise, most likely"),
        (summary["withUnknownFields"], "have fields of a newer Kubernetes that are left out; --format raw keeps them"),
        (summary["notWritten"], "opened but could not be written"),
    ]:
        if count:
            note(f"{count:,} {text}")


def _tell_reasons(summary: dict[str, Any]) -> None:
    for reason in summary["reasons"]:
        key = f" {reason['key']}" if reason["key"] else ""
        why = "the KMS was not asked, or did not answer" if reason["code"] == "dek-missing" else reason["code"]
        more = "" if reason["count"] == 1 else f" and {reason['count'] - 1:,} more"
        note(f"not opened: {reason['example']}{more} ({reason['provider']}{key}): {why}")
        if reason["hint"]:
            note(f"  {reason['hint']['text']}")


def _exit_code(summary: dict[str, Any], label: str) -> int:
    if summary["cancelled"]:
        return interrupted()
    if summary["stopped"]:
        note(f"{label} is damaged: {summary['stopped']}; what lies behind was not reached")
        return UNREADABLE
    if summary["damagedRows"]:
        note(f"{label} is damaged: {summary['damagedRows']:,} rows cannot be parsed, and what they held is missing here")
        return UNREADABLE
    if not summary["selected"]:
        note(f"nothing in {label} is named so: k8senc audit lists its resources; --revision N reaches back before a delete")
        return FINDINGS
    if summary["refused"] or summary["notWritten"]:
        return FINDINGS
    return UNDECIDED if summary["undecided"] else CLEAN
