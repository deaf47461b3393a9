"""`k8senc audit`: what an etcd snapshot holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

from k8senc._native import escape
from k8senc.command import CLEAN, EXIT_CODES, UNDECIDED, UNREADABLE, USAGE, Failure, about, kms_of, note, progress, read_config, read_file, writes
from k8senc.key_sources import offline_of, opening_options


FORMATS = ("json", "jsonl", "sarif", "csv", "csv-findings", "markdown", "html", "prometheus")


@click.command(epilog=EXIT_CODES)
@click.argument("snapshot", type=click.Path(path_type=Path))
@click.option("-c", "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="EncryptionConfiguration. With it values are opened and judged as kube-apiserver would; without, they are classified.")
@opening_options
@click.option("--format", "form", type=click.Choice(["table", *FORMATS]), default="table", show_default=True, help="What goes to stdout.")
@click.option("--report", "reports", multiple=True, metavar="FORMAT=FILE", help=f"Write the report to a new or existing file as well: {', '.join(FORMATS)}. Repeatable.")
@click.option("--wal", "logs", multiple=True, type=click.Path(path_type=Path), metavar="PATH", help="Also search a member's write-ahead log for plaintext: its member/wal folder, or a file of it. Repeatable.")
@click.option("--redact-names", is_flag=True, help="Leave the names of objects and namespaces out of every report.")
@click.option("--require", "requirements", multiple=True, metavar="RESOURCE=PROVIDER", help="Findings where live values are not written so: secrets=kms, secrets=kms-v2, configmaps=encrypted. Repeatable.")
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="An earlier report (--format json): what it found already is for information only, as far as it has not grown.")
@click.option("--fail-on", type=click.Choice(["error", "warning", "info"]), default="warning", show_default=True, help="The least severity that makes exit code 1.")
@click.option("--max-kms-calls", type=click.IntRange(min=0), default=1_000, show_default=True, metavar="N", help="Call no KMS when the snapshot asks for more than N calls.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before calling a KMS.")
@click.option("--examples", type=click.IntRange(0, 1000), default=3, show_default=True, metavar="N", help="Names given of each kind of finding.")
@click.option("--etcd-prefix", metavar="PREFIX", help="kube-apiserver's --etcd-prefix, where it is not one of the usual.")
@click.option("--threads", type=click.IntRange(min=0), default=0, metavar="N", help="Threads to use; 0 is all.")
@click.option("--no-hash", is_flag=True, help="Do not check the SHA-256 behind the snapshot.")
@click.pass_context
def audit(
    context: click.Context,
    snapshot: Path,
    config_file: Path | None,
    kms_specs: tuple[str, ...],
    recovery_keys: tuple[str, ...],
    local_keks: tuple[str, ...],
    cluster_label: str | None,
    set_key: str | None,
    form: str,
    reports: tuple[str, ...],
    logs: tuple[Path, ...],
    redact_names: bool,
    requirements: tuple[str, ...],
    baseline: Path | None,
    fail_on: str,
    max_kms_calls: int,
    yes: bool,
    examples: int,
    etcd_prefix: str | None,
    threads: int,
    no_hash: bool,
) -> None:
    """What in an etcd snapshot is encrypted, with which provider and key; what is stale, what cannot be
    read, and what still lies there in plaintext.

    SNAPSHOT is a file of `etcdctl snapshot save`, or the db file of a stopped etcd member.

    \b
    Examples:
      k8senc audit snapshot.db
      k8senc audit snapshot.db --config encryption-config.yaml --kms cloud-kms=unix:///run/kms.sock
      k8senc audit snapshot.db --format json | jq .totals
      k8senc audit snapshot.db -c encryption-config.yaml --report html=a.html --report sarif=a.sarif
      k8senc audit snapshot.db --require secrets=kms-v2 --report prometheus=k8senc.prom
    """
    from k8senc import auditing, kms_calls
    from k8senc._native import Audit

    outputs = [_output(spec) for spec in reports]
    earlier = read_file(baseline, "the baseline").decode("utf-8", "replace") if baseline else None
    config = read_config(config_file) if config_file else None
    kms = kms_of(kms_specs, config, offline_of(recovery_keys, local_keks, cluster_label, set_key))
    prefix = etcd_prefix.encode() if etcd_prefix is not None else None
    with about(snapshot):
        run = Audit(snapshot, config, threads=threads, hash=not no_hash, examples=examples, etcd_prefix=prefix)

    capped = False
    with about(snapshot):
        if config is not None and config.kms_providers:
            with progress("looking for encrypted DEKs") as told:
                planned = auditing.plan(run, kms, told)
            capped = not kms_calls.make(run, planned, kms, max_kms_calls, yes)
        with progress("reading") as told:
            finished = run.finish(told)
    for log in _log_files(logs):
        with about(log):
            values, exposed, torn = run.add_log(finished, log)
        note(f"{escape(str(log))}: {values:,} values, {exposed:,} of them in plaintext" + ("; it ends inside a record" if torn else ""))
    finished.require(requirements)
    if earlier is not None:
        finished.baseline(earlier)
    if redact_names:
        finished.redact()
    code = finished.exit_code(fail_on)
    report = json.loads(finished.write("json", snapshot.name))
    for kind, file in outputs:
        _save(file, finished.write(kind, snapshot.name))
    if form != "table":
        click.echo(finished.write(form, snapshot.name), nl=False)
    else:
        from k8senc import audit_table, terminal

        terminal.show(audit_table.render(report, snapshot.name))
    if code == UNREADABLE:
        note(f"{escape(str(snapshot))} is damaged: {_damage(report['snapshot'])}; take a new snapshot, or compare with another copy of this one")
    if code == CLEAN and not report["totals"]["live"] and not report["totals"]["history"]:
        note(f"{escape(str(snapshot))} holds no Kubernetes objects: it may be another etcd's, or --etcd-prefix is needed")
        code = UNDECIDED
    context.exit(UNDECIDED if capped and code != UNREADABLE else code)


def _damage(snapshot: dict[str, Any]) -> str:
    if snapshot["damagedRows"]:
        return f"{snapshot['damagedRows']:,} of its rows cannot be parsed"
    return "the SHA-256 at its end is not that of its content"


def _output(spec: str) -> tuple[str, Path]:
    kind, equals, file = spec.partition("=")
    if kind not in FORMATS or not equals or not file:
        raise Failure(USAGE, f"--report {spec!r}: FORMAT=FILE is needed, with one of {', '.join(FORMATS)}")
    if not Path(file).absolute().parent.is_dir():
        raise Failure(USAGE, f"--report {spec!r}: the folder of the file does not exist")
    return kind, Path(file)


def _save(file: Path, text: str) -> None:
    """Whole or not at all: a collector may read it at any time."""
    try:
        with NamedTemporaryFile("w", encoding="utf-8", newline="", dir=file.absolute().parent, prefix=f".{file.name}.", delete=False) as partial:
            partial.write(text)
        Path(partial.name).chmod(0o644 & ~_umask())
        writes("each report is whole or as it was")
        Path(partial.name).replace(file)
    except OSError as error:
        raise Failure(UNREADABLE, f"{escape(str(file))} cannot be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _log_files(paths: tuple[Path, ...]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.wal")) if path.is_dir() else [path]
        if not found:
            raise Failure(USAGE, f"--wal {escape(str(path))}: no *.wal file is in this folder")
        files += found
    return files
